"""What all schedulers share: counting epochs, and setting the groups' learning rates."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ...ops.copy import clone
from ...tensor import Tensor
from ..optimizer import Optimizer

__all__ = ["EPOCH_DEPRECATION_WARNING", "LRScheduler", "PerGroupLR", "group_values", "per_group", "set_group_value"]

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from None, the closed form "
    "is used instead of the new chainable form, where available."
)

Rate = float | Tensor
"""A learning rate: a float, or a one-element Tensor if that is what the group has."""


def group_values(optimizer: Optimizer, name: str) -> list[Rate]:
    """The option ``name`` of each group; of a Tensor a copy. KeyError if a group lacks it."""
    return [_copied(group[name]) for group in optimizer.param_groups]


def set_group_value(group: dict[str, Any], name: str, value: Rate) -> None:
    """Set an option; where it is a Tensor, in place."""
    if isinstance(group[name], Tensor):
        group[name].fill_(float(value))
    else:
        group[name] = value


def per_group(optimizer: Optimizer, name: str, value: Any) -> list[Any]:
    """``value`` once for each group, or the list that was given.

    Raises ValueError if the list is not as long as there are groups.
    """
    n = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [_copied(value) for _ in range(n)]
    if len(value) != n:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {n}."
        )
    return [_copied(v) for v in value]


def _copied(value: Any) -> Any:
    return clone(value.detach()) if isinstance(value, Tensor) else value


class LRScheduler:
    """Base class: subclasses define ``get_lr``, the groups' rates at ``self.last_epoch``.

    Making a scheduler sets the rates of its first epoch. ``group["initial_lr"]`` keeps the rate
    the group had before.

    Args:
        optimizer: whose groups' ``"lr"`` is set.
        last_epoch: the last epoch done, when a run is taken up again; -1 at the start.

    Raises:
        TypeError: not an Optimizer.
        KeyError: ``last_epoch`` is given, but the groups have no ``initial_lr``.
    """

    _get_lr_called_within_step = False
    _is_initial = False
    _last_lr: list[Rate]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                    "scheduler with last_epoch >= 0. Load the optimizer's state first, or leave "
                    "last_epoch at -1"
                )
        self.base_lrs: list[Rate] = group_values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        if not hasattr(optimizer, "_has_scheduler"):  # steps before there was one do not count
            optimizer._has_scheduler, optimizer._opt_called = True, False  # type: ignore[attr-defined]
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[Rate]:
        """The rate of each group at ``last_epoch``; ``get_last_lr`` is for looking at them."""
        raise NotImplementedError

    def get_last_lr(self) -> list[Rate]:
        """The rates that the last step set."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch (after the optimiser's step) and set its rates.

        ``epoch``: go to that one instead; deprecated, as in PyTorch, and warned of.
        """
        if self._step_count == 1 and not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. "
                "In PyTorch 1.1.0 and later, you should call them in the opposite order: "
                "`optimizer.step()` before `lr_scheduler.step()`.  Failure to do this "
                "will result in PyTorch skipping the first value of the learning rate schedule.",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed: Callable[..., Any] | None = getattr(self, "_get_closed_form_lr", None)
            rates = self.get_lr() if epoch is None or closed is None else closed()
        finally:
            self._get_lr_called_within_step = False
        self._set(rates)

    def _set(self, rates: Sequence[Rate]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_group_value(group, "lr", rate)
        self._last_lr = group_values(self.optimizer, "lr")

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser, by name."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the scheduler stood that ``state_dict`` is of."""
        self.__dict__.update(state_dict)

    def _warn_if_called_by_hand(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )


class PerGroupLR(LRScheduler):
    """A scheduler whose rule is one formula for each group.

    ``_next(lr, base_lr, i)`` is the rate of group ``i`` at ``last_epoch``, from the rate it has now
    (which another scheduler, or the user, may have set) and the one it began with.
    """

    def _next(self, lr: Rate, base_lr: Rate, i: int) -> Rate:
        raise NotImplementedError

    def get_lr(self) -> list[Rate]:
        """The rate of each group at ``last_epoch``; ``get_last_lr`` is for looking at them."""
        self._warn_if_called_by_hand()
        now = zip(group_values(self.optimizer, "lr"), self.base_lrs, strict=True)
        return [self._next(lr, base, i) for i, (lr, base) in enumerate(now)]
