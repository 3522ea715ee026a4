// What CuPy's generated kernels need beyond language.h, and its own headers, precompiled together.
#pragma once
#include "language.h"
#define __CUDACC_VER_MAJOR__ 13
#define __CUDACC_VER_MINOR__ 0
typedef long long longlong;
typedef unsigned long long ulonglong;
inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678118654752440f); }
inline double normcdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752440); }
inline float rcbrtf(float x) { return 1.f / cbrtf(x); }
inline double rcbrt(double x) { return 1. / cbrt(x); }
