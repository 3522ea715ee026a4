"""Rates that go up and down again, with the momentum going the other way (Smith, "Cyclical learning
rates for training neural networks", 2017; Smith & Topin, "Super-convergence", 2018)."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, Rate, per_group, set_group_value

__all__ = ["CyclicLR", "OneCycleLR"]


class _WithMomentum(LRScheduler):
    """What both share: the momentum, which is ``momentum`` or the first of the ``betas``."""

    cycle_momentum: bool
    use_beta1: bool

    def _begin_momentum(self, low: Any, high: Any, last_epoch: int) -> tuple[list[Rate], list[Rate]]:
        """Note the ends of the momentum's range in the groups, and begin at the upper one."""
        optimizer = self.optimizer
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        self.use_beta1 = "betas" in optimizer.defaults
        lows, highs = per_group(optimizer, "base_momentum", low), per_group(optimizer, "max_momentum", high)
        if last_epoch == -1:
            self._set_momentums(highs)
            for group, a, b in zip(optimizer.param_groups, lows, highs, strict=True):
                group["max_momentum"], group["base_momentum"] = b, a
        return lows, highs

    def _set_momentums(self, values: list[Rate]) -> None:
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            if self.use_beta1:
                group["betas"] = (value, *group["betas"][1:])
            else:
                group["momentum"] = value


class CyclicLR(_WithMomentum):
    """From ``base_lr`` up to ``max_lr`` and down again, over and over; one ``step`` a batch.

    Args:
        base_lr, max_lr: a number, or a list of one for each group.
        step_size_up, step_size_down: steps up and steps down (default, as many).
        mode: "triangular"; "triangular2": each cycle half as high; "exp_range": the height times
            ``gamma`` to the number of the step.
        scale_fn, scale_mode: a function that the height is multiplied by, in place of ``mode``, of the
            number of the cycle ("cycle") or of the step ("iterations").
        cycle_momentum: whether the momentum goes from ``max_momentum`` down to ``base_momentum`` as the
            rate goes up.
        last_epoch: see ``LRScheduler``; of the last step.

    Raises:
        ValueError: an unknown mode; a list of the wrong length; no momentum to cycle.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Any,
        max_lr: Any,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.8,
        max_momentum: Any = 0.9,
        last_epoch: int = -1,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        base_lrs = per_group(optimizer, "base_lr", base_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                set_group_value(group, "lr", lr)
        self.max_lrs = per_group(optimizer, "max_lr", max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode, self.gamma = mode, gamma
        self._scale_fn_custom, self.scale_mode = scale_fn, scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """What the height of a cycle is multiplied by."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return float(1 / 2.0 ** (x - 1) if self.mode == "triangular2" else self.gamma**x)

    def get_lr(self) -> list[Rate]:
        """The rate of each group at ``last_epoch``; the momentums are set on the way."""
        self._warn_if_called_by_hand()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)

        def between(start: Rate, end: Rate) -> Rate:
            at = cycle if self.scale_mode == "cycle" else self.last_epoch
            return start + (end - start) * height * self.scale_fn(at)

        if self.cycle_momentum:
            pairs = zip(self.max_momentums, self.base_momentums, strict=True)
            self._set_momentums([between(high, low) for high, low in pairs])
        return [between(low, high) for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser and a plain ``scale_fn``; of a callable object, its attributes."""
        state = super().state_dict()
        fn = state.pop("_scale_fn_custom")
        keep = fn is not None and not isinstance(fn, types.FunctionType)
        state["_scale_fn_custom"] = fn.__dict__.copy() if keep else None
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where that scheduler stood; a callable object takes up the attributes."""
        rest = dict(state_dict)
        attributes = rest.pop("_scale_fn_custom")
        super().load_state_dict(rest)
        if attributes is not None:
            self._scale_fn_custom.__dict__.update(attributes)


class OneCycleLR(_WithMomentum):
    """Up to ``max_lr`` once, and far down: the whole run is one cycle; one ``step`` a batch.

    The rate begins at ``max_lr / div_factor`` and ends at that divided by ``final_div_factor``.

    Args:
        max_lr: a number, or a list of one for each group.
        total_steps: in the run; or ``epochs`` and ``steps_per_epoch``.
        pct_start: the part of the run in which the rate goes up.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: whether the momentum goes from ``max_momentum`` down to ``base_momentum`` as the
            rate goes up, and back.
        three_phase: down to the first rate as fast as it went up, and only then to the last.
        last_epoch: see ``LRScheduler``; of the last step.

    Raises:
        ValueError: a value out of its range; no momentum to cycle; more steps than there were to be.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        rise = float(pct_start * self.total_steps) - 1
        phases = [(rise, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
        if three_phase:
            fall = float(2 * pct_start * self.total_steps) - 2
            phases.append((fall, "max_lr", "initial_lr", "base_momentum", "max_momentum"))
            phases.append((self.total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"))
        else:
            phases.append((self.total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"))
        names = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
        self._schedule_phases: list[dict[str, Any]] = [dict(zip(names, phase, strict=True)) for phase in phases]
        self._anneal_func_type = anneal_strategy
        max_lrs = per_group(optimizer, "max_lr", max_lr)
        if last_epoch == -1:
            for group, highest in zip(optimizer.param_groups, max_lrs, strict=True):
                group["initial_lr"], group["max_lr"] = highest / div_factor, highest
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _between(self, start: Rate, end: Rate, done: float) -> Rate:
        if self._anneal_func_type == "linear":
            return (end - start) * done + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * done) + 1)

    def get_lr(self) -> list[Rate]:
        """The rate of each group at ``last_epoch``; the momentums are set on the way."""
        self._warn_if_called_by_hand()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"Tried to step {step} times. The specified number of total steps is {self.total_steps}")
        begun = 0.0
        for phase in self._schedule_phases:
            if step <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            begun = phase["end_step"]
        done = (step - begun) / (phase["end_step"] - begun)
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            ends = [(g[phase["start_momentum"]], g[phase["end_momentum"]]) for g in groups]
            self._set_momentums([self._between(a, b, done) for a, b in ends])
        return [self._between(g[phase["start_lr"]], g[phase["end_lr"]], done) for g in groups]


def _total_steps(total: int | None, epochs: int | None, per_epoch: int | None) -> int:
    given = {"total_steps": total} if total is not None else {"epochs": epochs, "steps_per_epoch": per_epoch}
    if None in given.values():
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    for name, value in given.items():
        if not isinstance(value, int) or value <= 0:
            raise ValueError(f"Expected positive integer {name}, but got {value}")
    return math.prod(given.values())  # type: ignore[arg-type]
