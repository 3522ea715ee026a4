// Dropout by a counter (backends/counter.py): a thread makes four words and drops, or keeps and scales, four numbers.
__device__ __forceinline__ void philox(unsigned c[4], unsigned k0, unsigned k1) {
  for (int round = 0; round < 10; round++) {
    const unsigned high0 = __umulhi(0xD2511F53u, c[0]), low0 = 0xD2511F53u * c[0];
    const unsigned high1 = __umulhi(0xCD9E8D57u, c[2]), low1 = 0xCD9E8D57u * c[2];
    c[0] = high1 ^ c[1] ^ k0;
    c[1] = low1;
    c[2] = high0 ^ c[3] ^ k1;
    c[3] = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

extern "C" __global__ void dropout(
    const T* x, T* y, long long n, unsigned threshold, A scale, unsigned long long seed, unsigned long long offset) {
  const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i * 4 >= n) return;
  const unsigned long long at = offset + i;
  unsigned c[4] = {(unsigned)at, (unsigned)(at >> 32), 0, 0};
  philox(c, (unsigned)seed, (unsigned)(seed >> 32));
  for (int j = 0; j < 4; j++)
    if (i * 4 + j < n) y[i * 4 + j] = (c[j] >> 8) < threshold ? store((A)0) : store(load(x[i * 4 + j]) * scale);
}
