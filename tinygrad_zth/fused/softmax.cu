// softmax and log_softmax along the middle of (outer, n, inner): a block for each row of n.
//
// Each thread keeps a running maximum and the sum of exponentials below it, rescaled when the maximum rises (Milakov and
// Gimelshein, "Online normalizer calculation for softmax", 2018): one pass for the statistics, one to write.
struct Running { A top, sum; };

__device__ __forceinline__ void see(Running& r, A v) {
  if (v > r.top || v != v) {
    r.sum = r.sum * exp(r.top - v) + 1;
    r.top = v;
  } else if (r.top != MINUS_INFINITY) {
    r.sum += exp(v - r.top);
  }
}

// The maximum of the row and the sum of exp(x - maximum); every thread gets both.
__device__ Running row_statistics(const T* x, long long n, long long step) {
  Running r = {MINUS_INFINITY, 0};
  for (long long i = threadIdx.x; i < n; i += blockDim.x) see(r, load(x[i * step]));
  const A top = block_max(r.top);
  // A thread that saw nothing but -inf has nothing to add, and (-inf) - (-inf) is no number.
  const A mine = r.top == MINUS_INFINITY ? (A)0 : r.sum * exp(r.top - top);
  return {top, block_sum(mine)};
}

extern "C" __global__ void softmax_forward(const T* x, T* y, long long n, long long inner, int logarithm) {
  const long long at = blockIdx.x / inner * n * inner + blockIdx.x % inner;
  const Running r = row_statistics(x + at, n, inner);
  const A scale = 1 / r.sum, shift = log(r.sum);
  for (long long i = threadIdx.x; i < n; i += blockDim.x) {
    const A v = load(x[at + i * inner]) - r.top;
    y[at + i * inner] = store(logarithm ? v - shift : exp(v) * scale);
  }
}

extern "C" __global__ void softmax_backward(const T* g, const T* y, T* gx, long long n, long long inner, int logarithm) {
  const long long at = blockIdx.x / inner * n * inner + blockIdx.x % inner;
  A sum = 0;
  for (long long i = threadIdx.x; i < n; i += blockDim.x) {
    const A v = load(g[at + i * inner]);
    sum += logarithm ? v : v * load(y[at + i * inner]);
  }
  sum = block_sum(sum);
  for (long long i = threadIdx.x; i < n; i += blockDim.x) {
    const A v = load(g[at + i * inner]), out = load(y[at + i * inner]);
    gx[at + i * inner] = store(logarithm ? v - exp(out) * sum : out * (v - sum));
  }
}
