"""Adam for gradients that PyTorch alone has."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from .arguments import check_value
from .matrices import MatrixOptimizer
from .optimizer import Params

__all__ = ["SparseAdam"]


class SparseAdam(MatrixOptimizer):
    """Adam for sparse gradients, which there are none of: ``step`` raises RuntimeError, as PyTorch's does for dense ones.

    Args:
        params: parameters, or groups of them (see ``Optimizer``).
        lr, betas, eps, maximize: Adam's.

    Raises:
        ValueError: a value out of its range.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check_value(not isinstance(lr, Tensor) or lr.numel() == 1, "Tensor lr must be 1-element")
        check_value(bool(0.0 < lr), f"Invalid learning rate: {lr}")
        check_value(0.0 < eps, f"Invalid epsilon value: {eps}")
        for i, beta in enumerate(betas):
            check_value(0.0 <= beta < 1.0, f"Invalid beta parameter at index {i}: {beta}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def _update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
