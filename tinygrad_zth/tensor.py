"""The Tensor: an array, and its place in the graph.

Only what a Tensor *is* stands here. What can be done with it comes from the tables of operations
(``ops``, ``fused``), which add themselves as methods when they are defined.

Five fields carry everything:

    _array     the window on memory: a NumPy (or CuPy) array with shape, strides and offset
    _node      where the value came from (``graph.Node``); None if it does not require grad
    _view      for a window on another tensor: (base, path from the base, version when _node was made)
    _storage   the version shared with all other windows; None until somebody takes a view or writes
    _grad      the accumulated gradient, a Tensor or None
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex, overload

import numpy as np

from . import absent, backends, dtypes
from .device import device as device_type
from .graph import Node, RemovableHandle, extra_of, leaf_node, mode
from .settings import warn_once
from .storage import Storage, TypedStorage, UntypedStorage, data_ptr, offset_of, strides_of
from .types import Array, Device, Number, Value

__all__ = ["Size", "Tensor", "new_tensor"]

_new = object.__new__


class Size(tuple[int, ...]):
    """A shape: a tuple of ints that prints as ``torch.Size([2, 3])``."""

    __slots__ = ()

    def numel(self) -> int:
        """The product of the sizes."""
        n = 1
        for size in self:
            n *= size
        return n

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __add__(self, other: Any) -> Any:
        return Size(tuple.__add__(self, tuple(other)))

    def __radd__(self, other: Any) -> Any:
        return Size(tuple(other) + tuple(self))

    def __mul__(self, times: Any) -> Any:
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Size: ...
    def __getitem__(self, index: Any) -> Any:
        picked = tuple.__getitem__(self, index)
        return Size(picked) if isinstance(index, slice) else picked

    def __reduce__(self) -> Any:
        return (Size, (tuple(self),))


class Tensor:
    """A multi-dimensional array of one dtype on one device, with automatic differentiation.

    Make one with ``torch.tensor(data)`` and its relatives. The constructor is PyTorch's legacy one:
    ``Tensor(2, 3)`` is an uninitialised 2 x 3 tensor of the default dtype, ``Tensor([1, 2])`` holds
    the given data in the default dtype.
    """

    __slots__ = ("__dict__", "__weakref__", "_array", "_grad", "_node", "_storage", "_view")
    _array: Array
    _node: Node | None
    _view: Any
    _storage: Any
    _grad: Tensor | None
    __array_priority__ = 1000  # so that ndarray * tensor asks the tensor

    def __new__(cls, *data: Any, device: Device = None) -> Any:
        xp = backends.backend_for(_device(device))
        kind = dtypes.to_numpy(dtypes.get_default_dtype())
        if len(data) == 1 and not isinstance(data[0], int):
            if isinstance(data[0], Size):
                return new_tensor(xp.xp.zeros(tuple(data[0]), kind), cls)
            if isinstance(data[0], (str, bytes)):
                raise TypeError(f"new(): invalid data type '{type(data[0]).__name__}'")
            if isinstance(data[0], float):
                raise TypeError("new(): data must be a sequence (got float)")
            source = data[0]._array if isinstance(data[0], Tensor) else data[0]
            return new_tensor(xp.asarray(source).astype(kind), cls)
        if all(isinstance(n, int) for n in data):
            return new_tensor(xp.xp.zeros(data or (0,), kind), cls)
        raise TypeError(f"Tensor() takes sizes or one sequence of data, not {data!r}")

    # ------------------------------------------------------------------ what it is

    @property
    def shape(self) -> Size:
        """The size of each dimension."""
        return Size(self._array.shape)

    @overload
    def size(self, dim: None = None) -> Size: ...
    @overload
    def size(self, dim: int) -> int: ...
    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension. Raises IndexError if there is no such dimension."""
        if dim is None:
            return Size(self._array.shape)
        try:
            return self._array.shape[dim]
        except IndexError:
            n = max(self._array.ndim, 1)
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
            ) from None

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        n: int = self._array.ndim
        return n

    def dim(self) -> int:
        """The number of dimensions."""
        n: int = self._array.ndim
        return n

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        n: int = self._array.size
        return n

    nelement = numel

    @property
    def dtype(self) -> dtypes.dtype:
        """The element type."""
        return dtypes.of(self._array.dtype)

    @property
    def device(self) -> device_type:
        """The device that holds the memory."""
        where: device_type = backends.backend_of(self._array).device_of(self._array)
        return where

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        n: int = self._array.itemsize
        return n

    def element_size(self) -> int:
        """Bytes per element."""
        n: int = self._array.itemsize
        return n

    @property
    def nbytes(self) -> int:
        """Bytes shown by this window."""
        n: int = self._array.nbytes
        return n

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating-point type."""
        answer: bool = self._array.dtype.kind == "f"
        return answer

    def is_complex(self) -> bool:
        """Always False: complex types are not offered."""
        return False

    def is_signed(self) -> bool:
        """Whether the dtype can hold negative numbers."""
        return self.dtype.is_signed

    @property
    def is_cuda(self) -> bool:
        """Whether the memory is on a CUDA device."""
        return self.device.type == "cuda"

    # ------------------------------------------------------------------ the window

    @overload
    def stride(self, dim: None = None) -> tuple[int, ...]: ...
    @overload
    def stride(self, dim: int) -> int: ...
    def stride(self, dim: int | None = None) -> Any:
        """The step, in elements, to the next element along each dimension (or along one)."""
        strides = strides_of(self._array)
        if dim is None:
            return strides
        if not -len(strides) <= dim < len(strides):
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-len(strides)}, {len(strides) - 1}], but got {dim})"
            )
        return strides[dim]

    def storage_offset(self) -> int:
        """Where the window begins in its storage, in elements."""
        return offset_of(self._array)

    def data_ptr(self) -> int:
        """Address of the first element."""
        return data_ptr(self._array)

    def storage(self) -> TypedStorage:
        """The elements in the memory that this tensor and all its views share. Deprecated in PyTorch, and warns so."""
        return TypedStorage(self._array)

    def untyped_storage(self) -> UntypedStorage:
        """The memory that this tensor and all its views share."""
        return UntypedStorage(self._array)

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in C order with nothing between."""
        answer: bool = self._array.flags.c_contiguous
        return answer

    @property
    def _version(self) -> int:
        return 0 if self._storage is None else self._storage.version

    @property
    def _base(self) -> Tensor | None:
        return None if self._view is None else self._view[0]

    def is_set_to(self, tensor: Tensor) -> bool:
        """Whether both are the same window on the same memory."""
        a, b = self._array, tensor._array
        return data_ptr(a) == data_ptr(b) and a.shape == b.shape and a.strides == b.strides

    # ------------------------------------------------------------------ the graph

    @property
    def requires_grad(self) -> bool:
        """Whether a backward pass from something made of this tensor reaches it."""
        return current_node(self) is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for (or stop asking for) this leaf's gradient; returns the tensor itself.

        Raises:
            RuntimeError: for a tensor that is not floating point, or one that is not a leaf.
        """
        node = current_node(self)
        if node is not None and node.op is not None:
            if requires_grad:
                return self
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()."
            )
        if not requires_grad:
            self._node = None
        elif node is None:
            if self._array.dtype.kind != "f":
                raise RuntimeError("only Tensors of floating point dtype can require gradients")
            self._node = leaf_node(self)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by the user rather than by a recorded operation."""
        node = current_node(self)
        return node is None or node.op is None

    @property
    def grad_fn(self) -> Node | None:
        """The graph node that produced the tensor; None for a leaf."""
        node = current_node(self)
        return None if node is None or node.op is None else node

    @property
    def output_nr(self) -> int:
        """Which of its ``grad_fn``'s results the tensor is: always 0, since those have nodes of their own."""
        return 0

    @property
    def grad(self) -> Tensor | None:
        """The gradient accumulated by ``backward()``, with this tensor's shape and dtype; or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is None:
            self._grad = None
            return
        if not isinstance(value, Tensor):
            raise TypeError(
                f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
            )
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if value._array.shape != self._array.shape:
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
            )
        if value._array.dtype != self._array.dtype:
            raise RuntimeError(f"assigned grad has data of a different type: expected {self.dtype}, got {value.dtype}")
        if value._array.__class__ is not self._array.__class__ and value.device != self.device:
            raise RuntimeError("assigned grad has data located on a different device")
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def retain_grad(self) -> None:
        """Keep ``.grad`` for this inner node, too. Raises RuntimeError if it does not require grad."""
        node = current_node(self)
        if node is None:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if node.op is not None:
            extra_of(node).home = _weakref(self)

    @property
    def retains_grad(self) -> bool:
        """Whether this inner node keeps its gradient."""
        node = self.grad_fn
        return node is not None and node.extra is not None and node.extra.home is not None

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook(grad)`` when this tensor's gradient is complete; a result replaces it.

        Returns a handle with ``remove()``. Raises RuntimeError if the tensor does not require grad.
        """
        node = current_node(self)
        if node is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return extra_of(node).add_hook(hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call ``hook(self)`` each time ``.grad`` of this leaf has been accumulated: at the end of a backward pass."""
        node = current_node(self)
        if node is None or node.op is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        return extra_of(node).add_hook(hook, "after")

    def detach(self) -> Tensor:
        """The same memory outside the graph; writes through either are seen (and counted) by both."""
        alias = new_tensor(self._array)
        alias._storage = storage_of(self)
        return alias

    @property
    def data(self) -> Tensor:
        """The same memory outside the graph, with a version count of its own: writes go unnoticed."""
        t: Tensor = _new(Tensor)  # as new_tensor does: an optimiser by hand reads it for every parameter
        t._array = self._array
        t._node = t._view = t._storage = t._grad = None
        return t

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        array, node = value._array, self._node
        if array is self._array:
            return
        self._array = array
        if node is not None and node.op is None:
            node.shape, node.dtype = array.shape, array.dtype

    # ------------------------------------------------------------------ leaving

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The NumPy array that shares this tensor's memory.

        Raises:
            RuntimeError: if the tensor requires grad; TypeError if it is on another device. With
            ``force=True`` it is detached and copied as needed.
        """
        backend = backends.backend_of(self._array)
        if not force:
            if current_node(self) is not None:
                raise RuntimeError(
                    "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
                )
            if backend.name != "numpy":
                raise TypeError(
                    f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to "
                    "copy the tensor to host memory first."
                )
        array: np.ndarray = backend.to_numpy(self._array)
        return array

    def item(self) -> Number:
        """The value of a one-element tensor as a Python number. Raises RuntimeError for any other."""
        if self._array.size != 1:
            raise RuntimeError(f"a Tensor with {self._array.size} elements cannot be converted to Scalar")
        value: Number = backends.backend_of(self._array).item(self._array)
        return value

    def tolist(self) -> Any:
        """The values as nested Python lists (a number for a 0-d tensor)."""
        return backends.backend_of(self._array).to_numpy(self._array).tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return from_array(array)

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        n: int = self._array.shape[0]
        return n

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        if self._array.size != 1:
            if self._array.size == 0:
                raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(self.item())

    def _scalar(self) -> Number:
        if self._array.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        value: Number = self._array.item()
        return value

    def __float__(self) -> float:
        self._warn_of_gradient()
        return float(self._scalar())

    def __int__(self) -> int:
        return int(self._scalar())

    def __index__(self) -> int:
        if self._array.dtype.kind == "f" or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __complex__(self) -> complex:
        self._warn_of_gradient()
        return complex(self._scalar())

    def _warn_of_gradient(self) -> None:
        if self.requires_grad and mode.recording:
            warn_once(
                "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
                "Consider using tensor.detach() first."
            )

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self)} - absent.METHODS)

    def __format__(self, spec: str) -> str:
        """Format one number (a 0-d tensor's) as ``spec`` says; without one, what is printed."""
        return format(self.item(), spec) if self._array.ndim == 0 else object.__format__(self, spec)


