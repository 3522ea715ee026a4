"""Copies: to another dtype, device or memory order; and writing whole tensors in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import numpy as np

from .. import dtypes
from ..backends import backend_for, backend_of
from ..backends.cupy_backend import device_count
from ..device import device
from ..device import device as device_type
from ..dtypes import dtype
from ..inplace import check_writeable, write
from ..operation import Applied, cast, op
from ..refusal import mismatch
from ..storage import order_of_copy
from ..tensor import Tensor, current_node, new_tensor, storage_of
from ..types import Array, Device, Namespace, Number

__all__ = ["FUNCTIONS", "METHODS", "clone", "contiguous", "to"]


def _clone(x: Array) -> Array:
    return x.copy(order_of_copy(x))


def _contiguous(xp: Namespace, x: Array) -> Array:
    return xp.ascontiguousarray(x)


_clone_op = op(_clone, name="clone", x=lambda g: g)
_contiguous_op = op(_contiguous, name="contiguous", grad_name="CloneBackward0", x=lambda g: g)


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy that passes gradients on; its memory order is the input's where that is dense."""
    return _clone_op(input)


def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself if its elements lie in C order, else a copy in C order."""
    return input if input._array.flags.c_contiguous else _contiguous_op(input)


def _transfer(x: Array, target: device, source: device) -> Array:
    return backend_for(target).receive(x, target)


_transfer_op: Applied = op(
    _transfer, name="to_device", grad_name="ToCopyBackward0",
    x=lambda g, target, source: _transfer_op(g, source, target),
)  # fmt: skip


def to(
    self: Tensor,
    *args: Any,
    dtype: dtype | None = None,
    device: Device = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """The tensor with another dtype and/or device: ``to(dtype)``, ``to(device)``, ``to(other)``.

    Returns the tensor itself where nothing changes, unless ``copy`` is set.
    """
    flags = []
    for a in args:
        if isinstance(a, (dtypes.dtype, type)):
            dtype = a  # type: ignore[assignment]  # Python's float, int and bool name dtypes, too
        elif isinstance(a, Tensor):
            dtype, device = a.dtype, a.device
        elif isinstance(a, bool):
            flags.append(a)  # non_blocking, then copy
        elif isinstance(a, (str, int, device_type)):
            device = a
        elif a is not None:
            raise TypeError(f"to() received an invalid combination of arguments - got {type(a).__name__}")
    copy = flags[1] if len(flags) == 2 else copy
    result = self
    if device is not None:
        where = device_type(device)
        here = self.device
        if where.type != here.type or (where.index is not None and where.index != here.index):
            result = _transfer_op(result, where, here)
    if dtype is not None:
        kind = dtypes.to_numpy(dtype)
        if kind is not result._array.dtype:
            result = _cast(result, kind)
    return clone(result) if copy and result is self else result


def _cast(t: Tensor, kind: np.dtype[Any]) -> Tensor:
    """``t`` in another dtype. Only floating types carry gradients on."""
    return cast(t if kind.kind == "f" else t.detach(), kind)


def _as(dtype: dtypes.dtype) -> Callable[..., Any]:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return self if self._array.dtype is dtype.numpy else _cast(self, dtypes.to_numpy(dtype))

    method.__doc__ = f"The tensor as {dtype} (itself, if it is that already)."
    return method


@overload
def type_(self: Tensor, dtype: None = None, non_blocking: bool = False) -> str: ...
@overload
def type_(self: Tensor, dtype: dtype | str, non_blocking: bool = False) -> Tensor: ...
def type_(self: Tensor, dtype: dtype | str | None = None, non_blocking: bool = False) -> Any:
    """The name of the tensor's type, or the tensor as ``dtype``."""
    if dtype is None:
        place = "cuda." if self.device.type == "cuda" else ""
        return f"torch.{place}{self.dtype.legacy}Tensor"
    if isinstance(dtype, str):
        dtype = next((t for t in dtypes.ALL if dtype == f"torch.{t.legacy}Tensor"), dtype)
        if isinstance(dtype, str):
            raise ValueError(f"invalid type: '{dtype}'")
    return to(self, dtype=getattr(dtype, "kind", dtype))  # a legacy type, torch.LongTensor, names its kind


