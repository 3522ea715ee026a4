"""What a tensor is, asked as PyTorch's users ask it; most answers here are the same for every tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..backends import backend_of
from ..refusal import on_host
from ..storage import TypedStorage
from ..tensor import Tensor, storage_of
from ..types import Number

__all__ = ["FUNCTIONS", "METHODS", "is_nonzero", "is_tensor", "numel", "result_type"]


class layout:
    """How a tensor's memory is organised; ``torch.strided`` is the one there is."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class memory_format(layout):
    """The order of dimensions in memory that a function is asked for; see ``Tensor.contiguous``."""

    __slots__ = ()


strided = layout("strided")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


def is_tensor(obj: Any, /) -> bool:
    """Whether ``obj`` is a Tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any, /) -> bool:
    """Whether ``obj`` is what ``Tensor.storage`` or ``Tensor.untyped_storage`` returns."""
    return isinstance(obj, TypedStorage)


def _asked(name: str) -> Callable[..., Any]:
    """``torch.<name>(tensor)`` for the method of that name."""
    method = getattr(Tensor, name)

    def function(input: Tensor) -> bool:
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        return bool(method(input))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = method.__doc__
    return function


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not zero. Raises RuntimeError if there are more, or none."""
    if not isinstance(input, Tensor):
        raise TypeError(f"is_nonzero(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return bool(input)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have one shape."""
    return bool(input._array.shape == other._array.shape)


def is_inference(input: Tensor) -> bool:
    """Always False: inference mode leaves no mark on tensors here."""
    return False


def _never(input: Tensor) -> bool:
    """Always False."""
    return False


def _is_coalesced(self: Tensor) -> bool:
    """Of sparse tensors: raises RuntimeError."""
    raise RuntimeError("is_coalesced expected sparse coordinate tensor layout but got Strided")


def get_device(input: Tensor) -> int:
    """The CUDA index of the tensor's device, -1 on the CPU."""
    index = input.device.index
    return -1 if input.device.type == "cpu" else index or 0


def result_type(tensor: Tensor | Number, other: Tensor | Number) -> dtypes.dtype:
    """The dtype of the result of arithmetic between two operands (tensors or numbers)."""
    kinds: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for t in (tensor, other):
        if isinstance(t, Tensor):
            kinds[0 if t._array.ndim else 1].append(t.dtype)
        else:
            kinds[2].append(dtypes.of_number(t))
    return dtypes.result_of(*kinds)


def typename(obj: Any, /) -> str:
    """The name of a tensor's type, "torch.FloatTensor", or of any object's class."""
    if isinstance(obj, Tensor):
        return f"torch.{obj.dtype.legacy}Tensor"
    found = obj if hasattr(obj, "__qualname__") else type(obj)
    module = found.__module__
    return found.__qualname__ if module in (None, "builtins") else f"{module}.{found.__qualname__}"


def real(input: Tensor) -> Tensor:
    """The real part: of a real tensor, itself."""
    return input


def imag(input: Tensor) -> Tensor:
    """Raises RuntimeError: there are no complex tensors."""
    raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")


def conj(input: Tensor) -> Tensor:
    """The complex conjugate: of a real tensor, itself."""
    return input


def share_memory_(self: Tensor) -> Tensor:
    """Marks the memory as shared, for ``is_shared``: DataLoader workers are threads here, and share all of it anyway."""
    storage_of(self).shared = True
    return self


def is_shared(self: Tensor) -> bool:
    """Whether ``share_memory_`` was called for this memory, by way of any view of it. Always, on a device."""
    return storage_of(self).shared or not on_host(self)


def apply_(self: Tensor, callable: Any) -> Tensor:
    """Replace each element by ``callable(element)``, in place; slow, and not recorded."""
    if self.requires_grad:
        raise RuntimeError("Can't call apply_() on Variable that requires grad. Use var.detach().apply_() instead.")
    flat = [callable(x) for x in self._array.ravel().tolist()]
    self._array[...] = backend_of(self._array).asarray(flat, self._array.dtype).reshape(self._array.shape)
    return self


def map_(self: Tensor, tensor: Tensor, callable: Any) -> Tensor:
    """Replace each element by ``callable(element, element of tensor)``, in place."""
    if self.requires_grad:
        raise RuntimeError("Can't call map_() on Variable that requires grad. Use var.detach().map_() instead.")
    xs, ys = self._array.ravel().tolist(), tensor.expand_as(self)._array.ravel().tolist()
    flat = [callable(x, y) for x, y in zip(xs, ys, strict=True)]
    self._array[...] = backend_of(self._array).asarray(flat, self._array.dtype).reshape(self._array.shape)
    return self


def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Any) -> Tensor:
    """Replace each element by ``callable(element, element of x, element of y)``, in place."""
    if self.requires_grad:
        raise RuntimeError("Can't call map2_() on Variable that requires grad. Use var.detach().map2_() instead.")
    values = (t.expand_as(self)._array.ravel().tolist() for t in (self, x, y))
    flat = [callable(*three) for three in zip(*values, strict=True)]
    self._array[...] = backend_of(self._array).asarray(flat, self._array.dtype).reshape(self._array.shape)
    return self


