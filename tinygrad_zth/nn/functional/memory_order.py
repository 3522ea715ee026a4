"""How the results of layers for images lie in memory: as PyTorch's, which decides which ``view`` of them is possible."""

from __future__ import annotations

from ...storage import channels_are_last, in_channels_last
from ...tensor import Tensor

__all__ = ["lying_like"]


def lying_like(result: Tensor, input: Tensor, volumes: bool = True) -> Tensor:
    """``result``, just computed from ``input``: with its channels last where ``input`` has them, else in C order.

    Without ``volumes``, what has three dimensions of space is in C order.
    """
    array = result._array
    if result is input or result._view is not None:
        return result
    if (volumes or array.ndim < 5) and not input._array.flags.c_contiguous and channels_are_last(input._array):
        result._array = in_channels_last(array)
    elif not array.flags.c_contiguous:
        result._array = array.copy("C")
    return result
