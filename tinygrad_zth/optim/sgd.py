"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ..fused import optimizer_steps
from ..tensor import Tensor
from .arguments import check, check_lr, check_switches
from .blocks import BlockOptimizer, Counts, Rule, number
from .optimizer import Params

__all__ = ["SGD"]


class SGD(BlockOptimizer):
    """Stochastic gradient descent, optionally with momentum (Sutskever et al., 2013).

    ``v = momentum v + (1 - dampening) g;  p = p - lr v``, where g is the gradient plus
    ``weight_decay p``; with ``nesterov``, ``p = p - lr (g + momentum v)``. In a parameter's first
    step v is g.

    Args:
        params: parameters, or groups of them (see ``Optimizer``).
        lr: learning rate, a number or a one-element Tensor.
        momentum, dampening, weight_decay, nesterov: as above.
        maximize: ascend instead.
        foreach, differentiable, fused: accepted; there is one implementation, and a step is not
            differentiable.

    Raises:
        ValueError: a value out of its range; nesterov without momentum or with dampening.
    """

    counters: dict[str, float] = {}

    _later = {"nesterov": False, "maximize": False, "foreach": None, "differentiable": False, "fused": False}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check(not momentum < 0.0, "momentum value", momentum)
        check(not weight_decay < 0.0, "weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_switches(differentiable, foreach, fused)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def _rule(self, xp: Any, group: dict[str, Any], first: bool, counts: Counts) -> Rule:
        return optimizer_steps.sgd(
            xp, lr=number(group["lr"]), momentum=number(group["momentum"]),
            dampening=number(group["dampening"]), weight_decay=number(group["weight_decay"]),
            nesterov=group["nesterov"], maximize=group["maximize"], first=first,
        )  # fmt: skip
