"""Adam."""

from __future__ import annotations

from typing import Any

from ..fused import optimizer_steps
from ..tensor import Tensor
from .arguments import check, check_betas, check_lr, check_switches
from .blocks import BlockOptimizer, Counts, Rule, number
from .optimizer import Params

__all__ = ["Adam"]


class Adam(BlockOptimizer):
    """Adam (Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015).

    Moving averages m of the gradient and v of its square, both corrected for starting at 0:
    ``p = p - lr m' / (sqrt(v') + eps)``.

    Args:
        params: parameters, or groups of them (see ``Optimizer``).
        lr: learning rate, a number or a one-element Tensor.
        betas: decay rates of m and of v, both floats or both one-element Tensors.
        eps: added to the denominator.
        weight_decay: times p is added to the gradient.
        amsgrad: divide by the largest v so far (Reddi, Kale & Kumar, "On the convergence of Adam
            and beyond", ICLR 2018).
        maximize: ascend instead.
        decoupled_weight_decay: as AdamW does, shrink p itself by ``lr * weight_decay`` instead.
        foreach, capturable, differentiable, fused: accepted; there is one implementation, and a
            step is not differentiable.

    Raises:
        ValueError: a value out of its range.
    """

    _later = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "fused": None,
        "decoupled_weight_decay": False,
    }

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        for name, value in {"lr": lr, "betas[0]": betas[0], "betas[1]": betas[1]}.items():
            if isinstance(value, Tensor) and foreach and not capturable:
                raise ValueError(f"{name} as a Tensor is not supported for capturable=False and foreach=True")
        check_lr(lr)
        check(0.0 <= eps, "epsilon value", eps)
        check_betas(betas)
        check(0.0 <= weight_decay, "weight_decay value", weight_decay)
        if not (all(isinstance(b, float) for b in betas) or all(isinstance(b, Tensor) for b in betas)):
            raise ValueError("betas must be either both floats or both Tensors")
        for i, b in enumerate(betas):
            if isinstance(b, Tensor) and b.numel() != 1:
                raise ValueError(f"Tensor betas[{i}] must be 1-element")
        defaults = {
            "lr": lr,
            "betas": tuple(number(b) for b in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_switches(differentiable, foreach, fused)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")[: 3 if group["amsgrad"] else 2]

    def _rule(self, xp: Any, group: dict[str, Any], first: bool, counts: Counts) -> Rule:
        counts["step"] += 1
        beta1, beta2 = group["betas"]
        return optimizer_steps.adam(
            xp, lr=number(group["lr"]), beta1=number(beta1), beta2=number(beta2),
            eps=number(group["eps"]), weight_decay=number(group["weight_decay"]),
            decoupled=group["decoupled_weight_decay"], amsgrad=group["amsgrad"],
            maximize=group["maximize"], step=counts["step"],
        )  # fmt: skip
