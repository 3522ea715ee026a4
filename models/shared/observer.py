"""Whoever watches a training run: what is called, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .trainer import Trainer


class Observer:
    """Base of what watches :meth:`models.shared.trainer.Trainer.fit`; each method does nothing.

    A forward hook that an observer sets in :meth:`begin` and removes in :meth:`end` sees activations.
    Figures are those of metrics.csv: train_loss, val_loss, lr, grad_norm, tokens_per_s.
    """

    def begin(self, trainer: Trainer) -> None:
        """Training begins, or goes on at ``trainer.step``."""

    def backward(self, trainer: Trainer) -> None:
        """The gradients of a step are in the parameters (clipped), which have not moved yet."""

    def after_step(self, trainer: Trainer, figures: dict[str, Any]) -> None:
        """The optimiser has moved the parameters; ``trainer.step`` steps are done."""

    def evaluation(self, trainer: Trainer, figures: dict[str, Any]) -> None:
        """``figures["val_loss"]`` was computed; nothing was saved yet."""

    def end(self, trainer: Trainer) -> None:
        """The run is over: done, stopped (``trainer.stop``), or ended by an error. Called in any case."""
