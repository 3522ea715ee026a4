"""Normal numbers, as PyTorch's CPU kernels draw them: the Box-Muller transform, twice over.

Box & Muller (1958): of two uniforms u, v the pair sqrt(-2 log u) * (cos 2 pi v, sin 2 pi v) is
standard normal. PyTorch does this in two ways, and which of them is used shows in every digit:

* :func:`pairs`, one value at a time in double precision, for few or scattered elements. The second
  value of a pair waits in the generator for the next such call.
* :func:`blocks`, 16 elements at a time, for 16 or more contiguous elements; float64 in the C
  library's functions, float32 and float16 in the Cephes polynomials below.

In float32 each fused multiply-add rounds once. NumPy has none, so it is done in float64, where the
product of two float32 is exact, and the sum is then rounded to float32. That rounds twice, which
matters only if the float64 sum was inexact and fell halfway between two float32. For the
polynomials, whose input is one of 2**24 uniforms, all of them have been tried: it never does. Where
the user's numbers come in, :func:`fma32` is strict.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterator

import numpy as np

from ..generator import Generator
from ..types import Array

__all__ = ["blocks", "fma32", "fma64", "libm", "multiply_add", "pairs", "scalar_kernels"]

_TAU = 2 * math.pi
_PAIRS = 16384  # pairs a pass: the scratch arrays of one pass fit in a core's cache
_f32 = np.float32
_FEW = 592  # elements whose words, with the sixteen drawn again, are at most one block of the engine


def libm(function: Callable[[float], float], x: np.ndarray) -> np.ndarray:
    """``function`` of :mod:`math` on each element of a float64 vector, as a float64 vector.

    NumPy's own vector loops may differ from the C library's functions in the last bit.
    """
    return np.fromiter(map(function, x.tolist()), np.float64, x.size)


# -- fused multiply-add ------------------------------------------------------------------------


def _two_sum(x: Array, y: Array) -> tuple[Array, ...]:
    """Knuth (1969): s + e is x + y exactly, s its rounding."""
    s = x + y
    t = s - x
    return s, (x - (s - t)) + (y - t)


def _two_product(x: Array, y: Array) -> tuple[Array, ...]:
    """Dekker (1971), by Veltkamp's splitting: p + e is x * y exactly, p its rounding."""
    p = x * y
    cx, cy = x * 134217729.0, y * 134217729.0
    xh, yh = cx - (cx - x), cy - (cy - y)
    xl, yl = x - xh, y - yh
    return p, ((xh * yh - p) + xh * yl + xl * yh) + xl * yl


def _to_odd(s: Array, e: Array) -> Array:
    """The sum s + e of a :func:`_two_sum`, rounded to odd: what is cut off stays visible in the
    last bit, so that a second rounding cannot go wrong (Boldo & Melquiond 2008)."""
    even = (np.asarray(s).view(np.int64) & 1) == 0
    towards = np.where(e > 0, np.inf, -np.inf)
    return np.where((e != 0) & even, np.nextafter(s, towards), s)


def fma64(x: np.ndarray, y: float, c: float) -> np.ndarray:
    """x * y + c in float64, rounded once. ``x`` is a float64 vector."""
    if c == 0:
        return x * y + c
    plain = x * y + c
    high, low = _two_product(x, np.float64(y))
    t, t_error = _two_sum(np.float64(c), low)
    v, v_error = _two_sum(high, t)
    exact = v + _to_odd(*_two_sum(t_error, v_error))
    return np.where(np.isfinite(exact), exact, plain)  # overflow within the splitting


def fma32(x: np.ndarray, y: float, c: float) -> np.ndarray:
    """x * y + c in float32, rounded once; ``x`` a float32 vector, y and c cast to it."""
    factor, term = _f32(y), _f32(c)
    if term == 0:
        return x * factor + term
    product = x * np.float64(factor)
    total = product + np.float64(term)
    # Halfway between two float32: the 29 bits that will go are a one and zeros.
    halfway = (total.view(np.int64) & 0x1FFFFFFF) == 0x10000000
    if halfway.any():
        total[halfway] = _to_odd(*_two_sum(product[halfway], np.float64(term)))
    return total.astype(np.float32)


