// Cross-entropy of logits (outer, classes, inner) against class indices: a block for each row of classes.
//
// The forward reads the logits once: a running maximum and normaliser (see softmax.cu), the target's own logit, and for
// label smoothing the weighted sum of all. The last block to finish adds the rows up, in their order, so that the loss is
// the same in every run. The backward writes softmax - target from the logits and one number a row.
struct Running { A top, sum; };

__device__ __forceinline__ void see(Running& r, A v) {
  if (v > r.top || v != v) {
    r.sum = r.sum * exp(r.top - v) + 1;
    r.top = v;
  } else if (r.top != MINUS_INFINITY) {
    r.sum += exp(v - r.top);
  }
}

// reduction: 0 none, 1 mean, 2 sum. losses (rows): of each row; loss: the result if it is one number, rounded once.
// norms (rows): the log of the normaliser, kept for the backward. totals: the sum of weights. ticket: 0, and 0 again after.
extern "C" __global__ void cross_entropy_forward(
    const T* x, const long long* target, const T* weight, A* losses, A* norms, A* weights, T* loss, A* totals,
    int* ticket, long long rows, long long classes, long long inner, long long ignored, A smoothing, int reduction,
    volatile int* fault, int code) {
  const long long row = blockIdx.x, at = row / inner * classes * inner + row % inner, index = target[row];
  const bool counts = index != ignored;
  const bool valid = index >= 0 && index < classes;
  if (counts && !valid && threadIdx.x == 0 && !fault[0]) {  // the first fault is kept
    fault[0] = code;
    fault[1] = (int)index;
  }
  Running r = {MINUS_INFINITY, 0};
  A all = 0, mass = 0;  // for smoothing: the weighted sum of the logits, and of the weights
  for (long long i = threadIdx.x; i < classes; i += blockDim.x) {
    const A v = load(x[at + i * inner]);
    see(r, v);
    if (smoothing != 0) {
      const A w = weight ? load(weight[i]) : (A)1;
      all += w * v;
      mass += w;
    }
  }
  const A top = block_max(r.top);
  const A norm = top + log(block_sum(r.top == MINUS_INFINITY ? (A)0 : r.sum * exp(r.top - top)));
  if (smoothing != 0) {
    all = block_sum(all);
    mass = block_sum(mass);
  }
  __shared__ bool last;
  if (threadIdx.x == 0) {
    A value = 0, w = 0;
    if (counts && valid) {
      w = weight ? load(weight[index]) : (A)1;
      value = w * (norm - load(x[at + index * inner]));
      if (smoothing != 0) value = (1 - smoothing) * value + smoothing / classes * (mass * norm - all);
    }
    norms[row] = norm;
    losses[row] = value;
    weights[row] = w;
    __threadfence();
    last = atomicAdd(ticket, 1) == (int)rows - 1;
  }
  if (reduction == 0) {
    if (threadIdx.x == 0) loss[row] = store(losses[row]);
  }
  __syncthreads();
  if (!last) return;
  __threadfence();
  A sum = 0, total = 0;
  for (long long i = threadIdx.x; i < rows; i += blockDim.x) {
    sum += ((volatile A*)losses)[i];
    total += ((volatile A*)weights)[i];
  }
  sum = block_sum(sum);
  total = block_sum(total);
  if (threadIdx.x == 0) {
    *totals = reduction == 1 ? total : (A)1;
    if (reduction != 0) *loss = store(reduction == 1 ? sum / total : sum);
    *ticket = 0;
  }
}

extern "C" __global__ void cross_entropy_backward(
    const T* g, int one_gradient, const T* x, const long long* target, const T* weight, const A* norms, const A* totals,
    T* gx, long long classes, long long inner, long long ignored, A smoothing) {
  const long long row = blockIdx.x, at = row / inner * classes * inner + row % inner, index = target[row];
  const bool counts = index != ignored && index >= 0 && index < classes;
  A scale = counts ? load(g[one_gradient ? 0 : row]) / *totals : (A)0;
  A mass = 0;
  if (smoothing != 0) {
    for (long long i = threadIdx.x; i < classes; i += blockDim.x) mass += weight ? load(weight[i]) : (A)1;
    mass = block_sum(mass);
  }
  const A own = counts ? (weight ? load(weight[index]) : (A)1) * (1 - smoothing) : (A)0;
  const A soft = own + smoothing / classes * mass, norm = norms[row];
  for (long long i = threadIdx.x; i < classes; i += blockDim.x) {
    A d = exp(load(x[at + i * inner]) - norm) * soft - (i == index ? own : (A)0);
    if (smoothing != 0) d -= smoothing / classes * (weight ? load(weight[i]) : (A)1);
    gx[at + i * inner] = store(counts ? d * scale : (A)0);
  }
}
