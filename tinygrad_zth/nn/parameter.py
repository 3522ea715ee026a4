"""Parameters and buffers: tensors that a Module knows by name."""

from __future__ import annotations

from typing import Any

from ..backends import backend_for, backend_of
from ..device import device
from ..tensor import Tensor, new_tensor, storage_of

__all__ = ["Buffer", "Parameter", "is_buffer"]


class Parameter(Tensor):
    """A tensor that is to be trained: assigned to a Module, it appears in ``parameters()``.

    Args:
        data: the values; the parameter shares their memory. Default, an empty tensor.
        requires_grad: whether gradients are accumulated for it.

    Raises:
        RuntimeError: if gradients are asked for of a tensor that is not floating point.
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = Tensor(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Parameter data must be a Tensor, not {type(data).__name__}")
        if requires_grad and not data.is_floating_point():
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        t = new_tensor(data._array, cls)
        t._storage = storage_of(data)
        if requires_grad:
            t.requires_grad_()
        return t  # type: ignore[return-value]  # new_tensor makes what it is told to

    def __repr__(self) -> str:
        return "Parameter containing:\n" + Tensor.__repr__(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        known = memo.get(id(self))
        if known is None:
            known = type(self)(new_tensor(self._array.copy("K")), self.requires_grad)
            memo[id(self)] = known
        return known

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        values = backend_of(self._array).to_numpy(self._array)
        return _restore, (type(self), values, str(self.device), self.requires_grad)


def _restore(cls: type[Parameter], values: Any, place: str, requires_grad: bool) -> Parameter:
    """A pickled parameter again."""
    where = device(place)
    return cls(new_tensor(backend_for(where).asarray(values, where=where)), requires_grad)


class _BufferType(type):
    """``isinstance(t, Buffer)`` asks for the mark that ``Buffer(...)`` leaves on a plain tensor."""

    def __instancecheck__(cls, instance: object) -> bool:
        return is_buffer(instance)


class Buffer(metaclass=_BufferType):
    """A tensor that is kept, but not trained; assigned to a Module, it appears in ``buffers()``.

    Args:
        data: the values; memory is shared. Default, an empty tensor.
        persistent: whether it is part of the module's ``state_dict``.
    """

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Tensor:  # type: ignore[misc]
        if data is None:
            data = Tensor(0)
        t = data.detach().requires_grad_(data.requires_grad)
        t._is_buffer, t.persistent = True, persistent  # type: ignore[attr-defined]
        return t


def is_buffer(value: object) -> bool:
    """Whether ``value`` was made by ``Buffer(...)``."""
    return isinstance(value, Tensor) and getattr(value, "_is_buffer", False)
