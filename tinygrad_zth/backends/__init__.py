"""The array libraries under a tensor, behind one small interface.

A backend is chosen by the type of the array, once per call and without a question in the code:
an operation keeps a table from array type to kernel (:class:`Kernels`), and an array type that the
table has not seen yet asks its backend for the kernel (:func:`backend_of`). NumPy's backend is
always there; CuPy's registers its array type when it is first asked for by name ("cuda").

``cuda``, ``cudnn``, ``mkl`` and ``mps`` hold the switches that PyTorch's users know as ``torch.backends``.
"""

from __future__ import annotations

import inspect

import numpy as np

from ..device import device
from . import cuda, cudnn, mkl, mps
from .numpy_backend import NumpyBackend

__all__ = ["Kernels", "array_types", "backend_for", "backend_of", "cuda", "cudnn", "mkl", "mps", "register"]

_backends: dict[type, object] = {}
array_types: set[type] = set()


def register(backend) -> None:
    """Make ``backend`` known: its ``array_type`` from now on is an array to every operation."""
    _backends[backend.array_type] = backend
    array_types.add(backend.array_type)


NUMPY = NumpyBackend()
register(NUMPY)


def backend_of(array):
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


def backend_for(where: device):
    """The backend that serves a device. Raises RuntimeError saying what is missing."""
    if where.type == "cpu":
        return NUMPY
    from .cupy_backend import load  # optional, and only on request

    return load(where)


class Kernels(dict):
    """Array type -> the function that computes an operation on arrays of that type.

    Args:
        kernel: a NumPy function, found by name in other namespaces; or a Python function over
            arrays. One whose first parameter is ``xp`` is given the arrays' own namespace.
        others: kernels written for one backend, by its name (``{"cupy": function}``).
    """

    def __init__(self, kernel, others: dict | None = None):
        super().__init__()
        self.kernel = kernel
        self.others = others or {}
        self[NUMPY.array_type] = self._for(NUMPY)

    def __missing__(self, array_type):
        for known, backend in _backends.items():
            if issubclass(array_type, known):
                self[array_type] = kernel = self._for(backend)
                return kernel
        if issubclass(array_type, np.generic):  # what NumPy makes of a 0-d array
            return self[NUMPY.array_type]
        raise TypeError(f"expected an array, not {array_type.__name__}")

    def _for(self, backend):
        kernel = self.others.get(backend.name, self.kernel)
        if isinstance(kernel, backend.function_types):
            return kernel
        if isinstance(kernel, NUMPY.function_types):
            return getattr(backend.xp, kernel.__name__)
        if next(iter(inspect.signature(kernel).parameters), None) == "xp":
            return _bind(kernel, backend.xp)
        return kernel


def _bind(kernel, xp):
    return lambda *args: kernel(xp, *args)
