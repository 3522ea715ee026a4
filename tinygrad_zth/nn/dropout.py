"""Dropout and its relatives: random zeros in training, nothing in evaluation."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


def _layer(name: str, doc: str) -> type:
    function = {
        "Dropout": "dropout",
        "AlphaDropout": "alpha_dropout",
        "FeatureAlphaDropout": "feature_alpha_dropout",
    }.get(name, name.lower())

    def forward(self: Any, input: Tensor) -> Tensor:
        return getattr(F, function)(input, self.p, self.training, self.inplace)

    return type(name, (_Dropout,), {"__doc__": doc, "__module__": __name__, "forward": forward})


Dropout = _layer("Dropout", "Elements are zero with probability p; the others are scaled by 1 / (1 - p).")
Dropout1d = _layer("Dropout1d", "Whole channels of (N, C, L) are dropped.")
Dropout2d = _layer("Dropout2d", "Whole channels of (N, C, H, W) are dropped.")
Dropout3d = _layer("Dropout3d", "Whole channels of (N, C, D, H, W) are dropped.")
AlphaDropout = _layer("AlphaDropout", "Dropout that keeps SELU's mean and variance (Klambauer et al. 2017).")
FeatureAlphaDropout = _layer("FeatureAlphaDropout", "AlphaDropout of whole channels.")
