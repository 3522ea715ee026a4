// Rows of a table (rows, width) by index, and the way back: a thread a number.
extern "C" __global__ void embedding_forward(
    const T* table, const I* index, T* out, long long n, long long rows, long long width, volatile int* fault, int code) {
  const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i >= n * width) return;
  const long long row = index[i / width];
  if (row < 0 || row >= rows) {
    if (!fault[0]) {  // the first fault is kept
      fault[0] = code;
      fault[1] = (int)row;
    }
    out[i] = store((A)0);
    return;
  }
  out[i] = table[row * width + i % width];
}

// The gradient of a row is added where it was read; a row that was read twice gets both, in no certain order.
extern "C" __global__ void embedding_backward(
    const T* g, const I* index, T* table, long long n, long long rows, long long width, long long padding) {
  const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i >= n * width) return;
  const long long row = index[i / width];
  if (row < 0 || row >= rows || row == padding) return;
  atomicAdd(&table[row * width + i % width], g[i]);
}
