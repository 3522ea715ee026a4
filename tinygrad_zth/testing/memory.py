"""Where the elements of a tensor lie in memory: the same values, in every layout a tensor can have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..tensor import Tensor, new_tensor
from ..types import Array

__all__ = ["LAYOUTS", "laid_out"]


def _contiguous(a: np.ndarray) -> np.ndarray:
    return np.array(a, order="C")


def _transposed(a: np.ndarray) -> np.ndarray:
    return np.array(a.T, order="C").T


def _strided(a: np.ndarray) -> Array:
    """Every second element of a larger buffer, along every dimension."""
    wide = np.zeros([2 * n + 1 for n in a.shape], a.dtype)
    every: tuple[Any, ...] = (*(slice(1, None, 2) for _ in a.shape), ...)
    window = wide[every]
    window[...] = a
    return window


def _offset(a: np.ndarray) -> np.ndarray:
    """A contiguous stretch that begins in the middle of its buffer."""
    buffer = np.zeros(a.size + 3, a.dtype)
    window = buffer[3:].reshape(a.shape)
    window[...] = a
    return window


def _reversed(a: np.ndarray) -> Array:
    """Negative strides: legal in memory that came from NumPy; PyTorch itself makes none."""
    back: tuple[Any, ...] = (*(slice(None, None, -1) for _ in a.shape), ...)
    return np.array(a[back], order="C")[back]


def _expanded(a: np.ndarray) -> np.ndarray:
    """The first slice along the longest dimension, repeated with stride 0 (the values change)."""
    if a.size == 0 or a.ndim == 0:
        return _contiguous(a)
    d = int(np.argmax(a.shape))
    first = np.array(a[(slice(None),) * d + (slice(1),)])
    return np.broadcast_to(first, a.shape)


_MAKERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "contiguous": _contiguous,
    "transposed": _transposed,
    "strided": _strided,
    "offset": _offset,
    "reversed": _reversed,
    "expanded": _expanded,
}

#: The names that ``laid_out`` knows.
LAYOUTS = tuple(_MAKERS)


def laid_out(values: np.ndarray | Tensor, layout: str = "contiguous") -> Tensor:
    """A new tensor with these values, its memory laid out as named; it shares nothing with them.

    ``layout`` is one of :data:`LAYOUTS`. "expanded" repeats the first slice along the longest
    dimension, so its values differ from those given, and it cannot be written to; "reversed" has
    negative strides. Where a shape leaves no choice (0-d, no elements) the tensor is contiguous.

    Raises ValueError for a name that is none of them.
    """
    if layout not in _MAKERS:
        raise ValueError(f"laid_out: no layout {layout!r}; the layouts are {', '.join(LAYOUTS)}")
    array = values._array if isinstance(values, Tensor) else np.asarray(values)
    return new_tensor(_MAKERS[layout](array))
