"""Integers with equal chances: ``random_`` (that is ``randint``) and ``randperm``."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np

from .. import dtypes
from ..generator import Generator, default_generator
from .fill import C_NAMES, DIGITS, FLOAT32, FLOAT64, LIMITS, draw, legacy_name

__all__ = ["random_", "randperm"]

INT64, UINT32 = np.dtype(np.int64), np.dtype(np.uint32)
_FEW_EXCHANGES = 800  # below this, a loop of Python's is faster than NumPy's calls
FEW = 1024  # elements; up to here, one slow division is faster than three fast passes
SHORT = 1 << 28  # a span below this takes one word an element, a wider one two


def few(source: Generator, low: int, high: int, n: int) -> np.ndarray:
    """``n`` integers, int64, uniform on [low, high), a span below ``SHORT``."""
    span = np.array(high - low, UINT32)  # faster beside an array than a number
    with source.lock:
        integers = (source.words(n) % span).astype(INT64)
    if low:
        integers += low
    return integers


def random_(
    out: np.ndarray,
    low: int | None = None,
    high: int | None = None,
    *,
    generator: Generator | None = None,
) -> np.ndarray:
    """Integers, uniform on [low, high); ``randint`` is this on a new array.

    With ``high`` None: up to what the type can hold, included. With both None: from 0 to that;
    floating types hold integers up to 2**11, 2**24, 2**53. A span under 2**28 takes one word an
    element, a wider one two.

    Raises:
        RuntimeError: for an empty range, or a bound that the type cannot hold.
        ValueError: for a bound that int64 cannot hold.
    """
    dtype = out.dtype
    if dtype is INT64 and low.__class__ is int and high.__class__ is int and -(2**63) <= low < high < 2**63:
        # The common case, which can hold all it is asked for: a batch's indices.
        if out.flags.c_contiguous and out.size <= FEW and high - low < SHORT:
            out[...] = few(generator or default_generator, low, high, out.size).reshape(out.shape)
            return out
        return draw(out, generator, _integers(low, high - low, wide=high - low >= SHORT))
    digits = DIGITS.get(dtype)
    most = 1 << digits if digits else LIMITS[dtype][1]
    if low is None and high is None:
        return draw(out, generator, _integers(0, most + 1, wide=dtype.itemsize == 8))
    low = 0 if low is None else low
    for bound in (low, high):
        if bound is not None and not -(2**63) <= bound < 2**63:
            raise ValueError(f"Overflow when unpacking long long: random_ got {bound}")
    if high is None and low == -(2**63):
        if dtype not in (np.int64, FLOAT32, FLOAT64):
            raise RuntimeError(
                f"random_full_64_bits_range_kernel_cpu handles only int64, double and float, but got {legacy_name(out)}"
            )
        return draw(out, generator, lambda source, n: source.words64(n).view(np.int64))
    if high is None:
        low = _next_representable(low, dtype, +1)
        if low >= most if digits else low > most and dtype == np.int64:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' "
                f"casted to dtype, but got from={low} > to_inc={most}"
            )
        last = most
    else:
        if low >= high:
            raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
        low, high = _next_representable(low, dtype, +1), _next_representable(high, dtype, -1)
        if low >= high:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
                f"but got from={low} >= to={high}"
            )
        last = high - 1
    _check_holds(dtype, low, last)
    span = last - low + 1
    return draw(out, generator, _integers(low, span, wide=span >= SHORT))


def _integers(low: int, span: int, wide: bool) -> Callable[[Generator, int], np.ndarray]:
    """A source of int64: ``low`` plus a word, or a 64-bit word, modulo ``span``."""
    offset = np.int64(low)
    kind = np.uint64 if wide else np.uint32
    words = Generator.words64 if wide else Generator.words
    power = span & (span - 1) == 0
    by = kind(span - 1 if power else span)

    def values(source: Generator, n: int) -> np.ndarray:
        drawn = words(source, n)
        # NumPy divides by a scalar much faster than it takes the remainder.
        rest = drawn & by if power else drawn - drawn // by * by
        result = rest.view(np.int64) if wide else rest.astype(np.int64)
        if low:
            result += offset
        return result

    return values


def _next_representable(bound: int, dtype: np.dtype, step: int) -> int:
    """``bound``, or if ``dtype`` rounds it outwards the type's next value inwards (``step``)."""
    if dtype not in DIGITS:
        return bound
    with np.errstate(over="ignore"):
        rounded = float(np.float32(bound + step) if dtype == FLOAT32 else bound + step)
        rounded = float(dtype.type(rounded))
    if math.isinf(rounded) or (int(rounded) - bound) * step >= (0 if step > 0 else 1):
        return bound
    return int(rounded) + step * (1 << (abs(bound + step).bit_length() - DIGITS[dtype]))


