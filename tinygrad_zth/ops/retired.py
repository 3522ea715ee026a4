"""Functions that PyTorch has retired: what is left of them is an error, or a warning, that names the new one."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

from ..broadcasting import alias
from ..tensor import Tensor

__all__ = ["FUNCTIONS", "METHODS", "Variable"]

_GONE = "This function was deprecated since version 1.9 and is now removed. "


def lstsq(input: Tensor, A: Tensor, *, out: Any = None) -> NoReturn:
    """Retired: ``torch.linalg.lstsq(A, input)``. Raises RuntimeError."""
    raise RuntimeError(
        f"{_GONE}`torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`.\n`torch.linalg.lstsq` has reversed arguments "
        "and does not return the QR decomposition in the returned tuple, (although it returns other information about the "
        "problem).\n\nTo get the QR decomposition consider using `torch.linalg.qr`."
    )


def solve(input: Tensor, A: Tensor, *, out: Any = None) -> NoReturn:
    """Retired: ``torch.linalg.solve(A, input)``. Raises RuntimeError."""
    raise RuntimeError(
        f"{_GONE}`torch.solve` is deprecated in favor of `torch.linalg.solve`. `torch.linalg.solve` has its arguments "
        "reversed and does not return the LU factorization."
    )


def symeig(input: Tensor, eigenvectors: bool = False, upper: bool = True, *, out: Any = None) -> NoReturn:
    """Retired: ``torch.linalg.eigh``. Raises RuntimeError."""
    raise RuntimeError(
        f"{_GONE}The default behavior has changed from using the upper triangular portion of the matrix by default to using "
        "the lower triangular portion.\n\nSee `torch.linalg.eigh` and `torch.linalg.eigvalsh`."
    )


def _lstsq(self: Tensor, other: Tensor) -> NoReturn:
    """Retired: ``torch.linalg.lstsq``. Raises RuntimeError."""
    lstsq(self, other)


def _solve(self: Tensor, other: Tensor) -> NoReturn:
    """Retired: ``torch.linalg.solve``. Raises RuntimeError."""
    solve(self, other)


def _symeig(self: Tensor, eigenvectors: bool = False) -> NoReturn:
    """Retired: ``torch.linalg.eigh``. Raises RuntimeError."""
    symeig(self, eigenvectors)


def _resize(self: Tensor, *sizes: Any) -> Tensor:
    """Retired: ``view``, which this is. Raises RuntimeError if the number of elements would change."""
    warnings.warn("non-inplace resize is deprecated", UserWarning, stacklevel=2)
    return _reshaped(self, sizes)


def _resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """Retired: ``view_as``, which this is. Raises RuntimeError if the number of elements would change."""
    warnings.warn("non-inplace resize_as is deprecated", UserWarning, stacklevel=2)
    return _reshaped(self, tuple(tensor.shape))


def _reshaped(self: Tensor, shape: tuple[Any, ...]) -> Tensor:
    count: Any = 1
    for n in shape:
        count *= n
    if count != self.numel():
        sizes = ("x".join(map(str, s)) for s in (shape, self.shape))
        asked, held = sizes
        raise RuntimeError(
            f"requested resize to {asked} ({count} elements in total), but the given tensor has a size of {held} "
            f"({self.numel()} elements). autograd's resize can only change the shape of a given tensor, while preserving "
            "the number of elements."
        )
    return self.contiguous().view(shape)


def to_dlpack(input: Tensor) -> object:
    """A DLPack capsule over the tensor's memory; ``from_dlpack`` takes the tensor itself."""
    capsule: object = input.__dlpack__()
    return capsule


def as_subclass(self: Tensor, cls: type) -> Tensor:
    """The tensor as one of ``cls``, a subclass of Tensor, on the same memory and in the same graph. Raises TypeError for another class."""
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError("cls must be a type that inherits from Tensor")
    twin = alias(self)
    twin.__class__ = cls
    return twin


class _IsTensor(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_IsTensor):
    """Retired: ``torch.autograd.Variable(tensor, requires_grad=True)`` is the tensor, on the same memory. Every Tensor is one."""

    def __new__(cls, data: Tensor, requires_grad: bool = False) -> Tensor:  # type: ignore[misc]
        return data.detach().requires_grad_(requires_grad)


FUNCTIONS = {"lstsq": lstsq, "solve": solve, "symeig": symeig, "to_dlpack": to_dlpack}
METHODS = {
    "as_subclass": as_subclass,
    "lstsq": _lstsq,
    "solve": _solve,
    "symeig": _symeig,
    "resize": _resize,
    "resize_as": _resize_as,
}
