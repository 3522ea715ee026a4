"""What a tensor is in a file: its array and the few facts an array does not carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["TensorLeaf", "Unwrap", "Wrap", "leaf_of", "wrapped"]


@dataclass(frozen=True, slots=True)
class TensorLeaf:
    """A tensor taken apart.

    Attributes:
        array: its values, on the host.
        dtype: PyTorch's name of its dtype without ``torch.``. It differs from the array's where
            NumPy has no such type and ``array`` is a wider one (``"bfloat16"`` in a float32 array).
        requires_grad, parameter: whether it asks for a gradient, and is a Parameter.
        device: where it lived, ``"cpu"`` or ``"cuda:0"``.
    """

    array: np.ndarray
    dtype: str
    requires_grad: bool = False
    parameter: bool = False
    device: str = "cpu"


Wrap = Callable[[TensorLeaf], Any]
"""Makes the caller's tensor of a leaf, for reading."""

Unwrap = Callable[[Any], TensorLeaf | None]
"""Takes the caller's tensor apart, or gives None for any other object, for writing."""


def wrapped(leaf: TensorLeaf, wrap: Wrap | None) -> Any:
    """The caller's tensor, or the bare array where the caller gave no ``wrap``."""
    return leaf.array if wrap is None else wrap(leaf)


def leaf_of(value: Any, unwrap: Unwrap | None) -> TensorLeaf | None:
    """The parts of the caller's tensor; None for any other object, arrays included."""
    return None if unwrap is None or isinstance(value, np.ndarray) else unwrap(value)
