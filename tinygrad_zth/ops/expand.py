"""Dimensions of size 1 repeated without a copy: the window that broadcasting looks through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from ..broadcasting import alias, expand_to
from ..tensor import Tensor
from .view import named_sizes, sizes_of

__all__ = ["FUNCTIONS", "METHODS", "broadcast_to", "expand"]


@overload
def expand(input: Tensor, size: Sequence[int], *, implicit: bool = False) -> Tensor: ...
@overload
def expand(input: Tensor, *size: int, implicit: bool = False) -> Tensor: ...
def expand(input: Tensor, *sizes: Any, implicit: bool = False, **named: Any) -> Tensor:
    """Dimensions of size 1 repeated without a copy; -1 leaves a size as it is.

    Raises RuntimeError where a size other than 1 would have to change.
    """
    if named:
        sizes = named_sizes("expand", "size", sizes, named)
    sizes, shape = sizes_of(sizes), input._array.shape
    lead = len(sizes) - len(shape)
    if lead < 0:
        raise RuntimeError(
            f"expand(torch.{input.dtype.legacy}Tensor{{{list(shape)}}}, size={list(sizes)}): the number of sizes provided "
            f"({len(sizes)}) must be greater or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    target: Any = []
    for i, n in enumerate(sizes):
        have = shape[i - lead] if i >= lead else 1
        if n == -1 and i < lead:
            raise RuntimeError(
                f"expand: The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
            )
        if n != -1 and have not in (1, n):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({have}) at non-singleton "
                f"dimension {i}.  Target sizes: {list(sizes)}.  Tensor sizes: {list(shape)}"
            )
        target.append(have if n == -1 else n)
    target = tuple(target)
    return alias(input) if target == shape else expand_to(input, target)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """``input`` expanded to ``size``."""
    return expand(input, *size)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` expanded to ``other``'s shape. Raises RuntimeError as ``expand`` does."""
    return expand(input, *other._array.shape)


FUNCTIONS = {"broadcast_to": broadcast_to}
METHODS = {"broadcast_to": broadcast_to, "expand": expand, "expand_as": expand_as}
