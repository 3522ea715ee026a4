"""Rates that follow a cosine (Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm
restarts", ICLR 2017)."""

from __future__ import annotations

import math

from ..optimizer import Optimizer
from .base import PerGroupLR, Rate

__all__ = ["CosineAnnealingLR"]


class CosineAnnealingLR(PerGroupLR):
    """From the first rate down to ``eta_min`` in ``T_max`` epochs, along half a cosine, and up
    again after that.

    Written as a recursion on the current rate, so that it composes with other schedulers.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: Rate, base_lr: Rate, i: int) -> Rate:
        epoch, half, low = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return lr
        if self._step_count == 1 and epoch > 0:
            return self._closed(base_lr)
        if (epoch - 1 - half) % (2 * half) == 0:  # leaving the bottom, where the ratio is 0 / 0
            return lr + (base_lr - low) * (1 - math.cos(math.pi / half)) / 2
        here, before = (1 + math.cos(math.pi * e / half) for e in (epoch, epoch - 1))
        return here / before * (lr - low) + low

    def _closed(self, base_lr: Rate) -> Rate:
        swing = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        return self.eta_min + (base_lr - self.eta_min) * swing / 2

    def _get_closed_form_lr(self) -> list[Rate]:
        return [self._closed(base) for base in self.base_lrs]
