"""RAdam."""

from __future__ import annotations

from typing import Any

from ..fused import adaptive_steps
from ..tensor import Tensor
from .arguments import check, check_betas, check_lr
from .blocks import BlockOptimizer, Counts, Rule, number
from .optimizer import Params

__all__ = ["RAdam"]


class RAdam(BlockOptimizer):
    """RAdam (Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020): Adam
    that begins with momentum alone and then takes up the adaptive rate as its variance allows.

    Args:
        params: parameters, or groups of them (see ``Optimizer``).
        lr: learning rate, a number or a one-element Tensor.
        betas: decay rates of the averages of g and of g^2.
        eps: added to the denominator.
        weight_decay: times p is added to the gradient.
        decoupled_weight_decay: as AdamW does, shrink p itself by ``lr * weight_decay`` instead.
        maximize: ascend instead.
        foreach, capturable, differentiable: accepted; there is one implementation, and a step is not
            differentiable.

    Raises:
        ValueError: a value out of its range.
    """

    _later = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _rule(self, xp: Any, group: dict[str, Any], first: bool, counts: Counts) -> Rule:
        counts["step"] += 1
        beta1, beta2 = group["betas"]
        return adaptive_steps.radam(
            xp, lr=number(group["lr"]), beta1=number(beta1), beta2=number(beta2), eps=number(group["eps"]),
            weight_decay=number(group["weight_decay"]), decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"], step=counts["step"],
        )  # fmt: skip
