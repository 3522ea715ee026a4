"""Adam's second moment in the memory of a row and a column."""

from __future__ import annotations

import math
from typing import Any

from ..ops.create import zeros
from ..tensor import Tensor
from ..type_info import finfo
from .arguments import check_value
from .blocks import number
from .matrices import MatrixOptimizer
from .optimizer import Params

__all__ = ["Adafactor"]


class Adafactor(MatrixOptimizer):
    """Adafactor (N. Shazeer and M. Stern, "Adafactor: Adaptive learning rates with sublinear memory cost", 2018).

    Of a matrix's squared gradients the running means over rows and over columns are kept; their product estimates the
    rest. The step is clipped to a root mean square of ``d``, and its size is relative to the parameter's.

    Args:
        params: parameters, or groups of them (see ``Optimizer``).
        lr: the largest relative step, a number or a one-element Tensor; it falls with 1 / sqrt(step).
        beta2_decay: the averages' decay is 1 - step^beta2_decay.
        eps: the least variance (None, the dtype's own eps; it is squared), and the least size of a parameter.
        d: the clipping threshold.
        weight_decay: the parameter is first scaled by 1 - lr * weight_decay.
        foreach: accepted; there is one implementation.
        maximize: ascend instead.

    Raises:
        ValueError: a value out of its range.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        self.check_rate(lr)
        check_value(0.0 >= beta2_decay, f"beta2_decay should be <= 0 but is: {beta2_decay}")
        check_value(eps[0] is None or 0.0 <= eps[0], f"epsilon1 should be >= 0 but is: {eps[0]}")
        check_value(0.0 <= eps[1], f"epsilon2 should be >= 0 but is: {eps[1]}")
        check_value(1.0 <= d, f"Clipping threshold d should be >= 1 but is: {d}")
        check_value(0.0 <= weight_decay, f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        grad = -grad if group["maximize"] else grad
        if not state:
            self._begin(grad, state)
        state["step"] += 1
        step, lr, (least, size) = state["step"].item(), number(group["lr"]), group["eps"]
        least = finfo(p.dtype).eps if least is None else least
        weight = step ** group["beta2_decay"]
        # Of the parameter as it was before it decays.
        alpha = max(size, p.norm().item() / math.sqrt(p.numel() or 1)) * min(lr, 1 / math.sqrt(step))
        if group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        variance = _variance(grad, state, weight, least)
        update = variance.clamp(min=least * least).rsqrt() * grad
        excess = update.norm().item() / (math.sqrt(update.numel() or 1) * group["d"])
        p.add_(update, alpha=-alpha / max(1.0, excess))

    def _begin(self, grad: Tensor, state: dict[str, Any]) -> None:
        state["step"] = zeros(())
        if grad.dim() > 1:
            state["row_var"] = grad.new_zeros((*grad.shape[:-1], 1))
            state["col_var"] = grad.new_zeros((*grad.shape[:-2], 1, grad.shape[-1]))
        else:
            state["variance"] = grad.new_zeros(grad.shape)


def _variance(grad: Tensor, state: dict[str, Any], weight: float, least: float) -> Tensor:
    """The averages taken forward, and the estimate of the squared gradients that they give."""
    if grad.dim() < 2:
        kept: Tensor = state["variance"].lerp_(grad * grad, weight)
        return kept
    rows, columns = state["row_var"], state["col_var"]
    rows.lerp_(grad.square().mean(-1, keepdim=True), weight)
    columns.lerp_(grad.square().mean(-2, keepdim=True), weight)
    estimate: Tensor = rows @ columns / rows.mean(-2, keepdim=True).clamp(min=least)
    return estimate
