// act(x + b) for x (rows, columns) and b (columns), act ReLU (form 0) or GELU (1 by erf, 2 by tanh), and its gradients.
// What act was given is made again in the backward: nothing is kept but the inputs.
__device__ __forceinline__ A activated(A z, int form) {
  if (form == 0) return z != z ? z : max_(z, (A)0);
  return z * phi(z, form == 2);
}

__device__ __forceinline__ A slope_of(A z, int form) {
  if (form == 0) return z > 0 ? (A)1 : (A)0;
  return slope(z, form == 2);
}

extern "C" __global__ void bias_activation_forward(
    const T* x, const T* b, T* y, long long n, long long columns, int form) {
  const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i < n) y[i] = store(activated(load(x[i]) + load(b[i % columns]), form));
}

// A block has 32 columns, a lane of each of its warps one of them, and each warp every eighth row; the warps' sums for the
// bias are added up in their order, so that they come out the same every time.
extern "C" __global__ void bias_activation_backward(
    const T* g, const T* x, const T* b, T* gx, T* gb, long long rows, long long columns, int form) {
  __shared__ A sums[8][32];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const long long c = blockIdx.x * 32LL + lane;
  A sum = 0;
  if (c < columns) {
    const A own = load(b[c]);
    for (long long r = warp; r < rows; r += 8) {
      const long long i = r * columns + c;
      const A d = load(g[i]) * slope_of(load(x[i]) + own, form);
      gx[i] = store(d);
      sum += d;
    }
  }
  sums[warp][lane] = sum;
  __syncthreads();
  if (warp == 0 && c < columns) {
    for (int w = 1; w < 8; w++) sum += sums[w][lane];
    gb[c] = store(sum);
  }
}
