"""How layers make their parameters: uninitialised memory, filled by ``reset_parameters``."""

from __future__ import annotations

from typing import Any

from ..ops.create import empty, ones, zeros
from .parameter import Parameter

__all__ = ["empty_parameter", "ones_parameter", "zeros_parameter"]


def empty_parameter(*shape: int, device: Any = None, dtype: Any = None) -> Parameter:
    """A parameter over uninitialised memory."""
    return Parameter(empty(shape, device=device, dtype=dtype))


def ones_parameter(*shape: int, device: Any = None, dtype: Any = None) -> Parameter:
    """A parameter of ones."""
    return Parameter(ones(shape, device=device, dtype=dtype))


def zeros_parameter(*shape: int, device: Any = None, dtype: Any = None) -> Parameter:
    """A parameter of zeros."""
    return Parameter(zeros(shape, device=device, dtype=dtype))
