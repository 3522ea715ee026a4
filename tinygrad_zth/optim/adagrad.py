"""Adagrad."""

from __future__ import annotations

from typing import Any

from ..fused import adaptive_steps
from ..ops.create import full, full_like
from ..tensor import Tensor
from .arguments import check, check_lr, check_switches
from .blocks import BlockOptimizer, Counts, Rule, number
from .optimizer import Params

__all__ = ["Adagrad"]


class Adagrad(BlockOptimizer):
    """Adagrad (Duchi, Hazan & Singer, "Adaptive subgradient methods", JMLR 2011).

    ``s = s + g^2;  p = p - lr / (1 + (step - 1) lr_decay) g / (sqrt(s) + eps)``.

    Args:
        params: parameters, or groups of them (see ``Optimizer``).
        lr: learning rate, a number or a one-element Tensor.
        lr_decay: see above.
        weight_decay: times p is added to the gradient.
        initial_accumulator_value: what s begins as.
        eps: added to the denominator.
        maximize: ascend instead.
        foreach, differentiable, fused: accepted; there is one implementation, and a step is not
            differentiable.

    Raises:
        ValueError: a value out of its range.
    """

    _later = {"foreach": None, "maximize": False, "differentiable": False, "fused": None}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check(0.0 <= lr_decay, "lr_decay value", lr_decay)
        check(0.0 <= weight_decay, "weight_decay value", weight_decay)
        check(0.0 <= initial_accumulator_value, "initial_accumulator_value value", initial_accumulator_value)
        check(0.0 <= eps, "epsilon value", eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_switches(differentiable, foreach, fused)
        # As in PyTorch the states are there before the first step.
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = {
                    "step": full((), 0.0, device=p.device),
                    "sum": full_like(p.detach(), initial_accumulator_value),
                }

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("sum",)

    def _initial(self, name: str, group: dict[str, Any]) -> float:
        return number(group["initial_accumulator_value"])

    def _rule(self, xp: Any, group: dict[str, Any], first: bool, counts: Counts) -> Rule:
        rate = number(group["lr"]) / (1 + counts["step"] * group["lr_decay"])
        counts["step"] += 1
        return adaptive_steps.adagrad(
            xp, rate=rate, eps=number(group["eps"]), weight_decay=number(group["weight_decay"]),
            maximize=group["maximize"],
        )  # fmt: skip
