"""``torch.utils.tensorboard``: ``SummaryWriter``, which writes TensorBoard's event files by way of tensorboardX.

The library is imported when the name is asked for, and not before. Tensors may be given wherever it takes arrays.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..tensor import Tensor


def _array_of(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.item() if value.dim() == 0 else value.numpy(force=True)
    if isinstance(value, dict):
        return {key: _array_of(v) for key, v in value.items()}
    return value


def _with_arrays(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(self, *[_array_of(a) for a in args], **{name: _array_of(a) for name, a in kwargs.items()})

    return call


@functools.cache
def _writer() -> type:
    try:
        import tensorboardX
    except ImportError as error:
        raise ImportError(
            "torch.utils.tensorboard.SummaryWriter writes with tensorboardX, which is not installed. It comes with "
            "the extra 'tensorboard': pip install 'tinygrad_zth[tensorboard]'"
        ) from error
    base = tensorboardX.SummaryWriter
    methods = {name: _with_arrays(getattr(base, name)) for name in dir(base) if name.startswith("add_")}
    return type("SummaryWriter", (base,), {**methods, "__module__": __name__, "__doc__": base.__doc__})


def __getattr__(name: str) -> Any:
    if name == "SummaryWriter":
        return _writer()
    raise AttributeError(f"module 'torch.utils.tensorboard' has no attribute '{name}'")
