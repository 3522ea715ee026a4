"""Continuous distributions: uniform, normal, log-normal, exponential, Gumbel, Cauchy."""

from __future__ import annotations

import math

import numpy as np

from ..generator import Generator, default_generator
from ..types import Array
from . import gaussian
from .fill import (
    C_NAMES,
    DIGITS,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    LIMITS,
    draw,
    in_memory_order,
    legacy_name,
    require_floating,
    store,
)

__all__ = [
    "cauchy_",
    "exponential_",
    "exponentials",
    "gumbel_",
    "log_normal_",
    "normal_",
    "uniform_",
]


def _require_continuous(out: np.ndarray, name: str, type_name: str) -> None:
    if out.dtype not in DIGITS:
        raise RuntimeError(
            f"{name} distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {type_name}"
        )


def uniform_(out: np.ndarray, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> np.ndarray:
    """Uniform on [a, b). One word an element, float64 two.

    Raises:
        NotImplementedError: if ``out`` is not floating.
        RuntimeError: if a > b, or a, b or b - a is beyond the type's range.
    """
    require_floating(out, "check_uniform_bounds")
    largest = LIMITS[out.dtype][1]
    for name, bound in (("from", a), ("to", b)):
        if not -largest <= bound <= largest:
            raise RuntimeError(f"{name} is out of bounds for {C_NAMES[out.dtype.name]}")
    if a > b:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={a:g} > to={b:g}")
    if b - a > largest:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{legacy_name(out)}>::max(), but "
            f"found to={b:g} and from={a:g} which result in to-from to exceed the limit"
        )
    wide = out.dtype == FLOAT64
    reals = Generator.uniform53 if wide else Generator.uniform24
    if a == 0 and b == 1 and out.dtype != FLOAT16:
        return draw(out, generator, reals)
    kind = FLOAT64.type if wide else FLOAT32.type
    low, span = float(kind(a)), float(kind(b) - kind(a))
    first, end = out.dtype.type(a), out.dtype.type(b)

    def values(source: Generator, n: int) -> Array:
        drawn = gaussian.multiply_add(reals(source, n), span, low).astype(out.dtype, copy=False)
        drawn[drawn == end] = first  # the bound that rounding reached is outside
        return drawn

    return draw(out, generator, values)


def normal_(out: np.ndarray, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> np.ndarray:
    """Normal with the given mean and standard deviation. See :mod:`.gaussian`.

    Raises:
        RuntimeError: if std is negative or nan.
        NotImplementedError: if ``out`` is not floating.
    """
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    if out.size == 0:
        return out
    require_floating(out, "normal_kernel_cpu")
    source = generator or default_generator
    with source.lock, np.errstate(all="ignore"):
        if out.size >= 16 and out.flags.c_contiguous:
            gaussian.blocks(source, out.reshape(-1), mean, std)
            return out
        drawn = gaussian.pairs(source, out.size, mean, std)
        return in_memory_order(out, lambda flat: store(flat, drawn))


def log_normal_(
    out: np.ndarray, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> np.ndarray:
    """exp of a normal with this mean and std, by pairs whatever the size.

    Raises RuntimeError unless std > 0, NotImplementedError if ``out`` is not floating.
    """
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    require_floating(out, "log_normal_cpu")

    def values(source: Generator, n: int) -> Array:
        exponents = gaussian.pairs(source, n, mean, std)
        if np.abs(exponents).max() < 700:
            return gaussian.libm(math.exp, exponents)
        return np.exp(exponents)  # math.exp raises where this gives inf

    return draw(out, generator, values)


def exponentials(source: Generator, n: int, lambd: float, dtype: np.dtype) -> np.ndarray:
    """``n`` exponentials with rate ``lambd``, float64, exact enough to be stored as ``dtype``."""
    negated = np.negative(source.uniform53(n))
    # Only float64 shows the last bit, in which NumPy's log1p may not be the C library's.
    log = gaussian.libm(math.log1p, negated) if dtype == FLOAT64 else np.log1p(negated, negated)
    log *= -1.0 / lambd
    return log


def exponential_(out: np.ndarray, lambd: float = 1.0, *, generator: Generator | None = None) -> np.ndarray:
    """Exponential with rate ``lambd``. Two words an element. RuntimeError unless lambd > 0."""
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    _require_continuous(out, "Exponential", legacy_name(out))
    return draw(out, generator, lambda source, n: exponentials(source, n, lambd, out.dtype))


def gumbel_(out: np.ndarray, *, generator: Generator | None = None) -> np.ndarray:
    """Standard Gumbel noise, -log of an exponential (as ``F.gumbel_softmax`` draws it)."""
    exponential_(out, generator=generator)
    with np.errstate(divide="ignore"):
        store(out, -np.log(out, dtype=np.float64))
    return out


def cauchy_(
    out: np.ndarray, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> np.ndarray:
    """Cauchy about ``median``. Two words an element. RuntimeError unless sigma > 0."""
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    _require_continuous(out, "Cauchy", C_NAMES.get(out.dtype.name, out.dtype.name))

    def values(source: Generator, n: int) -> Array:
        angles = math.pi * (source.uniform53(n) - 0.5)
        return gaussian.multiply_add(gaussian.libm(math.tan, angles), sigma, median)

    return draw(out, generator, values)
