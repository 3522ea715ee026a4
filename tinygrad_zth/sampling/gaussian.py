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

from ..generator import AHEAD, Generator
from ..types import Array

__all__ = ["blocks", "fma32", "fma64", "libm", "multiply_add", "pairs", "scalar_kernels"]

_TAU = 2 * math.pi
_PAIRS = 16384  # pairs a pass: the scratch arrays of one pass fit in a core's cache
_f32 = np.float32
_LOW_24, _TWO_TO_M24 = np.array(0xFFFFFF, np.uint32), np.array(2.0**-24, np.float32)
_ZERO = np.array(0, np.float32)
_FEW = AHEAD - 32  # elements that are made from words drawn ahead, the sixteen drawn again among them


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
    polar = generator.made_of_words(_polar, whole + rest + 16 if rest else whole)
    _pair(out[:whole], polar[:, :whole])
    if rest:
        _pair(out[n - 16 :], polar[:, whole + rest :])
    if _f32(mean) == 0 and _f32(std) == 1:
        out += _ZERO  # x * 1 + 0: a negative zero turns positive
    else:
        out[...] = fma32(out, std, mean)


def _polar(words: np.ndarray) -> np.ndarray:
    """Of each word what it is as a radius, and the cosine and the sine of what it is as an angle."""
    polar = np.empty((3, len(words)), np.float32)
    polar[0] = _radius(words)
    polar[1:] = _cos_sin(words)
    return polar


def _pair(out: np.ndarray, polar: np.ndarray) -> None:
    """Of each 16 words the first eight give radii, the last eight angles."""
    radius, cos_sin = polar[0].reshape(-1, 1, 16), polar[1:].reshape(2, -1, 16)
    np.multiply(radius[..., :8], cos_sin[..., 8:].swapaxes(0, 1), out=out.reshape(-1, 2, 8))


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
            part += _ZERO  # x * 1 + 0: a negative zero turns positive
        else:
            part = fma32(part, std, mean)
        half[...] = part.view(half.dtype)
    if into is not out:
        out[...] = into


def _uniform24(words: np.ndarray) -> np.ndarray:
    u = (words & _LOW_24).view(np.int32).astype(np.float32)
    u *= _TWO_TO_M24
    return u


# The scalar kernels call the C library's float32 functions; float64 rounded is within 4 ulp.


def _radius_f64(words: np.ndarray) -> Array:
    log = np.log(1.0 - _uniform24(words).astype(np.float64)).astype(np.float32)
    return np.sqrt(_f32(-2) * log)


