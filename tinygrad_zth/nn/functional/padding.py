"""Padding: constants, reflections, copies of the edge, and wrapping around."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...operation import op
from ...tensor import Tensor
from ...types import Array, Namespace
from .dropout import beside

__all__ = ["pad"]


def _cut(begin: int, end: int, n: int) -> tuple[slice, slice]:
    """The slices of the result and of the input that are the same; negative amounts crop."""
    return (
        slice(max(begin, 0), n + begin + end - max(end, 0)),
        slice(max(-begin, 0), n - max(-end, 0)),
    )


def _pad(xp: Namespace, x: Array, amounts: tuple[Any, ...], value: float) -> Array:
    """``amounts``: (before, after) for every dimension of x."""
    shape = tuple(n + a + b for n, (a, b) in zip(x.shape, amounts))
    out = xp.full(shape, value, x.dtype)
    cuts = [_cut(a, b, n) for (a, b), n in zip(amounts, x.shape)]
    out[tuple(c[0] for c in cuts)] = x[tuple(c[1] for c in cuts)]
    return out


constant_pad: Callable[..., Tensor] = op(
    _pad,
    name="constant_pad_nd",
    x=lambda g, amounts: constant_pad(g, tuple((-a, -b) for a, b in amounts), 0),
)


def _source(mode: str, n: int, before: int, after: int) -> np.ndarray:
    """For each position of the padded dimension, the position of the input it is a copy of."""
    place = np.arange(-before, n + after)
    if mode == "replicate":
        return place.clip(0, n - 1)
    if mode == "circular":
        return place % n
    return (n - 1) - abs((n - 1) - abs(place))  # reflect


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """The input with more (or, for negative amounts, fewer) elements at its borders.

    Args:
        pad: amounts (before, after) for the last dimension, then for the one before it, and so on.
        mode: "constant" (``value``, default 0), "reflect" (mirrored at the edge, which is not
            repeated), "replicate" (the edge), "circular" (from the other side).

    Raises:
        RuntimeError: for an odd number of amounts, more than there are dimensions, or a result
            of negative size. NotImplementedError: for an unknown mode or number of dimensions.
    """
    amounts = [int(p) for p in pad]
    ndim = input._array.ndim
    if len(amounts) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if len(amounts) > 2 * ndim:
        raise RuntimeError(
            f"Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(amounts)} and input of dimension {ndim}"
        )
    pairs = list(zip(amounts[::2], amounts[1::2], strict=True))
    full = [(0, 0)] * (ndim - len(pairs)) + pairs[::-1]
    for i, (n, (a, b)) in enumerate(zip(input._array.shape, full)):
        if n + a + b < 0 or (a < 0 and -a > n) or (b < 0 and -b > n):
            raise RuntimeError(
                f"The input size {n}, plus negative padding {a} and {b} resulted in a negative output size, which is "
                f"invalid. Check dimension {i} of your input."
            )
    if mode == "constant":
        return constant_pad(input, tuple(full), 0 if value is None else value)
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if not 0 < len(pairs) < 4 or ndim not in (len(pairs) + 1, len(pairs) + 2):
        raise NotImplementedError("Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now")
    shape = list(input.shape)
    for i in reversed(range(ndim - len(pairs), ndim)):
        n, (a, b) = input._array.shape[i], full[i]
        if mode == "reflect" and max(a, b) >= n:
            raise RuntimeError(
                f"Argument #{4 + 2 * (ndim - 1 - i)}: Padding size should be less than the corresponding input dimension, "
                f"but got: padding ({a}, {b}) at dimension {i} of input {shape}"
            )
        if mode == "circular" and max(a, b) > n:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if n == 0 and (a or b):
            raise RuntimeError(f"Expected a non-empty dimension {i} to pad, but got input of size {list(input.shape)}")
        if a or b:
            input = input.index_select(i, beside(input, _source(mode, n, a, b)))
    return input
