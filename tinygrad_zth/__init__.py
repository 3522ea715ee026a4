"""tinygrad_zth: PyTorch's API on NumPy. ``import tinygrad_zth as torch``."""

from __future__ import annotations

from . import autograd, dtypes, ops
from .tensor import Size, Tensor

globals().update(ops.FUNCTIONS)