def dense_dim(self: Tensor) -> int:
    """The number of dimensions: none is sparse."""
    return self.dim()


def dim_order(self: Tensor) -> tuple[int, ...]:
    """The dimensions from the slowest to the fastest in memory."""
    strides = self.stride()
    return tuple(sorted(range(self.dim()), key=lambda d: -strides[d]))


def numel(input: Tensor) -> int:
    """The number of elements."""
    if not isinstance(input, Tensor):
        raise TypeError(f"numel(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return input.numel()


def is_cpu(input: Tensor) -> bool:
    """Whether the memory is the host's."""
    return input.device.type == "cpu"


def _fixed(value: Any, doc: str) -> property:
    def answer(self: Tensor) -> Any:
        return value

    answer.__doc__ = doc
    answer.__annotations__["return"] = type(value).__name__
    return property(answer)


FUNCTIONS = {
    "channels_last": channels_last, "channels_last_3d": channels_last_3d, "conj": conj, "conj_physical": conj,
    "contiguous_format": contiguous_format, "get_device": get_device, "imag": imag,
    "is_complex": _asked("is_complex"), "is_floating_point": _asked("is_floating_point"),
    "is_inference": is_inference, "is_nonzero": is_nonzero, "is_same_size": is_same_size,
    "is_signed": _asked("is_signed"), "is_storage": is_storage, "is_tensor": is_tensor, "layout": layout,
    "memory_format": memory_format, "numel": numel, "preserve_format": preserve_format, "real": real,
    "resolve_conj": conj, "resolve_neg": conj, "result_type": result_type, "strided": strided, "typename": typename,
    "is_conj": _never, "is_neg": _never,
}  # fmt: skip
METHODS = {
    "apply_": apply_, "conj": conj, "conj_physical": conj, "conj_physical_": conj, "dim_order": dim_order,
    "get_device": get_device, "is_conj": _never, "is_inference": is_inference, "is_neg": _never,
    "is_nonzero": is_nonzero, "is_same_size": is_same_size, "is_shared": is_shared, "is_coalesced": _is_coalesced,
    "dense_dim": dense_dim, "map2_": map2_, "map_": map_, "resolve_conj": conj, "resolve_neg": conj, "share_memory_": share_memory_,
    "real": property(real), "imag": property(imag), "layout": _fixed(strided, "Always ``torch.strided``."),
    "is_cpu": property(is_cpu),
    **{
        f"is_{kind}": _fixed(False, "Always False.")
        for kind in ("sparse", "sparse_csr", "quantized", "meta", "mps", "nested", "mkldnn", "xpu", "xla")
    },
}  # fmt: skip
