"""Resilient backpropagation."""

from __future__ import annotations

from typing import Any

from ..fused import optimizer_steps
from ..tensor import Tensor
from .arguments import check_lr
from .blocks import BlockOptimizer, Counts, Rule, number
from .optimizer import Params

__all__ = ["Rprop"]


class Rprop(BlockOptimizer):
    """Resilient backpropagation (Riedmiller & Braun 1993): of the gradient only the sign counts.

    An element's step is multiplied by ``etas[1]`` while the sign of its gradient stays, by ``etas[0]``
    where it changes; then the element stands still for a step.

    Args:
        params: parameters, or groups of them (see ``Optimizer``).
        lr: the size of the first step, a number or a one-element Tensor.
        etas: see above.
        step_sizes: the smallest step and the largest.
        maximize: ascend instead.
        capturable, foreach, differentiable: accepted; there is one implementation, and a step is not
            differentiable.

    Raises:
        ValueError: a value out of its range.
    """

    _later = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("prev", "step_size")

    def _initial(self, name: str, group: dict[str, Any]) -> float:
        return number(group["lr"]) if name == "step_size" else 0.0

    def _rule(self, xp: Any, group: dict[str, Any], first: bool, counts: Counts) -> Rule:
        counts["step"] += 1
        (eta_minus, eta_plus), (smallest, largest) = group["etas"], group["step_sizes"]
        return optimizer_steps.rprop(
            xp, eta_minus=eta_minus, eta_plus=eta_plus, smallest=smallest, largest=largest,
            maximize=group["maximize"],
        )  # fmt: skip
