"""The words that signatures use: ``torch.types``.

What the engine computes with has no type that mypy could check: an array is NumPy's or CuPy's, and a
gradient formula is given arrays in a normal backward pass and Tensors under ``create_graph``. These are
``Any``, by names that say which; what a user sees (Tensors, numbers, sizes) is typed as what it is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import EllipsisType
from typing import IO, TYPE_CHECKING, Any, SupportsIndex, TypeAlias, Union

import numpy as np

from .device import device

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["Array", "Device", "FileLike", "Index", "Namespace", "Number", "Operand", "Sizes", "Value"]

Number: TypeAlias = int | float | bool
"""A number of Python's."""

Device: TypeAlias = device | str | int | None
"""What names a device; None is the processor, or for ``to`` no change."""

FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
"""A file's path, or the open file."""

Operand: TypeAlias = Union["Tensor", Number, np.ndarray[Any, Any], np.generic]
"""What an operator takes on its other side."""

Index: TypeAlias = Union[
    SupportsIndex, slice, EllipsisType, "Tensor", np.ndarray[Any, Any], list[Any], tuple[Any, ...], None
]
"""What ``x[...]`` takes: ints, slices, None, ``...``, index tensors and masks, and tuples of them."""

Sizes: TypeAlias = int | Sequence[int]
"""One int for every dimension, or one for each."""

Array: TypeAlias = Any
"""``numpy.ndarray``, ``cupy.ndarray``, or a NumPy scalar where a result has no dimensions."""

Namespace: TypeAlias = Any
"""The module of an array's functions: ``numpy`` or ``cupy``."""

Value: TypeAlias = Any
"""An Array or a Tensor: what a formula computes with, and operations take."""
