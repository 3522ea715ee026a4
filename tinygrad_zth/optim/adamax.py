"""Adamax."""

from __future__ import annotations

from typing import Any

from ..fused import adaptive_steps
from ..tensor import Tensor
from .arguments import check, check_betas, check_lr
from .blocks import BlockOptimizer, Counts, Rule, number
from .optimizer import Params

__all__ = ["Adamax"]


class Adamax(BlockOptimizer):
    """Adamax (Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 2): Adam
    with the largest gradient of late in place of the root of the average square.

    Args:
        params: parameters, or groups of them (see ``Optimizer``).
        lr: learning rate, a number or a one-element Tensor.
        betas: decay rates of the average and of the largest value.
        eps: added to the gradient's absolute value.
        weight_decay: times p is added to the gradient.
        maximize: ascend instead.
        foreach, capturable, differentiable: accepted; there is one implementation, and a step is not
            differentiable.

    Raises:
        ValueError: a value out of its range.
    """

    _later = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check(0.0 <= eps, "epsilon value", eps)
        check_betas(betas)
        check(0.0 <= weight_decay, "weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def _rule(self, xp: Any, group: dict[str, Any], first: bool, counts: Counts) -> Rule:
        counts["step"] += 1
        beta1, beta2 = group["betas"]
        return adaptive_steps.adamax(
            xp, lr=number(group["lr"]), beta1=number(beta1), beta2=number(beta2), eps=number(group["eps"]),
            weight_decay=number(group["weight_decay"]), maximize=group["maximize"], step=counts["step"],
        )  # fmt: skip
