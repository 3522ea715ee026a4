// Stands in for CUDA's cuda_fp16.h: what CuPy's float16.cuh and the project's kernels use of it.
#pragma once
struct __half_raw { unsigned short x; };
struct __half {
  unsigned short bits;
  __half() = default;
  __half(const __half_raw& r) : bits(r.x) {}
  __half(float v) : bits(__float2half_rn(v)) {}
  explicit __half(double v) : bits(__float2half_rn((float)v)) {}
  explicit __half(int v) : bits(__float2half_rn((float)v)) {}
  explicit __half(unsigned v) : bits(__float2half_rn((float)v)) {}
  explicit __half(long long v) : bits(__float2half_rn((float)v)) {}
  explicit __half(unsigned long long v) : bits(__float2half_rn((float)v)) {}
  operator float() const { return __half2float(bits); }
  operator __half_raw() const { return {bits}; }
};
typedef __half half;
inline unsigned short __half_as_ushort(__half h) { return h.bits; }
inline __half __ushort_as_half(unsigned short v) { return __half(__half_raw{v}); }
inline __half __float2half(float f) { return __half(f); }
inline float __half2float(__half h) { return (float)h; }
