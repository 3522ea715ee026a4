"""``torch.finfo`` and ``torch.iinfo``: the limits of the element types."""

from __future__ import annotations

import numpy as np

from . import dtypes
from .dtypes import dtype as dtype_type

__all__ = ["finfo", "iinfo"]

# bfloat16 is the upper half of a float32: 8 bits of exponent, 8 of precision.
_BFLOAT16 = {"bits": 16, "eps": 2.0**-7, "max": (2 - 2.0**-7) * 2.0**127, "tiny": 2.0**-126, "resolution": 1e-2}


class finfo:
    """What a floating-point type can hold: ``bits eps max min tiny smallest_normal resolution dtype``.

    Raises TypeError for a type that is not floating point.
    """

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")

    def __init__(self, type: dtype_type | None = None) -> None:
        kind = dtypes.get_default_dtype() if type is None else type
        if not isinstance(kind, dtype_type):
            raise TypeError(f"finfo(): argument 'type' (position 1) must be torch.dtype, not {kind.__class__.__name__}")
        if not kind.is_floating_point:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
            )
        if kind.numpy is None:
            values = _BFLOAT16
        else:
            info = np.finfo(kind.numpy)
            values = {"bits": info.bits, "eps": info.eps, "max": info.max, "tiny": info.tiny}
            values["resolution"] = info.resolution
        self.dtype = kind.name
        self.bits = int(values["bits"])
        self.eps, self.max, self.tiny = (float(values[name]) for name in ("eps", "max", "tiny"))
        self.min, self.smallest_normal = -self.max, self.tiny
        self.resolution = float(f"{float(values['resolution']):.0e}")

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{name}={getattr(self, name):.6g}' for name in names)}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype


class iinfo:
    """What an integer type can hold: ``bits min max dtype``. Raises TypeError for any other type."""

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: dtype_type) -> None:
        if not isinstance(type, dtype_type):
            raise TypeError(f"iinfo(): argument 'type' (position 1) must be torch.dtype, not {type.__class__.__name__}")
        if type.is_floating_point:
            raise TypeError("torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'")
        if type is dtypes.bool:
            raise TypeError('"bool" is not supported by torch.iinfo')
        info = np.iinfo(type.numpy)
        self.dtype, self.bits, self.min, self.max = type.name, info.bits, int(info.min), int(info.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:.6g}, max={self.max:.6g}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype
