"""Momentum, made orthogonal."""

from __future__ import annotations

import math
from typing import Any

from ..ops.addmm import addmm
from ..tensor import Tensor
from .arguments import check_value
from .blocks import number
from .matrices import MatrixOptimizer
from .optimizer import Params

__all__ = ["Muon"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(MatrixOptimizer):
    """Muon (K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024), for matrices.

    The step is the momentum with its singular values brought near 1, by a few iterations of Newton and Schulz:
    ``x = a x + (b g + c g g) x`` with ``g = x x^T``. All other parameters want another optimiser. PyTorch iterates in
    bfloat16; here it is in the gradient's own dtype.

    Args:
        params: matrices, or groups of them (see ``Optimizer``).
        lr: learning rate, a number or a one-element Tensor.
        weight_decay: the parameter is first scaled by 1 - lr * weight_decay.
        momentum: of the running average of gradients.
        nesterov: step along the gradient and the average.
        ns_coefficients: (a, b, c) above.
        eps: the norm that the momentum is divided by is at least this.
        ns_steps: iterations.
        adjust_lr_fn: None or "original", the learning rate times sqrt(max(1, rows / columns)), or "match_rms_adamw",
            times 0.2 sqrt(max(rows, columns)) (Liu et al., "Muon is scalable for LLM training", 2025).

    Raises:
        ValueError: a value out of its range, or a parameter that is no matrix.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = _COEFFICIENTS,
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        self.check_rate(lr)
        check_value(0.0 <= momentum, f"momentum should be >= 0 but is: {momentum}")
        check_value(0.0 <= weight_decay, f"weight decay should be >= 0 but is: {weight_decay}")
        check_value(
            adjust_lr_fn in (None, "original", "match_rms_adamw"),
            f"Adjust learning rate function {adjust_lr_fn} is not supported",
        )
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for p in self._params():
            check_value(
                p.dim() == 2, f"Muon only supports 2D parameters whereas we found a parameter with size: {p.shape}"
            )

    def _update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = grad.new_zeros(grad.shape)
        average, momentum = state["momentum_buffer"], group["momentum"]
        average.lerp_(grad, 1 - momentum)
        direction = grad.lerp(average, momentum) if group["nesterov"] else average
        direction = _orthogonal(direction, group["ns_coefficients"], group["ns_steps"], group["eps"])
        lr, (rows, columns) = number(group["lr"]), p.shape
        p.mul_(1 - lr * group["weight_decay"])
        if group["adjust_lr_fn"] == "match_rms_adamw":
            scale = 0.2 * math.sqrt(max(rows, columns))
        else:
            scale = math.sqrt(max(1, rows / columns))
        p.add_(direction, alpha=-lr * scale)


def _orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """U V^T of the singular value decomposition U S V^T, about: singular values between 0.7 and 1.2."""
    check_value(steps < 100, "Number of steps must be less than 100 for computational efficiency")
    check_value(len(coefficients) == 3, "Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = addmm(x, addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