_scalar = contextvars.ContextVar("scalar_kernels", default=False)


@contextlib.contextmanager
def scalar_kernels() -> Iterator[None]:
    """Within the block, in this thread, draw what PyTorch draws on a CPU without AVX2.

    That is PyTorch under ``ATEN_CPU_CAPABILITY=default``; builds for other processors resemble it.
    The words are the same; float32 normals differ by up to 2.3e-6, and ``uniform_`` and small
    normals by the fusing of a multiply-add. Those normals are PyTorch's to 4 ulp here.
    """
    before = _scalar.set(True)
    try:
        yield
    finally:
        _scalar.reset(before)


def multiply_add(x: np.ndarray, y: float, c: float) -> Array:
    """x * y + c in the type of ``x``: fused, as vector kernels do it, or not, as scalar ones."""
    kind = x.dtype.type
    if _scalar.get():
        return x * kind(y) + kind(c)
    return (fma64 if kind is np.float64 else fma32)(x, y, c)


# -- one value at a time -----------------------------------------------------------------------


def pairs(generator: Generator, n: int, mean: float, std: float) -> Array:
    """``n`` normals, float64, by pairs; four words a pair. The caller holds the lock.

    What waits in the generator is the standard value, before mean and std.
    """
    values: list[float] = []
    if n and generator.cached_normal is not None:
        values.append(generator.cached_normal)
        generator.cached_normal = None
    missing = n - len(values)
    if missing:
        # One pass over Python floats: for the few elements this rule is for, faster than NumPy.
        uniforms = iter(generator.uniform53(missing + (missing & 1)).tolist())
        for u, v in zip(uniforms, uniforms):
            radius = math.sqrt(-2.0 * math.log1p(-v))
            angle = _TAU * u
            values.append(radius * math.cos(angle))
            values.append(radius * math.sin(angle))
        if missing & 1:
            generator.cached_normal = values.pop()
    return multiply_add(np.array(values, np.float64), std, mean)


# -- sixteen at a time -------------------------------------------------------------------------


def blocks(generator: Generator, out: np.ndarray, mean: float, std: float) -> None:
    """Fill the contiguous vector ``out``, of 16 elements or more, with normals by blocks of 16.

    Elements j and j + 8 of a block are a pair. A rest that is no whole block is drawn (float16: is
    not), and then the last 16 elements are filled anew. The caller holds the lock.
    """
    n, rest = out.size, out.size % 16
    if out.dtype == np.float32 and n <= _FEW and not _scalar.get():
        _few(generator, out, mean, std)
        return
    kernel = _block_f64 if out.dtype == np.float64 else _block_f32
    per_real = 2 if kernel is _block_f64 else 1
    whole = n - rest
    for start in range(0, whole, 2 * _PAIRS):
        part = out[start : min(start + 2 * _PAIRS, whole)]
        words = generator.words(part.size * per_real)
        if not rest or start + part.size < whole:
            kernel(words, part, mean, std)
            continue
        # The last pass takes the sixteen that overlap it along: a pass is dear when it is short.
        if out.dtype != np.float16:
            generator.words(rest * per_real)
        both = np.empty(part.size + 16, out.dtype)
        kernel(np.concatenate((words, generator.words(16 * per_real))), both, mean, std)
        part[...] = both[:-16]
        out[n - 16 :] = both[-16:]


