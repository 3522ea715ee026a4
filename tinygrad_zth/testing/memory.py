"""Where the elements of a tensor lie in memory: the same values, in every layout a tensor can have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import backend_for, backend_of
from ..device import get_default_device
from ..tensor import Tensor, new_tensor

__all__ = ["LAYOUTS", "beside", "laid_out", "on_host"]


def on_host(array: Any, dtype: Any = None) -> np.ndarray:
    """A copy of an array of any backend, as NumPy's."""
    return np.array(backend_of(array).to_numpy(array), dtype)


def beside(array: Any, values: np.ndarray) -> Any:
    """``values`` as an array of the backend and on the device of ``array``."""
    backend = backend_of(array)
    return backend.asarray(values, None, backend.device_of(array))


def _contiguous(xp: Any, a: Any) -> Any:
    return xp.array(a, order="C")


def _transposed(xp: Any, a: Any) -> Any:
    return xp.array(a.T, order="C").T


def _strided(xp: Any, a: Any) -> Any:
    """Every second element of a larger buffer, along every dimension."""
    wide = xp.zeros([2 * n + 1 for n in a.shape], a.dtype)
    window = wide[(*(slice(1, None, 2) for _ in a.shape), ...)]
    window[...] = a
    return window


def _offset(xp: Any, a: Any) -> Any:
    """A contiguous stretch that begins in the middle of its buffer."""
    buffer = xp.zeros(a.size + 3, a.dtype)
    window = buffer[3:].reshape(a.shape)
    window[...] = a
    return window


def _reversed(xp: Any, a: Any) -> Any:
    """Negative strides: legal in memory that came from NumPy; PyTorch itself makes none."""
    back = (*(slice(None, None, -1) for _ in a.shape), ...)
    return xp.array(a[back], order="C")[back]


def _expanded(xp: Any, a: Any) -> Any:
    """The first slice along the longest dimension, repeated with stride 0 (the values change)."""
    if a.size == 0 or a.ndim == 0:
        return _contiguous(xp, a)
    d = int(np.argmax(a.shape))
    first = xp.array(a[(slice(None),) * d + (slice(1),)])
    return xp.broadcast_to(first, a.shape)


_MAKERS: dict[str, Callable[[Any, Any], Any]] = {
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
    """A new tensor with these values, its memory laid out as named; it shares nothing with them. It lies where a
    Tensor of ``values`` does, else on the default device.

    ``layout`` is one of :data:`LAYOUTS`. "expanded" repeats the first slice along the longest
    dimension, so its values differ from those given, and it cannot be written to; "reversed" has
    negative strides. Where a shape leaves no choice (0-d, no elements) the tensor is contiguous.

    Raises ValueError for a name that is none of them.
    """
    if layout not in _MAKERS:
        raise ValueError(f"laid_out: no layout {layout!r}; the layouts are {', '.join(LAYOUTS)}")
    if isinstance(values, Tensor):
        array = values._array
    else:
        where = get_default_device()
        array = backend_for(where).asarray(np.asarray(values), None, where)
    backend = backend_of(array)
    with backend.on(backend.device_of(array)):
        return new_tensor(_MAKERS[layout](backend.xp, array))
