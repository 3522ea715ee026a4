"""Learning rate schedulers: what sets ``group["lr"]`` from epoch to epoch."""

from __future__ import annotations

from .base import LRScheduler
from .cosine import CosineAnnealingLR
from .lambdas import LambdaLR, MultiplicativeLR

__all__ = ["CosineAnnealingLR", "LRScheduler", "LambdaLR", "MultiplicativeLR"]
