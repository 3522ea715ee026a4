"""Storage: what all windows on one buffer have in common.

A Tensor is a window (shape, stride, offset) on a flat buffer. NumPy's strided arrays carry the
window; the Storage carries the *version*, a count of the writes made through any window. It is
created when somebody takes a view or writes: until then its version could only be 0, and the
common operation does not pay for it.
"""

from __future__ import annotations

from .types import Array

__all__ = ["Storage", "UntypedStorage"]


class Storage:
    """The version that a buffer's windows share, and whether they were asked to be for other processes."""

    __slots__ = ("shared", "version")
    version: int
    shared: bool  # what ``is_shared`` says: share_memory_ was called

    def __init__(self) -> None:
        self.version = 0
        self.shared = False


def buffer_of(array: Array) -> Array:
    """The array that owns ``array``'s memory: the end of its chain of bases."""
    while True:
        base = array.base
        if base is not None and not hasattr(base, "dtype"):  # NumPy's as_strided puts an object between the two
            base = getattr(base, "base", None)
        if base is None or not hasattr(base, "dtype") or not hasattr(base, "base"):  # a foreign owner ends it
            return array
        array = base


class UntypedStorage:
    """``tensor.untyped_storage()``: the bytes under a tensor, shared by all its views."""

    __slots__ = ("_array", "_buffer")

    def __init__(self, array: Array) -> None:
        self._array = array
        self._buffer = buffer_of(array)

    def data_ptr(self) -> int:
        """Address of the first byte."""
        return data_ptr(self._buffer)

    def nbytes(self) -> int:
        """Bytes held, which may be more than any one view shows."""
        return int(self._buffer.nbytes)

    size = __len__ = nbytes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self._buffer is other._buffer

    def __hash__(self) -> int:
        return id(self._buffer)

    def __repr__(self) -> str:
        return f"torch.UntypedStorage of size {self.nbytes()}"


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
