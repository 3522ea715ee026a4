"""Trials that succeed or fail: Bernoulli, geometric, dropout."""

from __future__ import annotations

import math

import numpy as np

from ..generator import Generator, default_generator
from . import gaussian
from .fill import FLOAT64, draw, memory_order, require_floating

__all__ = ["bernoulli_", "dropout_mask_", "geometric_", "poisson"]


def bernoulli_(out: np.ndarray, p: float | np.ndarray = 0.5, *, generator: Generator | None = None) -> np.ndarray:
    """One with probability ``p``, else zero.

    A number ``p`` is compared with 53-bit uniforms, two words an element. An array, broadcast to
    ``out``, with uniforms of its own precision: float64 two words, float32 and float16 one.

    Raises:
        RuntimeError: if a probability is outside [0, 1], or ``p`` does not broadcast to ``out``.
        NotImplementedError: if the array is not floating.
    """
    if not isinstance(p, np.ndarray):
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
        return draw(out, generator, lambda source, n: source.uniform53(n) < p)
    require_floating(p, "bernoulli_tensor_cpu_p_")
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    try:
        probabilities = np.broadcast_to(p, out.shape)
    except ValueError:
        raise RuntimeError(
            f"bernoulli_: probabilities of size {list(p.shape)} do not expand to the size "
            f"{list(out.shape)} of the output"
        ) from None
    probabilities = probabilities.transpose(memory_order(out.shape, out.strides)).reshape(-1)
    reals = Generator.uniform53 if p.dtype == FLOAT64 else Generator.uniform24
    at = 0

    def values(source: Generator, n: int) -> np.ndarray:
        nonlocal at
        at += n
        return reals(source, n) < probabilities[at - n : at]

    return draw(out, generator, values)


def dropout_mask_(out: np.ndarray, p: float = 0.5, *, generator: Generator | None = None) -> np.ndarray:
    """Dropout's factor: 0 with probability ``p``, else 1 / (1 - p); drawn unless p is 0 or 1.

    For PyTorch's numbers make ``out`` with :func:`empty_like` of the input.
    Raises RuntimeError if ``p`` is outside [0, 1], NotImplementedError if ``out`` is not floating.
    """
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p:g}")
    require_floating(out, "dropout")
    if p in (0, 1):
        out.fill(1 - p)
        return out
    kind = np.float64 if out.dtype == FLOAT64 else np.float32
    scale = kind(1) / kind(1 - p)
    return draw(out, generator, lambda source, n: (source.uniform53(n) < 1 - p) * scale)


def geometric_(out: np.ndarray, p: float, *, generator: Generator | None = None) -> np.ndarray:
    """The trial of the first success, of probability ``p`` in (0, 1). Two words an element.

    Raises RuntimeError for another p, NotImplementedError if ``out`` is bool.
    """
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if out.dtype == np.bool_:
        raise NotImplementedError("\"geometric_cpu\" not implemented for 'Bool'")
    scale = math.log1p(-p)

    def values(source: Generator, n: int) -> np.ndarray:
        uniforms = source.uniform53(n)
        # math.log raises at zero, which is drawn once in 2**53 times.
        logs = gaussian.libm(math.log, uniforms) if uniforms.all() else np.log(uniforms)
        return np.ceil(logs / scale)

    return draw(out, generator, values)


def poisson(rates: np.ndarray, *, generator: Generator | None = None) -> np.ndarray:
    """Counts with the means ``rates``, of their dtype.

    Below a rate of 10, uniforms are multiplied until the product falls below exp(-rate) (Knuth); above, transformed
    rejection with a squeeze (Hoermann 1993). As many words as that takes.
    Raises RuntimeError for a negative rate.
    """
    source = generator if generator is not None else default_generator
    require_floating(rates, "poisson_cpu")
    if rates.size and not rates.min() >= 0:
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    with source.lock:
        counts = [_poisson(float(rate), source) for rate in rates.reshape(-1)]
    return np.asarray(counts, rates.dtype).reshape(rates.shape)


def _poisson(rate: float, source: Generator) -> int:
    if rate == 0:
        return 0
    if rate < 10:
        least, count, product = math.exp(-rate), 0, 1.0
        while True:
            product *= float(source.uniform53(1)[0])
            if product <= least:
                return count
            count += 1
    root, log_rate = math.sqrt(rate), math.log(rate)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = (float(x) for x in source.uniform53(2))
        u -= 0.5
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= v_r:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        if math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b) <= -rate + k * log_rate - math.lgamma(
            k + 1
        ):
            return k
