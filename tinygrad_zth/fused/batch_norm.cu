// batch_norm of (N, C, inner): a block a channel, which goes over the N * inner numbers of its own.
//
// mean and var are given (evaluation), or null: then they are the batch's own.
extern "C" __global__ void batch_norm_forward(
    const T* x, const T* weight, const T* bias, const A* mean, const A* var, T* out, A* means, A* rstds,
    long long batch, long long channels, long long inner, A eps) {
  const long long c = blockIdx.x, count = batch * inner;
  A m, v;
  if (mean) {
    m = mean[c];
    v = var[c];
  } else {
    A sum = 0;
    for (long long i = threadIdx.x; i < count; i += blockDim.x)
      sum += load(x[(i / inner * channels + c) * inner + i % inner]);
    m = block_sum(sum) / count;
    A square = 0;
    for (long long i = threadIdx.x; i < count; i += blockDim.x) {
      const A d = load(x[(i / inner * channels + c) * inner + i % inner]) - m;
      square += d * d;
    }
    v = block_sum(square) / count;
  }
  const A rstd = 1 / sqrt(v + eps);
  if (threadIdx.x == 0) {
    means[c] = m;
    rstds[c] = rstd;
  }
  const A scale = rstd * (weight ? load(weight[c]) : (A)1), shift = bias ? load(bias[c]) : (A)0;
  for (long long i = threadIdx.x; i < count; i += blockDim.x) {
    const long long at = (i / inner * channels + c) * inner + i % inner;
    out[at] = store((load(x[at]) - m) * scale + shift);
  }
}

// Two sums over the channel, of g and of g xhat, are the gradients of bias and weight, and give x's:
//   weight rstd / n (n g - sum(g) - xhat sum(g xhat)), or weight rstd g where the statistics were given.
extern "C" __global__ void batch_norm_backward(
    const T* g, const T* x, const T* weight, const A* means, const A* rstds, T* gx, A* gw, A* gb, long long batch,
    long long channels, long long inner, int own) {
  const long long c = blockIdx.x, count = batch * inner;
  const A m = means[c], rstd = rstds[c];
  A sum = 0, along = 0;
  for (long long i = threadIdx.x; i < count; i += blockDim.x) {
    const long long at = (i / inner * channels + c) * inner + i % inner;
    const A d = load(g[at]);
    sum += d;
    along += d * (load(x[at]) - m) * rstd;
  }
  sum = block_sum(sum);
  along = block_sum(along);
  if (threadIdx.x == 0) {
    gw[c] = along;
    gb[c] = sum;
  }
  if (!gx) return;
  const A scale = rstd * (weight ? load(weight[c]) : (A)1);
  for (long long i = threadIdx.x; i < count; i += blockDim.x) {
    const long long at = (i / inner * channels + c) * inner + i % inner;
    A d = load(g[at]);
    if (own) d -= (sum + (load(x[at]) - m) * rstd * along) / count;
    gx[at] = store(d * scale);
  }
}
