// LayerNorm and RMSNorm of the rows of a matrix (rows, n): a block a row, the variance by a second pass over the row.
extern "C" __global__ void layer_norm_forward(
    const T* x, const T* weight, const T* bias, T* out, A* means, A* rstds, long long n, A eps, int centred) {
  const T* row = x + blockIdx.x * n;
  A mean = 0;
  if (centred) {
    A sum = 0;
    for (long long i = threadIdx.x; i < n; i += blockDim.x) sum += load(row[i]);
    mean = block_sum(sum) / n;
  }
  A square = 0;
  for (long long i = threadIdx.x; i < n; i += blockDim.x) {
    const A d = load(row[i]) - mean;
    square += d * d;
  }
  const A rstd = 1 / sqrt(block_sum(square) / n + eps);
  if (threadIdx.x == 0) {
    means[blockIdx.x] = mean;
    rstds[blockIdx.x] = rstd;
  }
  for (long long i = threadIdx.x; i < n; i += blockDim.x) {
    A z = (load(row[i]) - mean) * rstd;
    if (weight) z *= load(weight[i]);
    if (bias) z += load(bias[i]);
    out[blockIdx.x * n + i] = store(z);
  }
}

// One launch, two kinds of block. The first `rows` blocks write a row of the input's gradient each,
//   rstd (h - mean(h) - z mean(h z)), h = g weight, z = (x - mean) rstd;
// each of the others adds up a column of the weight's and the bias's gradient for every lane, the warps sharing the rows.
extern "C" __global__ void layer_norm_backward(
    const T* g, const T* x, const T* weight, const A* means, const A* rstds, T* gx, T* gw, T* gb, long long rows,
    long long n, int centred) {
  __shared__ A for_weight[32][33], for_bias[32][33];
  if (blockIdx.x < rows) {
    const long long at = blockIdx.x * n;
    const A mean = means[blockIdx.x], rstd = rstds[blockIdx.x];
    A sum = 0, along = 0;
    if (!gx) return;
    for (long long i = threadIdx.x; i < n; i += blockDim.x) {
      const A h = load(g[at + i]) * (weight ? load(weight[i]) : (A)1);
      sum += h;
      along += h * (load(x[at + i]) - mean) * rstd;
    }
    sum = centred ? block_sum(sum) / n : (A)0;
    along = block_sum(along) / n;
    for (long long i = threadIdx.x; i < n; i += blockDim.x) {
      const A h = load(g[at + i]) * (weight ? load(weight[i]) : (A)1);
      gx[at + i] = store((h - sum - (load(x[at + i]) - mean) * rstd * along) * rstd);
    }
    return;
  }
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  const long long column = (blockIdx.x - rows) * 32 + lane;
  A w = 0, b = 0;
  if (column < n) {
    for (long long r = warp; r < rows; r += warps) {
      const A d = load(g[r * n + column]);
      w += d * (load(x[r * n + column]) - means[r]) * rstds[r];
      b += d;
    }
  }
  for_weight[warp][lane] = w;
  for_bias[warp][lane] = b;
  __syncthreads();
  if (warp != 0 || column >= n) return;
  for (int i = 1; i < warps; i++) {
    w += for_weight[i][lane];
    b += for_bias[i][lane];
  }
  if (gw) gw[column] = store(w);
  if (gb) gb[column] = store(b);
}
