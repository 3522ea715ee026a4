"""Averages of a model's weights over training (Polyak & Juditsky 1992; Izmailov et al., "Averaging
weights leads to wider optima and better generalization", 2018)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

from ..dtypes import int64
from ..graph import no_grad
from ..nn import Module
from ..nn.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from ..ops.create import tensor
from ..tensor import Tensor
from .lr_scheduler.base import LRScheduler, Rate, per_group
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average = Callable[[Tensor, Tensor, Any], Tensor]
AverageOfAll = Callable[[list[Tensor], list[Tensor], Any], None]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """``decay * average + (1 - decay) * current``. Raises ValueError for a decay outside [0, 1]."""
    _check_decay(decay)

    def average(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        with no_grad():
            return decay * ema_param + (1 - decay) * current_param

    return average


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageOfAll:
    """``get_ema_avg_fn`` of many tensors, in place."""
    _check_decay(decay)

    def average(ema_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged: Any) -> None:
        with no_grad():
            for a, p in zip(ema_param_list, current_param_list, strict=True):
                a.copy_(a.lerp(p, 1 - decay) if a.is_floating_point() else a * decay + p * (1 - decay))

    return average


def get_swa_avg_fn() -> Average:
    """The mean of all that were averaged."""

    def average(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        with no_grad():
            result: Tensor = averaged_param + (current_param - averaged_param) / (num_averaged + 1)
            return result

    return average


def get_swa_multi_avg_fn() -> AverageOfAll:
    """``get_swa_avg_fn`` of many tensors, in place."""

    def average(averaged_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged: Any) -> None:
        with no_grad():
            share = float(1 / (num_averaged + 1))
            for a, p in zip(averaged_param_list, current_param_list, strict=True):
                a.copy_(a.lerp(p, share) if a.is_floating_point() else a + (p - a) * share)

    return average


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of those that ``update_parameters`` has seen.

    Args:
        model: is copied.
        device: where the copy is to be.
        avg_fn: ``(average, current, number averaged) -> average``; default, the mean of all.
        multi_avg_fn: ``(averages, currents, number averaged)``, in place, in its stead.
        use_buffers: whether buffers are averaged too; otherwise they are the model's last.

    Raises:
        AssertionError: both functions are given.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: AverageOfAll | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=int64, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the averages."""
        mine, theirs = (
            [p.detach() for p in (chain(m.parameters(), m.buffers()) if self.use_buffers else m.parameters())]
            for m in (self.module, model)
        )
        theirs = [p.to(a.device) for a, p in zip(mine, theirs, strict=True)]
        if int(self.n_averaged) == 0:
            for a, p in zip(mine, theirs, strict=True):
                a.copy_(p)
        elif self.multi_avg_fn is not None:
            alike: dict[Any, tuple[list[Tensor], list[Tensor]]] = {}
            for a, p in zip(mine, theirs, strict=True):
                averages, currents = alike.setdefault((str(a.device), a.dtype), ([], []))
                averages.append(a)
                currents.append(p)
            for averages, currents in alike.values():
                self.multi_avg_fn(averages, currents, self.n_averaged.to(averages[0].device))
        else:
            one = self.avg_fn or get_swa_avg_fn()
            for a, p in zip(mine, theirs, strict=True):
                a.copy_(one(a, p, self.n_averaged.to(a.device)))
        if not self.use_buffers:
            for own, last in zip(self.module.buffers(), model.buffers(), strict=True):
                own.detach().copy_(last.detach().to(own.device))
        self.n_averaged += 1


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of the model's BatchNorm layers anew, over the loader's batches:
    averages of weights have seen no data. A batch is the input, or a list that begins with it."""
    layers = [m for m in model.modules() if isinstance(m, BatchNorm1d | BatchNorm2d | BatchNorm3d)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    training = model.training
    model.train()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    with no_grad():
        for batch in loader:
            x = batch[0] if isinstance(batch, list | tuple) else batch
            model(x if device is None else x.to(device))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """From the rate there is to ``swa_lr`` in ``anneal_epochs`` epochs, and there it stays.

    Args:
        swa_lr: a number, or a list of one for each group.
        anneal_strategy: "cos" or "linear".

    Raises:
        ValueError: an unknown strategy; epochs that are negative or no integer.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for group, rate in zip(optimizer.param_groups, per_group(optimizer, "swa_lr", swa_lr), strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, epoch: int) -> float:
        """How much of ``swa_lr`` there is in the rate after so many epochs."""
        t = max(0.0, min(1.0, epoch / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[Rate]:
        """The rate of each group at ``last_epoch``; ``get_last_lr`` is for looking at them."""
        self._warn_if_called_by_hand()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            goal = group["swa_lr"]
            first = goal if before == 1 else (group["lr"] - before * goal) / (1 - before)
            rates.append(goal * now + first * (1 - now))
        return rates
