"""tinygrad_zth: PyTorch's API on NumPy. ``import tinygrad_zth as torch``."""

from __future__ import annotations

from . import autograd, cuda, dtypes, linalg, nn, ops, optim, special, testing, utils
from .device import device
from .dtypes import (
    bfloat16,
    bool,
    can_cast,
    double,
    dtype,
    float,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    int,
    int8,
    int16,
    int32,
    int64,
    long,
    promote_types,
    set_default_dtype,
    short,
    uint8,
)
from .function import Function as _Function
from .function import once_differentiable as _once_differentiable
from .graph import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .nn.functional import dropout, layer_norm, log_softmax, relu, softmax
from .ops import return_types
from .serialization import load, save
from .tensor import Size, Tensor
from .version import __version__

autograd.Function = _Function
autograd.gradcheck, autograd.gradgradcheck = testing.gradcheck, testing.gradgradcheck
autograd.once_differentiable = _once_differentiable
globals().update(ops.FUNCTIONS)