def _cos_sin_f64(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    angle = (_TAU * _uniform24(words).astype(np.float64)).astype(np.float32).astype(np.float64)
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


# Constants of the kernels below are arrays without axes, which NumPy takes 0.4 us faster than scalars: those of
# float32 operations in float32, the others rounded to it.
def _single(x: float) -> np.ndarray:
    return np.array(x, np.float32)


def _double(x: float) -> np.ndarray:
    return np.array(_f32(x), np.float64)


# Cephes, logf: log(1 + m) = m - m^2/2 + m^3 P(m), on [sqrt(1/2), sqrt(2)).
_LOG = [
    _double(c)
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
_LN2_HIGH, _LN2_LOW = _single(0.693359375), _single(-2.12194440e-4)
_SQRT_HALF_BITS, _MANTISSA, _TWO_TO_24 = (np.array(i, np.int32) for i in (0x3F3504F3, 23, 1 << 24))
_ONE, _HALF, _MINUS_TWO = (_single(x) for x in (1, 0.5, -2))


def _radius(words: np.ndarray) -> np.ndarray:
    """sqrt(-2 log(1 - u)) in float32, u the low 24 bits of each word."""
    n = len(words)
    integers = (words & _LOW_24).view(np.int32)
    np.subtract(_TWO_TO_24, integers, integers)
    x = integers.astype(np.float32)
    x *= _TWO_TO_M24
    # x = 2**e * (1 + m): the exponent is counted from sqrt(1/2), so that m is small on both sides.
    bits = x.view(np.int32)
    exponent = np.subtract(bits, _SQRT_HALF_BITS, integers)
    exponent >>= _MANTISSA
    e = exponent.astype(np.float32)
    exponent <<= _MANTISSA
    bits -= exponent
    m = x
    m -= _ONE

    m64, y64, t, y = m.astype(np.float64), np.empty(n), np.empty(n), np.empty(n, np.float32)
    np.multiply(m64, _LOG[0], t)
    for c in _LOG[1:-1]:
        # A fused multiply-add: the product is exact in t, and y is the sum's one rounding to float32.
        t += c
        y[...] = t
        y64[...] = y
        np.multiply(y64, m64, t)
    t += _LOG[-1]
    y[...] = t
    y *= m
    z = m * m
    y64[...] = y
    m64[...] = z
    np.multiply(y64, m64, t)
    np.multiply(e, _LN2_LOW, y)
    y64[...] = y
    t += y64
    y[...] = t
    z *= _HALF
    y -= z
    m += y
    e *= _LN2_HIGH  # exact: few bits each
    m += e
    m *= _MINUS_TWO
    return np.sqrt(m, m)


# Cephes, sinf: pi/4 in three parts, and the two series on [-pi/4, pi/4], of the cosine and of the sine.
_PI4_1, _PI4_2 = _single(-0.78515625), _single(-2.4187564849853515625e-4)
_PI4_3 = _double(-3.77489497744594108e-8)
_ANGLE = _single(float(_f32(_TAU)) * 2.0**-24)  # of one step of u
_EIGHTH, _NEXT, _EVEN = _single(1.27323954473516), np.array(1, np.int32), np.array(-2, np.int32)
_SERIES = [
    np.array(column, np.float32).astype(np.float64)[:, None]
    for column in (
        (2.443315711809948e-5, -1.9515295891e-4),
        (-1.388731625493765e-3, 8.3321608736e-3),
        (4.166664568298827e-2, -1.6666654611e-1),
    )
]
_MINUS_HALF = _double(-0.5)
_TWO, _29, _30, _31, _SIGN = (np.array(i, np.int32) for i in (2, 29, 30, 31, -(2**31)))


def _cos_sin(words: np.ndarray) -> np.ndarray:
    """cos and sin of 2 pi u in float32, shape (2, n), u the low 24 bits of each word."""
    n = len(words)
    j = (words & _LOW_24).view(np.int32)
    x = j.astype(np.float32)
    x *= _ANGLE
    # x = j * pi/4 + rest, with j even and rest in [-pi/4, pi/4].
    z = x * _EIGHTH
    j[...] = z
    j += _NEXT
    j &= _EVEN
    q = j.astype(np.float32)
    x += np.multiply(q, _PI4_1, z)  # these two products are exact
    x += np.multiply(q, _PI4_2, z)

    # Both series at once, cos in row 0 and sin in row 1: the same steps, but for the last.
    shape = (2, n)
    y64, t, y = np.empty(shape), np.empty(shape), np.empty(shape, np.float32)
    last = np.empty(shape)
    z64, x64 = last
    x64[...] = x
    z64[...] = q
    z64 *= _PI4_3
    x64 += z64
    x[...] = x64
    x64[...] = x
    np.multiply(x, x, z)
    z64[...] = z
    np.multiply(z64, _SERIES[0], t)
    for c in _SERIES[1:]:
        t += c
        y[...] = t
        if c is not _SERIES[-1]:
            y64[...] = y
            np.multiply(y64, z64, t)
    y *= z
    y64[...] = y
    np.multiply(y64, last, t)
    z64 *= _MINUS_HALF
    t += last  # cos: y z - z/2; sin: y x + x
    y[...] = t
    y[0] += _ONE

    # The quadrant: j & 2 exchanges the two, j & 4 negates sin, (j - 2) & 4 == 0 negates cos.
    c_bits, s_bits = y.view(np.int32)
    exchange = j << _30
    exchange >>= _31
    exchange &= c_bits ^ s_bits
    c_bits ^= exchange
    s_bits ^= exchange
    np.left_shift(j, _29, exchange)
    exchange &= _SIGN
    s_bits ^= exchange
    j -= _TWO
    np.invert(j, j)
    j <<= _29
    j &= _SIGN
    c_bits ^= j
    return y
