// What CUDA C++ adds to C++, as far as the kernels of the project and of CuPy use it, on top of threads.h.
#pragma once
#include "threads.h"

#define __device__
#define __host__
#define __global__
#define __constant__ static
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static  // blocks run one after another
#ifndef __restrict__
#define __restrict__ __restrict
#endif

#define threadIdx (sim::block().current->id)
#define blockIdx (sim::block().id)
#define blockDim (sim::block().size)
#define gridDim (sim::block().grid)
static const int warpSize = 32;

// ---- meeting points
inline void __syncthreads() { sim::hand_over(sim::AT_BLOCK, 0); }
inline int __syncthreads_or(int p) {
  sim::block().next_vote |= !!p;
  sim::hand_over(sim::AT_BLOCK, 0);
  return sim::block().vote;
}
inline void __syncwarp(unsigned mask = 0xffffffffu) { sim::exchange(mask, 0, [](int lane) { return lane; }); }
inline void __threadfence() {}
inline void __threadfence_block() {}
template <class T> inline T __shfl_xor_sync(unsigned mask, T v, int o, int width = 32) {
  return sim::exchange(mask, v, [=](int l) { int s = l ^ o; return s / width == l / width ? s : -1; });
}
template <class T> inline T __shfl_down_sync(unsigned mask, T v, unsigned o, int width = 32) {
  return sim::exchange(mask, v, [=](int l) { return (l % width) + (int)o < width ? l + (int)o : -1; });
}
template <class T> inline T __shfl_up_sync(unsigned mask, T v, unsigned o, int width = 32) {
  return sim::exchange(mask, v, [=](int l) { return (l % width) - (int)o >= 0 ? l - (int)o : -1; });
}
template <class T> inline T __shfl_sync(unsigned mask, T v, int s, int width = 32) {
  return sim::exchange(mask, v, [=](int l) { return l / width * width + s % width; });
}

// ---- memory: one fiber runs at a time, so every access is atomic already
template <class T> inline T __ldg(const T* p) { return *p; }
template <class T, class F> inline T sim_atomic(T* p, F after) { T before = *p; *p = after(before); return before; }
template <class T, class U> inline T atomicAdd(T* p, U v) { return sim_atomic(p, [=](T o) { return (T)(o + (T)v); }); }
template <class T, class U> inline T atomicSub(T* p, U v) { return sim_atomic(p, [=](T o) { return (T)(o - (T)v); }); }
template <class T, class U> inline T atomicMax(T* p, U v) { return sim_atomic(p, [=](T o) { return (T)v > o ? (T)v : o; }); }
template <class T, class U> inline T atomicMin(T* p, U v) { return sim_atomic(p, [=](T o) { return (T)v < o ? (T)v : o; }); }
template <class T, class U> inline T atomicExch(T* p, U v) { return sim_atomic(p, [=](T) { return (T)v; }); }
template <class T, class U> inline T atomicOr(T* p, U v) { return sim_atomic(p, [=](T o) { return (T)(o | (T)v); }); }
template <class T, class U> inline T atomicAnd(T* p, U v) { return sim_atomic(p, [=](T o) { return (T)(o & (T)v); }); }
template <class T, class U, class V> inline T atomicCAS(T* p, U expected, V v) {
  return sim_atomic(p, [=](T o) { return o == (T)expected ? (T)v : o; });
}

// ---- bits and numbers
template <class To, class From> inline To sim_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}
inline float __int_as_float(int i) { return sim_bits<float>(i); }
inline float __uint_as_float(unsigned i) { return sim_bits<float>(i); }
inline int __float_as_int(float f) { return sim_bits<int>(f); }
inline unsigned __float_as_uint(float f) { return sim_bits<unsigned>(f); }
inline double __longlong_as_double(long long i) { return sim_bits<double>(i); }
inline long long __double_as_longlong(double f) { return sim_bits<long long>(f); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((uint64_t)a * b) >> 32); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float __fdividef(float a, float b) { return a / b; }
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __powf(x, y) powf(x, y)
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
using std::isfinite; using std::isinf; using std::isnan; using std::max; using std::min; using std::signbit;

// ---- half precision, by the processor's own conversions (round to nearest even, as the device's)
inline float __half2float(unsigned short h) { return (float)sim_bits<_Float16>(h); }
inline unsigned short __float2half_rn(float v) { return sim_bits<unsigned short>((_Float16)v); }
