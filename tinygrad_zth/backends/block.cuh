// What the kernels share: reductions over the threads of a block, by warp shuffles and one barrier.
//
// All threads of the block call them, all get the result. A block is whole warps, at most 32 of them.
#define MINUS_INFINITY (-(A)__int_as_float(0x7f800000))  // NVRTC has no INFINITY

template <class F> __device__ __forceinline__ A warp_reduce(A v, F f) {
  for (int o = 16; o > 0; o >>= 1) v = f(v, __shfl_xor_sync(0xffffffffu, v, o));
  return v;
}

template <class F> __device__ __forceinline__ A block_reduce(A v, A identity, F f) {
  __shared__ A partial[32];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  v = warp_reduce(v, f);
  __syncthreads();  // what an earlier reduction left may still be read
  if (lane == 0) partial[warp] = v;
  __syncthreads();
  v = lane < warps ? partial[lane] : identity;
  return warp_reduce(v, f);
}

__device__ __forceinline__ A add_(A a, A b) { return a + b; }
__device__ __forceinline__ A max_(A a, A b) { return a > b || a != a ? a : b; }  // a NaN wins
__device__ __forceinline__ A warp_sum(A v) { return warp_reduce(v, add_); }
__device__ __forceinline__ A warp_max(A v) { return warp_reduce(v, max_); }
__device__ __forceinline__ A block_sum(A v) { return block_reduce(v, (A)0, add_); }
__device__ __forceinline__ A block_max(A v) { return block_reduce(v, MINUS_INFINITY, max_); }
