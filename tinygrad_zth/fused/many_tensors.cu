// One launch over many tensors: an optimiser's step, the norm of all gradients, their scaling.
//
// Where the tensors lie is passed by value, as the kernel's first argument: no copy to the device goes before. A block has
// CHUNK numbers of one tensor; which, it finds in `chunk`, the number of blocks before each tensor.
#define MANY 128
#define CHUNK 4096

struct Tensors {
  long long one[MANY];    // addresses: parameters, or gradients
  long long two[MANY];    // addresses: gradients
  long long start[MANY];  // where each begins in the flat states
  int chunk[MANY + 1];
  int count;
};

struct Part { int tensor; long long from, to; };

__device__ __forceinline__ Part my_part(const Tensors& t, long long total) {
  int low = 0, high = t.count - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (t.chunk[middle] <= (int)blockIdx.x) low = middle;
    else high = middle - 1;
  }
  const long long from = (long long)((int)blockIdx.x - t.chunk[low]) * CHUNK;
  const long long size = (low + 1 < t.count ? t.start[low + 1] : total) - t.start[low];
  return {low, from, from + CHUNK < size ? from + CHUNK : size};
}

// Adam, AdamW (decay shrinks the parameter by `shrink`; else it is in `penalty`), amsgrad if `highest` is not null. The
// same expressions as in optimizer_steps.py: rate and floor carry both bias corrections.
extern "C" __global__ void adam(
    Tensors t, long long total, T* averages, T* squares, T* highest, A shrink, A penalty, A direction, A new1, A beta2,
    A new2, A rate, A floor_) {
  const Part part = my_part(t, total);
  T* p = (T*)t.one[part.tensor];
  const T* g = (const T*)t.two[part.tensor];
  const long long at = t.start[part.tensor];
  for (long long i = part.from + threadIdx.x; i < part.to; i += blockDim.x) {
    A value = load(p[i]) * shrink;
    const A d = load(g[i]) * direction + penalty * value;
    const A m = load(averages[at + i]) + (d - load(averages[at + i])) * new1;
    A v = load(squares[at + i]) * beta2 + d * d * new2;
    averages[at + i] = store(m);
    squares[at + i] = store(v);
    if (highest) {
      v = max_(load(highest[at + i]), v);
      highest[at + i] = store(v);
    }
    value -= m / (sqrt(v) + floor_) * rate;
    p[i] = store(value);
  }
}

// Stochastic gradient descent, with momentum if `buffer` is not null.
extern "C" __global__ void sgd(
    Tensors t, long long total, T* buffer, A penalty, A direction, A momentum, A fresh, A rate, int nesterov, int first) {
  const Part part = my_part(t, total);
  T* p = (T*)t.one[part.tensor];
  const T* g = (const T*)t.two[part.tensor];
  const long long at = t.start[part.tensor];
  for (long long i = part.from + threadIdx.x; i < part.to; i += blockDim.x) {
    const A value = load(p[i]);
    A d = load(g[i]) * direction + penalty * value;
    if (buffer) {
      const A b = first ? d : load(buffer[at + i]) * momentum + d * fresh;
      buffer[at + i] = store(b);
      d = nesterov ? d + b * momentum : b;
    }
    p[i] = store(value - d * rate);
  }
}

// The 2-norm of all tensors together. Blocks leave the sums of squares of their parts; the last of all launches' blocks to
// finish (`blocks` in number) adds them up in their order, so that the norm is the same in every run.
extern "C" __global__ void norm_of_all(
    Tensors t, long long total, A* sums, int offset, int blocks, int* ticket, T* norm) {
  const Part part = my_part(t, total);
  const T* x = (const T*)t.one[part.tensor];
  A sum = 0;
  for (long long i = part.from + threadIdx.x; i < part.to; i += blockDim.x) sum += load(x[i]) * load(x[i]);
  sum = block_sum(sum);
  __shared__ bool last;
  if (threadIdx.x == 0) {
    sums[offset + blockIdx.x] = sum;
    __threadfence();
    last = atomicAdd(ticket, 1) == blocks - 1;
  }
  __syncthreads();
  if (!last) return;
  __threadfence();
  sum = 0;
  for (int i = threadIdx.x; i < blocks; i += blockDim.x) sum += ((volatile A*)sums)[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *norm = store(sqrt(sum));
}

// Each tensor times most / (norm + 1e-6), where that is below 1. A norm that is no number makes them all so.
extern "C" __global__ void scale_all(Tensors t, long long total, const T* norm, A most) {
  const Part part = my_part(t, total);
  T* x = (T*)t.one[part.tensor];
  const A by = most / (load(*norm) + (A)1e-6);
  if (by >= 1) return;
  for (long long i = part.from + threadIdx.x; i < part.to; i += blockDim.x) x[i] = store(load(x[i]) * by);
}

// Each tensor times `by`, the reciprocal of the loss's scale. Where a number is infinite or NaN, *found becomes 1.
extern "C" __global__ void unscale_all(Tensors t, long long total, float* found, float by) {
  const Part part = my_part(t, total);
  T* x = (T*)t.one[part.tensor];
  bool wrong = false;
  for (long long i = part.from + threadIdx.x; i < part.to; i += blockDim.x) {
    const A value = load(x[i]);
    if (!(value - value == 0)) wrong = true;
    x[i] = store(value * by);
  }
  if (wrong) *found = 1;  // all who write it write the same
}
