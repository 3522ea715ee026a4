// Max pooling over up to three dimensions: a thread has a window and walks its taps, in order. Of equal elements the first is
// taken, of NaN the last; what lies outside is never it.
struct Windows {
  int size[3], out[3], kernel[3], stride[3], padding[3], dilation[3];
};

// `place`, the tap that was taken, in `width` bytes.
extern "C" __global__ void max_pool(const T* x, T* best, void* place, int width, long long n, Windows w) {
  const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i >= n) return;
  long long rest = i;
  int start[3];
  for (int d = 2; d >= 0; d--) {
    start[d] = (int)(rest % w.out[d]) * w.stride[d] - w.padding[d];
    rest /= w.out[d];
  }
  x += rest * w.size[0] * w.size[1] * w.size[2];
  A top = MINUS_INFINITY;
  int tap = 0, taken = -1;
  for (int a = 0; a < w.kernel[0]; a++)
    for (int b = 0; b < w.kernel[1]; b++)
      for (int c = 0; c < w.kernel[2]; c++, tap++) {
        const int at[3] = {start[0] + a * w.dilation[0], start[1] + b * w.dilation[1], start[2] + c * w.dilation[2]};
        if (at[0] < 0 || at[1] < 0 || at[2] < 0 || at[0] >= w.size[0] || at[1] >= w.size[1] || at[2] >= w.size[2]) continue;
        const A v = load(x[((long long)at[0] * w.size[1] + at[1]) * w.size[2] + at[2]]);
        if (taken >= 0 && !(v > top) && v == v) continue;
        top = v;
        taken = tap;
      }
  best[i] = store(top);
  if (taken < 0) taken = 0;
  if (width == 1) ((unsigned char*)place)[i] = (unsigned char)taken;
  else if (width == 2) ((unsigned short*)place)[i] = (unsigned short)taken;
  else ((long long*)place)[i] = taken;
}