def _check_holds(dtype: np.dtype, low: int, last: int) -> None:
    digits, name = DIGITS.get(dtype), C_NAMES[dtype.name]
    least, most = LIMITS[dtype]
    for label, bound in (("from", low), ("to - 1", last)):
        if not least <= bound <= most:
            raise RuntimeError(f"{label} is out of bounds for {name}")
    for label, bound in (("from", low), ("to - 1", last)):
        if digits and not -(1 << digits) <= bound <= 1 << digits:
            warnings.warn(
                f"{label} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision "
                f"limitations {name} can support discrete uniform distribution only within this "
                "range. This warning will become an error in version 1.7 release, please fix the "
                "code in advance",
                UserWarning,
                stacklevel=4,
            )


def randperm(n: int, dtype: np.dtype | type = np.int64, *, generator: Generator | None = None) -> np.ndarray:
    """A random permutation of 0 .. n - 1 (Fisher & Yates 1938), one word an exchange.

    Raises:
        RuntimeError: if n is negative, or ``dtype`` cannot hold n - 1.
        NotImplementedError: for bool, and for n of 2**32 / 20 and more, where PyTorch has another
            algorithm.
    """
    dtype = np.dtype(dtype)
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    if dtype == np.bool_:
        raise NotImplementedError("\"randperm\" not implemented for 'Bool'")
    digits = DIGITS.get(dtype)
    if digits and n > (1 << digits) + 1:
        limit = "2049" if digits == 11 else f"2^{digits}+1"
        raise RuntimeError(f"n cannot be greater than {limit} for {dtypes.of(dtype).legacy} type.")
    if not digits and n - 1 > LIMITS[dtype][1]:
        raise RuntimeError(f"value cannot be converted to type {dtype.name}_t without overflow")
    if n >= 0xFFFFFFFF // 20:
        raise NotImplementedError(f"randperm: n = {n} is not supported, only n < 2**32 / 20")
    if n < 2:
        return np.arange(n, dtype=dtype)
    source = generator or default_generator
    with source.lock:
        words = source.words(n - 1)
    places = np.arange(n - 1, dtype=np.uint32)
    partners = places + words % (np.uint32(n) - places)
    return (_exchanged_in_turn if n < _FEW_EXCHANGES else _exchanged_at_once)(partners).astype(dtype)


def _exchanged_in_turn(partners: np.ndarray) -> np.ndarray:
    """0 .. n - 1 after place i has been exchanged with place ``partners[i]`` >= i, for i = 0 .. n - 2 in turn."""
    order = list(range(partners.size + 1))
    for place, partner in enumerate(partners.tolist()):
        here = order[place]
        order[place] = order[partner]
        order[partner] = here
    return np.array(order)


def _exchanged_at_once(partners: np.ndarray) -> np.ndarray:
    """The same without a loop over the exchanges.

    Exchange i leaves at its partner what lay at place i: what the last exchange before i with partner i had left there,
    or else i itself. These references all lead backwards; following them to their ends, each step twice as far as the
    one before, gives what lay at each place in its turn. What remains at place i is what the last exchange before i
    with the same partner had left there, or else the partner's own number.
    """
    n = partners.size + 1
    # Exchanges by partner, and those with the same one in turn.
    pairs = np.sort((partners.astype(np.int64) << 32) | np.arange(n - 1))
    partner, place = pairs >> 32, pairs & 0xFFFFFFFF
    moved = partner != place
    to, came_from = partner[moved], place[moved]
    last = np.append(to[1:] != to[:-1], True)[: to.size]
    here = np.arange(n)
    here[to[last]] = came_from[last]
    while True:
        beyond = here[here]
        if np.array_equal(beyond, here):
            break
        here = beyond
    again = np.flatnonzero(partner[1:] == partner[:-1])
    order = np.append(partners.astype(np.int64), here[-1])
    order[place[again + 1]] = here[place[again]]
    return order
