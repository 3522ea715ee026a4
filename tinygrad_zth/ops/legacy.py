"""The typed constructors of PyTorch's first years: ``torch.FloatTensor(2, 3)``, ``torch.LongTensor([1, 2])``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..broadcasting import alias
from ..tensor import Size, Tensor, new_tensor
from ..types import Device
from .create import tensor

__all__ = ["FUNCTIONS", "METHODS"]


class _Typed(type):
    """``isinstance(t, torch.FloatTensor)`` asks for the dtype."""

    kind: dtypes.dtype

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.kind

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


def _define(kind: dtypes.dtype) -> type:
    name = f"{kind.legacy}Tensor"

    def make(cls: type, *data: Any, device: Device = None) -> Tensor:
        if len(data) == 1 and isinstance(data[0], Tensor):
            if data[0].dtype is not kind:
                raise TypeError(f"expected a tensor of dtype {kind} (got {data[0].dtype})")
            return alias(data[0])
        if len(data) == 1 and not isinstance(data[0], (int, Size)):
            values = np.asarray(data[0]) if isinstance(data[0], np.ndarray) else np.array(data[0])
            if values.dtype.kind not in "biuf":
                if not isinstance(data[0], (str, bytes)):
                    raise ValueError(f"too many dimensions '{values.dtype.type.__name__.removesuffix('_')}'")
                raise TypeError(f"{name}: data of type {type(data[0]).__name__} are no numbers")
            return tensor(values.astype(dtypes.to_numpy(kind)), device=device)
        shape = tuple(data[0]) if len(data) == 1 and isinstance(data[0], Size) else data or (0,)
        return new_tensor(np.zeros(shape, dtypes.to_numpy(kind)))

    doc = f"``{name}(2, 3)``: a tensor of this size and dtype {kind.name}; ``{name}(data)``: holding the data."
    return _Typed(name, (), {"kind": kind, "__new__": make, "__doc__": doc, "__module__": __name__})


FUNCTIONS = {f"{kind.legacy}Tensor": _define(kind) for kind in dtypes.ALL if kind.numpy is not None}
METHODS: dict[str, Any] = {}
