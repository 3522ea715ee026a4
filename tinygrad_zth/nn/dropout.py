"""Dropout and its relatives: random zeros in training, nothing in evaluation."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    _function: str  # in nn.functional

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = getattr(F, self._function)(input, self.p, self.training, self.inplace)
        return result

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Elements are zero with probability p; the others are scaled by 1 / (1 - p)."""

    _function = "dropout"


class Dropout1d(_Dropout):
    """Whole channels of (N, C, L) are dropped."""

    _function = "dropout1d"


class Dropout2d(_Dropout):
    """Whole channels of (N, C, H, W) are dropped."""

    _function = "dropout2d"


class Dropout3d(_Dropout):
    """Whole channels of (N, C, D, H, W) are dropped."""

    _function = "dropout3d"


class AlphaDropout(_Dropout):
    """Dropout that keeps SELU's mean and variance (Klambauer et al. 2017)."""

    _function = "alpha_dropout"


class FeatureAlphaDropout(_Dropout):
    """AlphaDropout of whole channels."""

    _function = "feature_alpha_dropout"