for _name in absent.METHODS:
    setattr(Tensor, _name, absent.Absent(_name))


def _weakref(tensor: Tensor) -> Any:
    import weakref

    return weakref.ref(tensor)


def _device(where: Any) -> Any:
    from .device import CPU, device

    return CPU if where is None else device(where)


def new_tensor(array: Array, cls: type = Tensor, node: Any = None) -> Tensor:
    """A tensor over ``array`` itself (no copy, no check), with a place in the graph or none."""
    t: Tensor = _new(cls)
    t._array = array
    t._node = node
    t._view = t._storage = t._grad = None
    return t


def from_array(array: Any) -> Tensor:
    """A tensor over a NumPy array or scalar from outside, sharing memory where the dtype allows it."""
    if array.__class__ not in backends.array_types:
        array = np.asarray(array)
    return new_tensor(dtypes.canonical(array))


def current_node(t: Tensor) -> Node | None:
    """``t``'s node; for a view whose memory was written to since, made anew from its base."""
    return t._node if t._view is None else renewed_node(t)


def renewed_node(t: Tensor) -> Node | None:
    """The node of a view, replayed from its base if there was a write in between."""
    base, path, version = t._view
    if version != t._storage.version:
        source = current_node(base)
        if source is not None:
            before, mode.recording = mode.recording, True
            try:
                t._node = replay(base, path)._node
            finally:
                mode.recording = before
        t._view = (base, path, t._storage.version)
    return t._node


def replay(base: Value, path: Sequence[Any]) -> Value:
    """``base`` (a tensor or an array) seen through a chain of views, each (operation, arguments)."""
    for operation, arguments in path:
        base = operation(base, *arguments)
    return base


def storage_of(t: Tensor) -> Storage:
    """``t``'s storage, created now if nobody needed it before."""
    if t._storage is None:
        t._storage = Storage()
        node = t._node
        if node is not None and node.op is not None and node.op.saves_out:
            extra_of(node).out_storage = t._storage  # the node must hear of writes to what it saved
    storage: Storage = t._storage
    return storage
