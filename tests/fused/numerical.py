"""What the kernel tests share: finite differences, awkward arrays, tolerances."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

TOLERANCE = {
    "e": {"rtol": 4e-3, "atol": 4e-3},
    "f": {"rtol": 2e-5, "atol": 4e-6},
    "d": {"rtol": 1e-10, "atol": 1e-11},
}


def close(actual, expected, dtype=None, **tolerance) -> None:
    """Values equal within what `dtype` (default: that of `actual`) can hold; equal shapes."""
    kind = np.dtype(dtype or actual.dtype).char
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(np.asarray(actual, "d"), np.asarray(expected, "d"), **(TOLERANCE[kind] | tolerance))


def numerical_gradient(f, x: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """The gradient of the scalar function `f` at the float64 array `x`, by central differences."""
    x = np.array(x, "d")
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + step
        up = f(x)
        x[i] = kept - step
        down = f(x)
        x[i] = kept
        gradient[i] = (up - down) / (2 * step)
    return gradient


def awkward(x: np.ndarray, how: str) -> np.ndarray:
    """`x` in another memory layout: every stride a kernel must put up with."""
    if how == "transposed":
        return np.ascontiguousarray(x.T).T
    if how == "reversed" and x.ndim:
        return x[..., ::-1].copy()[..., ::-1]
    if how == "strided" and x.ndim:
        wide = np.empty((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        wide[..., ::2] = x
        return wide[..., ::2]
    return x


layouts = st.sampled_from(["contiguous", "transposed", "reversed", "strided"])
dtypes = st.sampled_from(["e", "f", "d"])
seeds = st.integers(0, 2**31)


def normal(seed: int, shape, dtype, scale: float = 1.0) -> np.ndarray:
    """Random normal values of a given shape and dtype."""
    return np.asarray(np.random.default_rng(seed).standard_normal(shape) * scale, dtype)