def _few(generator: Generator, out: np.ndarray, mean: float, std: float) -> None:
    """:func:`blocks` in float32 for few elements: radii and angles come from the block of words, made once."""
    n, rest = out.size, out.size % 16
    whole = n - rest
    radius, cos, sin = generator.made_of_words(_polar, whole + rest + 16 if rest else whole)
    _pair(out[:whole], radius, cos, sin)
    if rest:
        _pair(out[n - 16 :], radius[whole + rest :], cos[whole + rest :], sin[whole + rest :])
    if _f32(mean) == 0 and _f32(std) == 1:
        out += _f32(0)  # x * 1 + 0: a negative zero turns positive
    else:
        out[...] = fma32(out, std, mean)


def _polar(words: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (_radius(words), *_cos_sin(words))


def _pair(out: np.ndarray, radius: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> None:
    """Of each 16 words the first eight give radii, the last eight angles."""
    n = out.size
    sixteen = out.reshape(-1, 16)
    radii = radius[:n].reshape(-1, 16)[:, :8]
    np.multiply(radii, cos[:n].reshape(-1, 16)[:, 8:], out=sixteen[:, :8])
    np.multiply(radii, sin[:n].reshape(-1, 16)[:, 8:], out=sixteen[:, 8:])


def _halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each 16 elements the first eight and the last eight, as vectors of 8-element items."""
    items = x.view(f"V{8 * x.itemsize}")
    return items[0::2], items[1::2]


def _block_f64(words: np.ndarray, out: np.ndarray, mean: float, std: float) -> None:
    r64 = (words[0::2].astype(np.uint64) << np.uint64(32)) | words[1::2]
    reals = (r64 & np.uint64(2**53 - 1)).astype(np.float64) * 2.0**-53
    u, v = (np.ascontiguousarray(half).view(np.float64) for half in _halves(reals))
    radius = np.sqrt(-2.0 * libm(math.log, 1.0 - u))
    angle = _TAU * v
    for half, part in zip(_halves(out), (libm(math.cos, angle), libm(math.sin, angle))):
        half[...] = fma64(radius * part, std, mean).view(half.dtype)


def _block_f32(words: np.ndarray, out: np.ndarray, mean: float, std: float) -> None:
    first, second = (np.ascontiguousarray(half).view(np.uint32) for half in _halves(words))
    radius_of, cos_sin_of = (_radius_f64, _cos_sin_f64) if _scalar.get() else (_radius, _cos_sin)
    radius = radius_of(first)
    into = out if out.dtype == np.float32 else np.empty(out.size, np.float32)
    standard = _f32(mean) == 0 and _f32(std) == 1
    for half, part in zip(_halves(into), cos_sin_of(second)):
        part *= radius
        if standard:
            part += _f32(mean)  # x * 1 + 0: a negative zero turns positive
        else:
            part = fma32(part, std, mean)
        half[...] = part.view(half.dtype)
    if into is not out:
        out[...] = into


def _uniform24(words: np.ndarray) -> np.ndarray:
    u = (words & np.uint32(0xFFFFFF)).view(np.int32).astype(np.float32)
    u *= _f32(2.0**-24)
    return u


# The scalar kernels call the C library's float32 functions; float64 rounded is within 4 ulp.


def _radius_f64(words: np.ndarray) -> Array:
    log = np.log(1.0 - _uniform24(words).astype(np.float64)).astype(np.float32)
    return np.sqrt(_f32(-2) * log)


def _cos_sin_f64(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    angle = (_TAU * _uniform24(words).astype(np.float64)).astype(np.float32).astype(np.float64)
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


# Cephes, logf: log(1 + m) = m - m^2/2 + m^3 P(m), on [sqrt(1/2), sqrt(2)).
_LOG = [
    np.float64(_f32(c))
    for c in (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
]
_LN2_HIGH, _LN2_LOW = _f32(0.693359375), _f32(-2.12194440e-4)
_SQRT_HALF_BITS = np.int32(0x3F3504F3)


def _radius(words: np.ndarray) -> np.ndarray:
    """sqrt(-2 log(1 - u)) in float32, u the low 24 bits of each word."""
    n = words.size
    x = (np.int32(1 << 24) - (words & np.uint32(0xFFFFFF)).view(np.int32)).astype(np.float32)
    x *= _f32(2.0**-24)
    # x = 2**e * (1 + m): the exponent is counted from sqrt(1/2), so that m is small on both sides.
    bits = x.view(np.int32)
    exponent = bits - _SQRT_HALF_BITS
    exponent >>= 23
    e = exponent.astype(np.float32)
    exponent <<= 23
    bits -= exponent
    m = x
    m -= _f32(1)

    m64, y64, t, y = m.astype(np.float64), np.empty(n), np.empty(n), np.empty(n, np.float32)
    y64.fill(_LOG[0])
    for c in _LOG[1:]:
        _fma(y64, m64, c, t, y, y64)
    y *= m
    z = m * m
    y64[...] = y
    np.multiply(y64, z, out=t)
    t += e * _LN2_LOW
    y[...] = t
    z *= _f32(0.5)
    y -= z
    m += y
    e *= _LN2_HIGH  # exact: few bits each
    m += e
    m *= _f32(-2)
    return np.sqrt(m, out=m)


def _fma(a: Array, b: Array, c: Array, t: Array, rounded: Array, again: Array) -> None:
    """``rounded`` (float32) and ``again`` (float64) get a * b + c; ``t`` is scratch (float64)."""
    np.multiply(a, b, out=t)
    t += c
    rounded[...] = t
    again[...] = rounded


# Cephes, sinf: pi/4 in three parts, and the two series on [-pi/4, pi/4].
_PI4_1, _PI4_2 = _f32(-0.78515625), _f32(-2.4187564849853515625e-4)
_PI4_3 = np.float64(_f32(-3.77489497744594108e-8))
_SERIES = [
    np.array(column, np.float32).astype(np.float64)[:, None]
    for column in (
        (2.443315711809948e-5, -1.9515295891e-4),
        (-1.388731625493765e-3, 8.3321608736e-3),
        (4.166664568298827e-2, -1.6666654611e-1),
    )
]


def _cos_sin(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin of 2 pi u in float32, u the low 24 bits of each word."""
    n = words.size
    x = _uniform24(words)
    x *= _f32(_TAU)
    # x = j * pi/4 + rest, with j even and rest in [-pi/4, pi/4].
    j = (x * _f32(1.27323954473516)).astype(np.int32)
    j += np.int32(1)
    j &= np.int32(-2)
    q = j.astype(np.float32)
    x += q * _PI4_1  # these two products are exact
    x += q * _PI4_2
    x64 = x.astype(np.float64)
    x64 += q * _PI4_3
    x[...] = x64
    z = x * x

    # Both series at once, cos in row 0 and sin in row 1: the same steps, but for the last.
    shape = (2, n)
    y64, t, y = np.empty(shape), np.empty(shape), np.empty(shape, np.float32)
    last = np.empty(shape)
    last[0], last[1] = z, x
    y64[...] = _SERIES[0]
    for coefficients in _SERIES[1:]:
        _fma(y64, last[0], coefficients, t, y, y64)
    y *= z
    y64[...] = y
    np.multiply(y64, last, out=t)
    last[0] *= -0.5
    t += last  # cos: y z - z/2; sin: y x + x
    y[...] = t
    c, s = y[0], y[1]
    c += _f32(1)

    # The quadrant: j & 2 exchanges the two, j & 4 negates sin, (j - 2) & 4 == 0 negates cos.
    exchange = j << 30
    exchange >>= 31
    c_bits, s_bits = c.view(np.int32), s.view(np.int32)
    exchange &= c_bits ^ s_bits
    c_bits ^= exchange
    s_bits ^= exchange
    s_bits ^= (j << 29) & np.int32(-(2**31))
    c_bits ^= (~(j - 2) << 29) & np.int32(-(2**31))
    return c, s
