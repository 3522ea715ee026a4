// GELU and its gradient: a thread an element. Nothing is kept but the input.
extern "C" __global__ void gelu_forward(const T* x, T* y, long long n, int by_tanh) {
  const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i < n) y[i] = store(load(x[i]) * phi(load(x[i]), by_tanh));
}

extern "C" __global__ void gelu_backward(const T* g, const T* x, T* gx, long long n, int by_tanh) {
  const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i < n) gx[i] = store(load(g[i]) * slope(load(x[i]), by_tanh));
}
