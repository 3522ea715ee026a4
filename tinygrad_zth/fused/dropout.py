"""dropout: keep each element with probability 1 - p and scale it by 1 / (1 - p) (Srivastava et al. 2014).

In ``dropout`` the mask is drawn by the caller from the random stream (``sampling``) and carries the scale, so that this is
a product whose second factor has no gradient. ``counted_dropout`` makes it itself, from a counter (``backends.counter``):
what a device does. It is linear and its own adjoint, so the gradient is the same operation, and nothing is kept.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..backends import backend_of, counter
from ..backends.cuda_source import CudaSource, contiguous, cuda_kernel, number
from ..operation import Applied, op
from ..types import Array

__all__ = ["CountedMask", "counted_dropout", "dropout", "made"]

SOURCE = CudaSource(__file__, "dropout.cu", before=("philox.cuh",))
_THREADS = 256


def _apply(x: Array, noise: Array) -> Array:
    return x * noise


def plain(x: Any, noise: Any) -> Any:
    """The definition."""
    return x * noise


dropout = op(_apply, name="dropout", grad_name="MulBackward0", tensors=("noise",), x=lambda g, noise: g * noise)


def _threshold(p: float) -> int:
    """Of 2^24 equally likely numbers, how many mean "drop"."""
    return math.floor(p * 2**24)


def _by_counter(x: Array, p: float, seed: int, offset: int) -> Array:
    """x (any shape), p in (0, 1); the mask runs through x in C order, whatever its layout."""
    drop = (counter.words(seed, offset, x.size) >> np.uint32(8)) < _threshold(p)
    scale = x.dtype.type(1 / (1 - p))
    return np.where(drop.reshape(x.shape), x.dtype.type(0), x * scale)


@cuda_kernel
def _cuda_by_counter(x: Any, p: float, seed: int, offset: int) -> Any:
    xp = backend_of(x).xp
    x = contiguous(x)
    y = xp.empty(x.shape, x.dtype)
    arguments = (
        x, y, np.int64(x.size), np.uint32(_threshold(p)), number(1 / (1 - p), x.dtype.char), np.uint64(seed),
        np.uint64(offset),
    )  # fmt: skip
    SOURCE.launch(xp, "dropout", x.dtype.char, (-(-x.size // (4 * _THREADS)),), _THREADS, arguments)
    return y


counted_dropout: Applied = op(
    _by_counter,
    name="counted_dropout",
    grad_name="NativeDropoutBackward0",
    kernels={"cupy": _cuda_by_counter},
    x=lambda g, p, seed, offset: counted_dropout(g, p, seed, offset),
)


class CountedMask(NamedTuple):
    """Dropout's mask by a counter before it is made: what a kernel needs that makes it number by number.

    It is ``counted_dropout`` of ones of this shape.
    """

    p: float
    seed: int
    offset: int
    shape: tuple[int, ...]

    @property
    def threshold(self) -> int:
        """Of 2^24 equally likely numbers, how many mean "drop"."""
        return _threshold(self.p)

    @property
    def kept(self) -> float:
        """What a number that is kept is multiplied by."""
        return 1 / (1 - self.p)


def made(noise: Any, like: Array) -> Any:
    """A mask that is yet to be made as an array of the dtype and on the device of ``like``; anything else as it is."""
    if not isinstance(noise, CountedMask):
        return noise
    backend = backend_of(like)
    ones = backend.made("ones", noise.shape, like.dtype, where=backend.device_of(like))
    return counted_dropout(ones, noise.p, noise.seed, noise.offset)
