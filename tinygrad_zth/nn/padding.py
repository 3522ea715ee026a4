"""Padding as layers: zeros, a constant, reflections, copies of the edge, and wrapping around."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
    "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _Pad(Module):
    _n: int  # spatial dimensions
    _mode = "constant"
    value: float = 0.0

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * 2 * self._n

    def forward(self, input: Tensor) -> Tensor:
        if self._mode == "constant":
            return F.pad(input, self.padding, "constant", self.value)
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _CircularPad(_Pad):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (self._n + 1, self._n + 2):
            raise ValueError(f"expected {self._n + 1}D or {self._n + 2}D input (got {input.dim()}D input)")
        return super().forward(input)


class ConstantPad1d(_ConstantPad):
    """``value`` around (N, C, L) or (C, L).

    padding: an int for both sides, or (left, right).
    """

    _n = 1


class ConstantPad2d(_ConstantPad):
    """``value`` around (N, C, H, W) or (C, H, W). padding: an int, or (left, right, top, bottom)."""

    _n = 2


class ConstantPad3d(_ConstantPad):
    """``value`` around (N, C, D, H, W) or (C, D, H, W).

    padding: an int, or (left, right, top, bottom, front, back).
    """

    _n = 3


class ZeroPad1d(_Pad):
    """``ConstantPad1d`` of zeros."""

    _n = 1


class ZeroPad2d(_Pad):
    """``ConstantPad2d`` of zeros."""

    _n = 2


class ZeroPad3d(_Pad):
    """``ConstantPad3d`` of zeros."""

    _n = 3


class ReflectionPad1d(_Pad):
    """Mirrored at the edge, which is not repeated. Shapes and padding as of ``ConstantPad1d``."""

    _n, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Mirrored at the edge, which is not repeated. Shapes and padding as of ``ConstantPad2d``."""

    _n, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Mirrored at the edge, which is not repeated. Shapes and padding as of ``ConstantPad3d``."""

    _n, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Copies of the edge. Shapes and padding as of ``ConstantPad1d``."""

    _n, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Copies of the edge. Shapes and padding as of ``ConstantPad2d``."""

    _n, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Copies of the edge. Shapes and padding as of ``ConstantPad3d``."""

    _n, _mode = 3, "replicate"


class CircularPad1d(_CircularPad):
    """What is at the other side. Shapes and padding as of ``ConstantPad1d``; ValueError for other shapes."""

    _n = 1


class CircularPad2d(_CircularPad):
    """What is at the other side. Shapes and padding as of ``ConstantPad2d``; ValueError for other shapes."""

    _n = 2


class CircularPad3d(_CircularPad):
    """What is at the other side. Shapes and padding as of ``ConstantPad3d``; ValueError for other shapes."""

    _n = 3
