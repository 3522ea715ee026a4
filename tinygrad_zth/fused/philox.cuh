// Philox4x32-10, as backends/counter.py has it: the four words of counter `at` under a key.
__device__ __forceinline__ void philox(unsigned c[4], unsigned long long at, unsigned long long seed) {
  unsigned k0 = (unsigned)seed, k1 = (unsigned)(seed >> 32);
  c[0] = (unsigned)at;
  c[1] = (unsigned)(at >> 32);
  c[2] = c[3] = 0;
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
