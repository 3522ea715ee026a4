"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ..fused import optimizer_steps
from ..tensor import Tensor
from .arguments import check, check_lr
from .blocks import BlockOptimizer, Counts, Rule, counter_dtype, number
from .optimizer import Params

__all__ = ["ASGD"]


class ASGD(BlockOptimizer):
    """Averaged stochastic gradient descent (Polyak & Juditsky 1992; rates as in Bottou's).

    ``p = (1 - lambd eta) p - eta g`` with ``eta = lr / (1 + lambd lr t)^alpha``; the state ``ax`` is the
    average of p from step ``t0`` on.

    Args:
        params: parameters, or groups of them (see ``Optimizer``).
        lr: learning rate, a number or a one-element Tensor.
        lambd, alpha, t0: see above.
        weight_decay: times p is added to the gradient.
        maximize: ascend instead.
        foreach, differentiable, capturable: accepted; there is one implementation, and a step is not
            differentiable.

    Raises:
        ValueError: a value out of its range.
    """

    counters = {"step": 0.0, "eta": 0.0, "mu": 1.0}

    _later = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check(0.0 <= weight_decay, "weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def counters_of(self, group: dict[str, Any]) -> dict[str, float]:
        return {**self.counters, "eta": float(counter_dtype()(number(group["lr"])))}

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("ax",)

    def _rule(self, xp: Any, group: dict[str, Any], first: bool, counts: Counts) -> Rule:
        lr, lambd = number(group["lr"]), number(group["lambd"])
        rule = optimizer_steps.asgd(
            xp, eta=counts["eta"], lambd=lambd, mu=counts["mu"], weight_decay=number(group["weight_decay"]),
            maximize=group["maximize"],
        )  # fmt: skip
        step = counts["step"] = counts["step"] + 1
        # Both by way of the default dtype, as PyTorch computes them, whatever type they are kept in.
        kind = counter_dtype()
        counts["eta"] = float(kind(lr / (1 + lambd * lr * step) ** group["alpha"]))
        counts["mu"] = float(kind(1 / max(1, step - group["t0"])))
        return rule
