"""Adadelta."""

from __future__ import annotations

from typing import Any

from ..fused import adaptive_steps
from ..tensor import Tensor
from .arguments import check, check_lr
from .blocks import BlockOptimizer, Counts, Rule, number
from .optimizer import Params

__all__ = ["Adadelta"]


class Adadelta(BlockOptimizer):
    """Adadelta (Zeiler, "ADADELTA: an adaptive learning rate method", 2012).

    With v the average of g^2 and d that of the squared changes, each keeping ``rho`` of itself in a
    step, the change is ``sqrt(d + eps) / sqrt(v + eps) g``, and ``p = p - lr change``.

    Args:
        params: parameters, or groups of them (see ``Optimizer``).
        lr: what a change is multiplied by, a number or a one-element Tensor.
        rho, eps: see above.
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
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check(0.0 <= rho <= 1.0, "rho value", rho)
        check(0.0 <= eps, "epsilon value", eps)
        check(0.0 <= weight_decay, "weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def _rule(self, xp: Any, group: dict[str, Any], first: bool, counts: Counts) -> Rule:
        counts["step"] += 1
        return adaptive_steps.adadelta(
            xp, lr=number(group["lr"]), rho=number(group["rho"]), eps=number(group["eps"]),
            weight_decay=number(group["weight_decay"]), maximize=group["maximize"],
        )  # fmt: skip
