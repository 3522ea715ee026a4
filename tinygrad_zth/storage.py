"""Storage: what all windows on one buffer have in common.

A Tensor is a window (shape, stride, offset) on a flat buffer. NumPy's strided arrays carry the
window; the Storage carries the *version*, a count of the writes made through any window. It is
created when somebody takes a view or writes: until then its version could only be 0, and the
common operation does not pay for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import backends, dtypes
from .device import device
from .settings import warn_once
from .types import Array

__all__ = ["Storage", "TypedStorage", "UntypedStorage"]


class Storage:
    """The version that a buffer's windows share, and whether they were asked to be for other processes."""

    version = 0
    shared = False  # what ``is_shared`` says: share_memory_ was called


def buffer_of(array: Array) -> Array:
    """The array that owns ``array``'s memory: the end of its chain of bases."""
    while True:
        base = array.base
        if base is not None and not hasattr(base, "dtype"):  # NumPy's as_strided puts an object between the two
            base = getattr(base, "base", None)
        if base is None or not hasattr(base, "dtype") or not hasattr(base, "base"):  # a foreign owner ends it
            return array
        array = base


class TypedStorage:
    """``tensor.storage()``: the elements under a tensor, one after the other, whatever window each view shows of them."""

    __slots__ = ("_address", "_buffer", "dtype")
    dtype: Any

    def __init__(self, array: Array) -> None:
        warn_once(
            "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the only storage "
            "class. This should only matter to you if you are using storages directly.  To access UntypedStorage "
            "directly, use tensor.untyped_storage() instead of tensor.storage()"
        )
        self._set(buffer_of(array), dtypes.of(array.dtype))

    def _set(self, buffer: Array, dtype: Any) -> None:
        # Flat, in the order of memory, and as elements of the tensor's dtype where the owner's is another.
        flat = (buffer if buffer.flags.c_contiguous else buffer.T).reshape(-1)
        self._address, self._buffer, self.dtype = data_ptr(buffer), flat.view(dtype.numpy), dtype

    @property
    def device(self) -> device:
        """The device that holds the memory."""
        where: device = backends.backend_of(self._buffer).device_of(self._buffer)
        return where

    @property
    def is_cuda(self) -> bool:
        """Whether the memory is a CUDA device's."""
        return self.device.type == "cuda"

    def data_ptr(self) -> int:
        """Address of the first element."""
        return self._address

    def element_size(self) -> int:
        """Bytes that an element takes."""
        return int(self._buffer.itemsize)

    def nbytes(self) -> int:
        """Bytes held, which may be more than any one view shows."""
        return int(self._buffer.nbytes)

    def size(self) -> int:
        """Elements held."""
        return int(self._buffer.size)

    __len__ = size

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage(self._buffer)

    def tolist(self) -> list[Any]:
        """The elements as Python's numbers."""
        elements: list[Any] = self._buffer.tolist()
        return elements

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __getitem__(self, index: int) -> Any:
        return self._buffer[index].item()

    def __setitem__(self, index: int | slice, value: float) -> None:
        self._buffer[index] = value

    def _name(self) -> str:
        return f"torch.storage.{type(self).__name__}(dtype={self.dtype}, device={self.device})"

    def __repr__(self) -> str:
        elements = "\n ".join(str(x) for x in self.tolist())
        return f" {elements}\n[{self._name()} of size {self.size()}]"


class UntypedStorage(TypedStorage):
    """``tensor.untyped_storage()``: the bytes under a tensor, shared by all its views."""

    __slots__ = ()

    def __init__(self, array: Array) -> None:
        self._set(buffer_of(array), dtypes.uint8)

    def __getitem__(self, index: int | slice) -> Any:
        return UntypedStorage(self._buffer[index].copy()) if isinstance(index, slice) else super().__getitem__(index)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self.data_ptr() == other.data_ptr() and len(self) == len(other)

    def __hash__(self) -> int:
        return self.data_ptr()

    def _name(self) -> str:
        return f"torch.storage.UntypedStorage(device={self.device})"


def data_ptr(array: Array) -> int:
    """Address of ``array``'s first element (NumPy's or CuPy's)."""
    interface = getattr(array, "__array_interface__", None) or array.__cuda_array_interface__
    return int(interface["data"][0])


def offset_of(array: Array) -> int:
    """``array``'s offset into its buffer, in elements."""
    return (data_ptr(array) - data_ptr(buffer_of(array))) // int(array.itemsize)


def strides_of(array: Array) -> tuple[int, ...]:
    """``array``'s strides in elements; where a size is 0 or 1, what PyTorch would have put."""
    item = array.itemsize
    return tuple(s // item for s in array.strides)


def is_window(array: Array, sizes: tuple[int, ...]) -> bool:
    """Whether ``array``'s elements, as many as ``sizes`` make, can be seen in these sizes where they lie.

    Dimensions whose strides follow from each other are a run, whose elements are evenly spaced: each run must be made
    of whole new dimensions. (NumPy copies where that is not so, and says nothing.)
    """
    shape, strides = array.shape, array.strides
    if not array.size or not shape:
        return True
    left = len(sizes)  # new dimensions to account for
    step, old, new = strides[-1], 1, 1  # of a run: between elements; how many, in the dimensions of both so far
    for d in range(len(shape) - 1, -1, -1):
        old *= shape[d]
        if d and (shape[d - 1] == 1 or strides[d - 1] == old * step):
            continue  # the run goes on
        while left and (new < old or sizes[left - 1] == 1):
            left -= 1
            new *= sizes[left]
        if new != old:
            return False
        if d:
            step, old, new = strides[d - 1], 1, 1
    return not left


def order_of_copy(array: Array) -> str:
    """The order of a copy in memory: ``array``'s own ("K"), unless it was expanded, and its rows are one row."""
    return "C" if 0 in array.strides else "K"


def channels_are_last(array: Array) -> bool:
    """Whether the strides of images or volumes grow from the channels (dimension 1) over the last to the first dimension.

    By PyTorch's rule for 4-D and 5-D tensors, which goes by the strides alone where a size is 1. False for others.
    """
    strides = array.strides
    if array.ndim not in (4, 5) or strides[-1] < strides[1] or 0 in array.shape or strides[1] == 0:
        return False
    least = 0
    for d in (1, *range(array.ndim - 1, 1, -1), 0):
        if strides[d] < least or (d == 0 and least == strides[1]):
            return False
        least = strides[d] * array.shape[d]
    return True


def in_channels_last(array: Array) -> Array:
    """``array``, or a copy of it, that lies in memory with the channels (dimension 1) innermost."""
    inner = (0, *range(2, array.ndim), 1)
    outer = (0, array.ndim - 1, *range(1, array.ndim - 1))
    lying = array.transpose(inner)
    return (lying if lying.flags.c_contiguous else lying.copy(order="C")).transpose(outer)
