"""RMSprop."""

from __future__ import annotations

from typing import Any

from ..fused import adaptive_steps
from ..tensor import Tensor
from .arguments import check, check_lr
from .blocks import BlockOptimizer, Counts, Rule, number
from .optimizer import Params

__all__ = ["RMSprop"]


class RMSprop(BlockOptimizer):
    """RMSprop (Tieleman & Hinton 2012): the gradient divided by the root of the average of its square.

    ``v = alpha v + (1 - alpha) g^2;  p = p - lr g / (sqrt(v) + eps)``.

    Args:
        params: parameters, or groups of them (see ``Optimizer``).
        lr: learning rate, a number or a one-element Tensor.
        alpha: how much of v stays in a step.
        eps: added to the denominator.
        weight_decay: times p is added to the gradient.
        momentum: if positive, steps are added up, decaying by this factor.
        centered: v less the square of the average of g is the variance that is divided by.
        maximize: ascend instead.
        capturable, foreach, differentiable: accepted; there is one implementation, and a step is not
            differentiable.

    Raises:
        ValueError: a value out of its range.
    """

    _later = {
        "momentum": 0,
        "centered": False,
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check(0.0 <= eps, "epsilon value", eps)
        check(0.0 <= momentum, "momentum value", momentum)
        check(0.0 <= weight_decay, "weight_decay value", weight_decay)
        check(0.0 <= alpha, "alpha value", alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        names = ["square_avg"]
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        return tuple(names)

    def _rule(self, xp: Any, group: dict[str, Any], first: bool, counts: Counts) -> Rule:
        counts["step"] += 1
        return adaptive_steps.rmsprop(
            xp, lr=number(group["lr"]), alpha=number(group["alpha"]), eps=number(group["eps"]),
            weight_decay=number(group["weight_decay"]), momentum=number(group["momentum"]),
            centered=group["centered"], maximize=group["maximize"],
        )  # fmt: skip
