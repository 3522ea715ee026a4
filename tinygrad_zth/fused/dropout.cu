// Dropout by a counter (backends/counter.py): a thread makes four words and drops, or keeps and scales, four numbers.
extern "C" __global__ void dropout(
    const T* x, T* y, long long n, unsigned threshold, A scale, unsigned long long seed, unsigned long long offset) {
  const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i * 4 >= n) return;
  unsigned c[4];
  philox(c, offset + i, seed);
  for (int j = 0; j < 4; j++)
    if (i * 4 + j < n) y[i * 4 + j] = (c[j] >> 8) < threshold ? store((A)0) : store(load(x[i * 4 + j]) * scale);
}
