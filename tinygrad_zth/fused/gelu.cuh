// Phi, the normal distribution function, exactly (by erf) or in the tanh form, and the slope of x Phi(x).
__device__ __forceinline__ A phi(A x, int by_tanh) {
  if (by_tanh) return (A)0.5 * (1 + tanh((A)0.7978845608028654 * (x + (A)0.044715 * x * x * x)));
  return (A)0.5 * (1 + erf(x * (A)0.7071067811865476));
}

// d(x Phi(x))/dx. In the tanh form x is held within 100: beyond, its tanh is 1 or -1 and its cube may be infinite.
__device__ __forceinline__ A slope(A x, int by_tanh) {
  const A c = phi(x, by_tanh);
  if (by_tanh) {
    const A near = x < -100 ? (A)-100 : x > 100 ? (A)100 : x;
    const A bend = (A)0.7978845608028654 * (1 + 3 * (A)0.044715 * near * near);
    return c + 2 * c * (1 - c) * near * bend;
  }
  return c + x * exp((A)-0.5 * x * x) * (A)0.3989422804014327;
}
