"""Drawing indices with given weights: PyTorch's rule, and the two older ones that lectures printed.

Between releases PyTorch changed how ``multinomial`` turns words into indices, so names sampled in a
recorded lecture differ from what today's release gives for the same seed. The rules, by name:

``"exponential"`` (today's, 2.13)
    Without replacement, or for one sample: each weight is divided by an exponential variable of its
    own, and the largest quotients win (the exponential form of the Gumbel-max trick; Efraimidis &
    Spirakis 2006 for more than one). Two words for every *weight*. With replacement and more than
    one sample: by the inverse of the cumulative distribution, two words for every *sample*.
``"inverse_cdf"`` (what the makemore lectures were recorded with)
    As today, but with replacement one sample, too, is drawn by the inverse.
``"mkl"`` (many 2.x releases on x86)
    As today, but the exponential variables come from Intel MKL: one word of the stream seeds the
    generator MCG31m1 for each call.

>>> with multinomial_rule("inverse_cdf"):
...     multinomial(weights, 1, replacement=True, generator=g)
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

import numpy as np

from .. import dtypes
from ..generator import Generator, default_generator
from .continuous import exponential_
from .fill import empty_like, memory_order

__all__ = ["RULES", "multinomial", "multinomial_rule"]

RULES = ("exponential", "inverse_cdf", "mkl")
_rule = contextvars.ContextVar("multinomial_rule", default=RULES[0])


@contextlib.contextmanager
def multinomial_rule(name: str) -> Iterator[None]:
    """Within the block, in this thread, :func:`multinomial` draws by the rule of this name.

    Raises ValueError for a name that is not in ``RULES``.
    """
    if name not in RULES:
        raise ValueError(f"multinomial_rule: expected one of {', '.join(RULES)}, got {name!r}")
    before = _rule.set(name)
    try:
        yield
    finally:
        _rule.reset(before)


def multinomial(
    weights: np.ndarray,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> np.ndarray:
    """Indices drawn with probabilities in proportion to ``weights``.

    Args:
        weights: floating, (n,) or (rows, n), not negative; a row need not sum to one.
        num_samples: how many a row, positive; without replacement at most n.
        replacement: whether an index may come up more than once.

    Returns:
        int64, (num_samples,) or (rows, num_samples). Without replacement, in the order in which
        they were drawn; equal quotients (where PyTorch's order is not defined) by index.

    Raises:
        RuntimeError: for weights of another type or shape, negative, infinite, nan or all zero, and
            for a ``num_samples`` out of range.
    """
    if not 1 <= weights.ndim <= 2:
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if weights.dtype.kind != "f":
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got: " + dtypes.of(weights.dtype).legacy
        )
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    n = weights.shape[-1]
    if not replacement and num_samples > n:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if n > 1 << 24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    if weights.ndim == 2 and weights.shape[0] == 0:
        return np.empty((0, num_samples), np.int64)
    if n == 0:
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    source = generator or default_generator
    rule = _rule.get()
    if replacement and (num_samples > 1 or rule == "inverse_cdf"):
        return _by_inverse(weights, num_samples, source)

    largest = weights.max(axis=-1)
    if not (weights.min() >= 0 and (largest < np.inf).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not largest.all():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    exponentials = empty_like(weights)
    if rule == "mkl":
        _mkl_exponentials(exponentials, source)
    else:
        exponential_(exponentials, generator=source)
    with np.errstate(all="ignore"):
        quotients = np.divide(weights, exponentials, out=exponentials)
    if num_samples == 1:
        return np.asarray(quotients.argmax(axis=-1))[..., None]
    return _largest(quotients, num_samples)


def _largest(rows: np.ndarray, k: int) -> np.ndarray:
    """The indices of the ``k`` largest of each row, the largest first, of equals the first one."""
    if rows.ndim == 2:
        return np.stack([_largest(row, k) for row in rows])
    rows = -rows
    if 4 * k > rows.size:
        return np.argsort(rows, kind="stable")[:k]
    few = np.flatnonzero(rows <= np.partition(rows, k - 1)[k - 1])
    return few[np.argsort(rows[few], kind="stable")[:k]]


def _by_inverse(weights: np.ndarray, num_samples: int, source: Generator) -> np.ndarray:
    """Per sample a 53-bit uniform, and the first index whose cumulative weight is not below it."""
    rows = weights.reshape(-1, weights.shape[-1])
    for row in rows:
        low, high = row.min(), row.max()
        if not low >= 0:
            raise RuntimeError("invalid multinomial distribution (encountering probability entry < 0)")
        if not high < np.inf:
            raise RuntimeError("invalid multinomial distribution (encountering probability entry = infinity or NaN)")
        if not high > 0:
            raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    working = np.float64 if weights.dtype == np.float64 else np.float32
    drawn = np.empty((len(rows), num_samples), np.int64)
    with source.lock, np.errstate(all="ignore"):
        for row, into in zip(rows, drawn):
            cumulative = np.cumsum(row, dtype=working)
            cumulative = cumulative / cumulative[-1]
            uniforms = source.uniform53(num_samples)
            into[...] = cumulative.astype(np.float64).searchsorted(uniforms)
    return drawn.reshape(weights.shape[:-1] + (num_samples,))


# MCG31m1 (L'Ecuyer 1999): x -> a x mod m. Its powers of a are kept, so a run of it is one product.
_MCG_A, _MCG_M = 1132489760, 2**31 - 1
_powers = np.ones(1, np.uint64)


def _mkl_exponentials(out: np.ndarray, source: Generator) -> None:
    """Standard exponentials as MKL drew them: -log(x / m), kept off zero by the least float."""
    global _powers
    powers = _powers
    while powers.size < out.size:
        step = int(powers[-1]) * _MCG_A % _MCG_M
        powers = np.concatenate((powers, powers * np.uint64(step) % np.uint64(_MCG_M)))
    _powers = powers
    with source.lock:
        seed = int(source.words(1)[0]) % _MCG_M or 1
    states = np.uint64(seed) * powers[: out.size] % np.uint64(_MCG_M)
    least = float(np.finfo(np.float64 if out.dtype == np.float64 else np.float32).tiny)
    values = -np.log(states.astype(np.float64) / _MCG_M) + least
    target = out.transpose(memory_order(out.shape, out.strides))
    target[...] = values.reshape(target.shape)
