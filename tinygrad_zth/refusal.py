"""What to say when a kernel refuses its operands: PyTorch's words for devices, shapes and dtypes that do not go together."""

from __future__ import annotations

from typing import Any

import numpy as np

from .backends import array_types, backend_of
from .dtypes import of
from .tensor import Tensor

__all__ = ["beside", "mismatch", "on_host", "on_one_device", "on_several_devices", "refused"]


def beside(*operands: Any) -> list[Any] | None:
    """The operands with those that are numbers on the host (0-d tensors) brought to the device of the others.

    None if there is nothing to bring.
    """
    places = {t.device for t in operands if isinstance(t, Tensor)}
    where = next((t.device for t in operands if isinstance(t, Tensor) and not on_host(t)), None)
    if where is None or len(places) == 1 or not any(isinstance(t, Tensor) and on_host(t) for t in operands):
        return None
    if any(isinstance(t, Tensor) and on_host(t) and t._array.ndim for t in operands):
        return None
    return [t.to(where) if isinstance(t, Tensor) and on_host(t) else t for t in operands]


def on_host(t: Tensor) -> bool:
    """Whether the processor holds ``t``."""
    return bool(backend_of(t._array).on_host)


def on_several_devices(name: str, arrays: Any) -> RuntimeError | None:
    """PyTorch's error for arrays of different devices; None if they are on one."""
    places = dict.fromkeys(str(backend_of(x).device_of(x)) for x in arrays)
    if len(places) < 2:
        return None
    return RuntimeError(
        f"Expected all tensors to be on the same device, but found at least two devices, {' and '.join(places)}! "
        f"(in {name})"
    )


def on_one_device(name: str, *arrays: Any) -> None:
    """Raise PyTorch's error for arrays (or None) of host and device, where a kernel would copy one without a word."""
    if len({x.__class__ for x in arrays if x is not None}) > 1:
        apart = on_several_devices(name, [x for x in arrays if x is not None])
        if apart:
            raise apart


def refused(operation: Any, error: Exception, *operands: Any) -> Exception:
    """What to raise, in PyTorch's words, when a kernel raised ``error`` for these operands."""
    arrays: list[Any] = [x for x in operands if x.__class__ in array_types]
    if apart := on_several_devices(operation.name, arrays):
        return apart
    if isinstance(error, ValueError) and len(arrays) > 1:
        try:
            np.broadcast_shapes(*[x.shape for x in arrays])
        except ValueError:
            return RuntimeError(mismatch([x.shape for x in arrays]))
    if isinstance(error, TypeError) and any(word in str(error) for word in ("ufunc", "boolean", "Wrong type")):
        kinds = dict.fromkeys(of(x.dtype).legacy for x in arrays)
        if operation.refuses_bool:
            return RuntimeError(operation.refuses_bool)
        place = backend_of(arrays[0]).device_of(arrays[0]).type if arrays else "cpu"
        return NotImplementedError(f'"{operation.name}_{place}" not implemented for {", ".join(map(repr, kinds))}')
    return error


def mismatch(shapes: list[tuple[int, ...]]) -> str:
    """PyTorch's sentence about shapes that do not broadcast."""
    result = shapes[0]
    for shape in shapes[1:]:
        try:
            result = np.broadcast_shapes(result, shape)
        except ValueError:
            break
    for i in range(1, max(len(result), len(shape)) + 1):
        a, b = ((s[-i] if i <= len(s) else 1) for s in (result, shape))
        if a != b and a != 1 and b != 1:
            dim = max(len(result), len(shape)) - i
            return f"The size of tensor a ({a}) must match the size of tensor b ({b}) at non-singleton dimension {dim}"
    return f"shapes {', '.join(map(str, map(list, shapes)))} cannot be broadcast together"
