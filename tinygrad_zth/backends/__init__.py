"""The array libraries under a tensor, behind one small interface.

A backend is chosen by the type of the array, once per call and without a question in the code:
an operation keeps a table from array type to kernel (:class:`Kernels`), and an array type that the
table has not seen yet asks its backend for the kernel (:func:`backend_of`). NumPy's backend is
always there; CuPy's registers its array type when it is first asked for by name ("cuda").

What a backend answers is written out in ``numpy_backend``. Copies between host and device go through
it and are counted in :data:`transfers`.

``cuda``, ``cudnn``, ``mkl`` and ``mps`` hold the switches that PyTorch's users know as ``torch.backends``.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..device import device
from . import cuda, cudnn, mkl, mps
from .memory import keep_freed_memory
from .numpy_backend import NumpyBackend

__all__ = [
    "HOST",
    "PLAIN",
    "Composed",
    "Kernels",
    "array_types",
    "backend_for",
    "backend_of",
    "cuda",
    "cudnn",
    "mkl",
    "mps",
    "parameters_of",
    "register",
    "transfers",
]

_backends: dict[type, Any] = {}
array_types: set[type[Any]] = set()
transfers: Counter[str] = Counter()
"""Copies that a backend made: "to_device" and "to_host". None is made anywhere else."""


def register(backend: Any) -> None:
    """Make ``backend`` known: its ``array_type`` from now on is an array to every operation."""
    _backends[backend.array_type] = backend
    array_types.add(backend.array_type)


follow: Callable[[Any], None] | None = None
"""Where several devices are in use: puts the device of an array, or of a Tensor, to use."""

keep_freed_memory()  # the one process-wide setting; see there how to leave it alone
NUMPY = NumpyBackend()
register(NUMPY)


_precision = "highest"


def matmul_precision() -> str:
    """How precisely products of float32 are to be computed on a device."""
    return _precision


def set_matmul_precision(precision: str) -> None:
    """Tell every backend, now and when it is made."""
    global _precision
    _precision = precision
    for backend in _backends.values():
        backend.set_matmul_precision(precision)


def backend_of(array: Any) -> Any:
    """The backend whose array this is. Raises TypeError for anything else."""
    try:
        return _backends[array.__class__]
    except KeyError:
        for array_type, backend in _backends.items():
            if isinstance(array, array_type):
                return backend
        if isinstance(array, np.generic):  # what NumPy makes of a 0-d array
            return NUMPY
        raise TypeError(f"expected an array, not {type(array).__name__}") from None


def backend_for(where: device) -> Any:
    """The backend that serves a device. Raises RuntimeError saying what is missing."""
    if where.type == "cpu":
        return NUMPY
    from .cupy_backend import load  # optional, and only on request

    return load(where)


class Composed(Exception):
    """A fused operation has no kernel for this backend: it runs as its ``plain`` composition."""


def PLAIN(*arguments: Any) -> Any:
    """Stands in a table of kernels for "compute ``plain`` instead"."""
    raise Composed


HOST = {"cupy": "host"}
"""``kernels=HOST``: a device has no such kernel. The operands are copied to the host, and the results back."""


class Kernels(dict[type, Callable[..., Any]]):
    """Array type -> the function that computes an operation on arrays of that type.

    Args:
        kernel: a NumPy function, found by name in other namespaces; or a Python function over
            arrays. One whose first parameter is ``xp`` is given the arrays' own namespace.
        others: kernels written for one backend, by its name (``{"cupy": function}``); "host" in a
            kernel's place has the host compute it.

    Attributes:
        host: the function for NumPy's arrays, once more: an attribute is found faster than an item.
    """

    host: Callable[..., Any]

    def __init__(self, kernel: Any, others: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.kernel = kernel
        self.others = others or {}
        self[NUMPY.array_type] = self._for(NUMPY)

    def __setitem__(self, array_type: type, kernel: Callable[..., Any]) -> None:
        super().__setitem__(array_type, kernel)
        if array_type is NUMPY.array_type:
            self.host = kernel

    def __missing__(self, array_type: type) -> Callable[..., Any]:
        for known, backend in _backends.items():
            if issubclass(array_type, known):
                adapted: Callable[..., Any] = backend.adapted(self._for(backend))
                self[array_type] = adapted
                return adapted
        if issubclass(array_type, np.generic):  # what NumPy makes of a 0-d array
            return self[NUMPY.array_type]
        raise TypeError(f"expected an array, not {array_type.__name__}")

    def _for(self, backend: Any) -> Any:
        kernel = self.others.get(backend.name, self.kernel)
        if kernel == "host":
            return backend.through_host(self[NUMPY.array_type])
        if isinstance(kernel, backend.function_types):
            return kernel
        if isinstance(kernel, NUMPY.function_types):
            return getattr(backend.xp, kernel.__name__)
        if parameters_of(kernel)[:1] == ("xp",):
            return _bind(kernel, backend.xp)
        return kernel


def parameters_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters, in order."""
    code = getattr(function, "__code__", None)
    if code is None or hasattr(function, "__wrapped__"):
        return tuple(inspect.signature(function).parameters)
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return names


def _bind(kernel: Callable[..., Any], xp: Any) -> Callable[..., Any]:
    return lambda *args: kernel(xp, *args)