def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Write ``src`` (broadcast, cast) into this tensor. Raises RuntimeError if it does not fit."""
    if not isinstance(src, Tensor):
        raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}")
    try:
        return write(self, src, (), "copy_")
    except ValueError:
        raise RuntimeError(mismatch([self._array.shape, src._array.shape])) from None


def fill_(self: Tensor, value: Tensor | Number) -> Tensor:
    """Write one value (a number or a 0-d tensor) everywhere."""
    if isinstance(value, Tensor) and value._array.ndim:
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value._array.ndim} dimensions."
        )
    if not isinstance(value, (Tensor, int, float, np.generic)):
        raise TypeError(
            f"fill_() received an invalid combination of arguments - got ({type(value).__name__}), but expected one of:\n"
            " * (Tensor value)\n * (Number value)"
        )
    return write(self, value, (), "fill_")


def zero_(self: Tensor) -> Tensor:
    """Write zeros everywhere."""
    return write(self, 0, (), "zero_")


def fill(input: Tensor, value: Tensor | Number) -> Tensor:
    """A copy filled with one value."""
    return fill_(clone(input), value)


def detach_(self: Tensor) -> Tensor:
    """Take this tensor out of the graph, in place; it becomes a leaf."""
    if self._view is not None and current_node(self) is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    self._node = None
    return self


def pin_memory(self: Tensor, device: Device = None) -> Tensor:
    """A copy in page-locked memory of the host, from which a device reads while the host goes on.

    Raises RuntimeError where there is no device, and for a tensor that is on one.
    """
    if not backend_of(self._array).on_host:
        raise RuntimeError(f"cannot pin '{type_(self)}' only dense CPU tensors can be pinned")
    if device_count() == 0:
        raise RuntimeError("Cannot access accelerator device when none is available.")
    if is_pinned(self):
        return self
    pinned = new_tensor(backend_for(device_type("cuda")).pinned(self._array.shape, self._array.dtype))
    pinned._array[...] = self._array
    return pinned


def is_pinned(self: Tensor, device: Device = None) -> bool:
    """Whether the tensor lies in page-locked memory."""
    return (
        backend_of(self._array).on_host
        and device_count() > 0
        and backend_for(device_type("cuda")).is_pinned(self._array)
    )


def _relabel(name: str) -> Callable[..., Any]:
    """In-place changes of the window alone: ``squeeze_``, ``unsqueeze_``, ``transpose_``, ``t_``."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        check_writeable(self, name)
        viewed = getattr(self, name[:-1])(*args, **kwargs)
        self._array, self._node, self._view = viewed._array, viewed._node, viewed._view
        self._storage = storage_of(viewed)
        if self._view is not None and self._view[0] is self:
            self._view = None  # it is its own base: nothing but the window changed
        return self

    method.__name__ = name
    method.__doc__ = f"``{name[:-1]}``, in place: the same memory through another window."
    return method


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` in ``other``'s dtype; itself, if it is that already."""
    return to(input, other.dtype)


def cpu(input: Tensor, memory_format: Any = None) -> Tensor:
    """``input`` in the host's memory; itself, if it is there already."""
    return to(input, "cpu")


def cuda(input: Tensor, device: Device = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """``input`` on a CUDA device, the one in use by default. Raises RuntimeError where there is none."""
    return to(input, device=device if device is not None else "cuda")


def detach(input: Tensor) -> Tensor:
    """``Tensor.detach``: the same memory outside the graph."""
    return input.detach()


FUNCTIONS = {"clone": clone, "detach": detach, "fill": fill}
METHODS = {
    "clone": clone, "contiguous": contiguous, "copy_": copy_, "detach_": detach_, "fill": fill, "fill_": fill_,
    "to": to, "type": type_, "type_as": type_as, "zero_": zero_,
    "bool": _as(dtypes.bool), "byte": _as(dtypes.uint8), "char": _as(dtypes.int8), "double": _as(dtypes.float64),
    "float": _as(dtypes.float32), "half": _as(dtypes.float16), "bfloat16": _as(dtypes.bfloat16), "int": _as(dtypes.int32), "long": _as(dtypes.int64),
    "short": _as(dtypes.int16), "cpu": cpu, "cuda": cuda,
    "pin_memory": pin_memory, "is_pinned": is_pinned,
    **{n: _relabel(n) for n in ("squeeze_", "unsqueeze_", "transpose_", "t_", "swapaxes_", "swapdims_", "as_strided_")},
}  # fmt: skip
