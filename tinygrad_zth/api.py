"""What ``import tinygrad_zth as torch`` offers: every public name, gathered from the rooms.

``__init__.py`` loads this file when something of the package is first used, and takes on ``PUBLIC``.
"""

# ruff: noqa: F401
from __future__ import annotations

import sys as _sys
from importlib import import_module as _import_module
from math import e, inf, nan, pi
from typing import Any as _Any

from . import (
    absent as _absent,
)
from . import (
    amp,
    autograd,
    backends,
    compiler,
    cuda,
    distributed,
    dtypes,
    func,
    jacobians,
    jit,
    linalg,
    nn,
    ops,
    random,
    special,
    types,
    version,
)
from . import function as _function
from .amp import GradScaler, autocast, get_autocast_dtype, is_autocast_cache_enabled, is_autocast_enabled
from .compiler import compile
from .cuda import amp as _cuda_amp
from .device import device, get_default_device, set_default_device
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
from .func import vmap
from .function import Function as _Function
from .function import once_differentiable as _once_differentiable
from .graph import (
    enable_grad,
    inference_mode,
    is_anomaly_enabled,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .nn import parallel as _parallel
from .nn.functional import torch_names as _torch_names
from .ops import return_types
from .printing import set_printoptions
from .settings import *  # noqa: F403
from .settings import is_multithreading_enabled as _is_multithreading_enabled
from .settings import set_multithreading_enabled as _set_multithreading_enabled
from .tensor import Size, Tensor
from .type_info import finfo, iinfo

newaxis = None


def _variable(*args: _Any, **kwargs: _Any) -> _Any:
    """Retired: ``torch.tensor``. Raises RuntimeError."""
    raise RuntimeError("torch.autograd.variable(...) is deprecated, use torch.tensor(...) instead")


# What PyTorch offers in one place, and this package defines in another.
vars(autograd).update(
    Function=_Function,
    Variable=ops.retired.Variable,
    is_multithreading_enabled=_is_multithreading_enabled,
    set_multithreading_enabled=_set_multithreading_enabled,
    variable=_variable,
    function=_function,
    functional=jacobians,
    once_differentiable=_once_differentiable,
)
vars(cuda)["amp"] = _cuda_amp
vars(nn)["parallel"] = _parallel
# PyTorch's paths to modules that stand elsewhere here.
_sys.modules[f"{__package__}.autograd.function"] = _function
_sys.modules[f"{__package__}.autograd.functional"] = jacobians
globals().update(ops.FUNCTIONS)
globals().update(_torch_names.FUNCTIONS)


# Names whose rooms are loaded when they are first asked for: the rooms.
LATER = {
    "load": "serialization", "optim": "optim", "profiler": "profiler", "save": "serialization", "testing": "testing",
    "utils": "utils",
}  # fmt: skip


def _later(room: str, name: str) -> _Any:
    module = _import_module(f".{room}", __package__)
    return module if name == room else getattr(module, name)


def _of_autograd(name: str) -> _Any:
    if name not in ("gradcheck", "gradgradcheck"):
        raise AttributeError(f"module {autograd.__name__!r} has no attribute {name!r}")
    return _later("testing", name)


vars(autograd)["__getattr__"] = _of_autograd


def otherwise(name: str) -> _Any:
    """A name that is not in ``PUBLIC``: loaded when first used, or an AttributeError that says why not."""
    if name in LATER or name in ("checkpoint", "viz"):
        found = vars(_sys.modules[__package__])[name] = _later(LATER.get(name, name), name)
        return found
    why = _absent.explanation(name)
    raise AttributeError(f"module 'torch' (tinygrad_zth) has no attribute '{name}'" + (f": {why}" if why else ""))


def _assert(condition: _Any, message: str) -> None:
    """Raise AssertionError with ``message`` unless ``condition``, as a function."""
    assert condition, message


PUBLIC = {
    k: v for k, v in globals().items() if not k.startswith("_") and k not in ("LATER", "annotations", "otherwise")
} | {"_assert": _assert}
