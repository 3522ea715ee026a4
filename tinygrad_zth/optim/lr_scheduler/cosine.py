"""Rates that follow a cosine (Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm
restarts", ICLR 2017)."""

from __future__ import annotations

import math

from ..optimizer import Optimizer
from .base import PerGroupLR, Rate

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


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


class CosineAnnealingWarmRestarts(PerGroupLR):
    """From the first rate down to ``eta_min`` along half a cosine, in ``T_0`` epochs; then again from
    the first rate, each time in ``T_mult`` times as many. ``step`` also takes fractions of epochs.

    Raises ValueError for ``T_0`` or ``T_mult`` that are no positive integers, or a negative epoch.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, float | int):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}")
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: Rate, base_lr: Rate, i: int) -> Rate:
        swing = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return self.eta_min + (base_lr - self.eta_min) * swing / 2

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch, or to ``epoch``, which may be a fraction, and set its rates."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        elif epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:  # after n whole cycles, T_0 (1 + T_mult + ... + T_mult^(n - 1)) epochs
            n = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**n
        self.last_epoch = math.floor(epoch)
        self._get_lr_called_within_step = True
        try:
            rates = self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._set(rates)
