"""The step of optimisers that look at a parameter as a whole (a matrix), one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph import enable_grad, no_grad
from ..tensor import Tensor
from .arguments import check_value
from .optimizer import Optimizer

__all__ = ["MatrixOptimizer"]


class MatrixOptimizer(Optimizer):
    """An optimiser that says what to do with one parameter."""

    @staticmethod
    def check_rate(lr: float | Tensor) -> None:
        """Raises ValueError for a learning rate that is negative, or a Tensor of several."""
        check_value(not isinstance(lr, Tensor) or lr.numel() == 1, "Tensor lr must be 1-element")
        check_value(bool(0.0 <= lr), f"Learning rate should be >= 0 but is: {lr}")

    def _update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the gradients anew and returns the loss; it is called first.

        Returns:
            What the closure returned; None without one.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self._update(p, p.grad, self.state[p], group)
        return loss
