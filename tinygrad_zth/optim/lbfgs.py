"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph import enable_grad, no_grad
from ..ops.create import zeros
from ..ops.join import cat
from ..tensor import Tensor
from .arguments import check_lr
from .blocks import number
from .line_search import Point, strong_wolfe
from .optimizer import Optimizer, Params

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS (Nocedal & Wright, "Numerical optimization", 2006, algorithm 7.5): descent along the
    gradient times an inverse Hessian that the last steps tell of. One group of parameters.

    Args:
        params: parameters, or one group of them (see ``Optimizer``).
        lr: the length of a step, or where a line search begins.
        max_iter: iterations in one ``step``; max_eval: evaluations of the closure (default, 5/4 of that).
        tolerance_grad: done when no element of the gradient is larger.
        tolerance_change: done when neither the parameters nor the loss change by more.
        history_size: so many steps are remembered.
        line_search_fn: None, or "strong_wolfe".

    Raises:
        ValueError: a negative lr; several groups. RuntimeError: an unknown line search, in ``step``.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def _parameters(self) -> list[Tensor]:
        result: list[Tensor] = self.param_groups[0]["params"]
        return result

    def _gradient(self) -> Tensor:
        """All gradients as one vector; zeros for a parameter without one."""
        parts = []
        for p in self._parameters():
            if p.grad is None:
                parts.append(zeros(p.numel(), dtype=p.dtype, device=p.device))
            else:
                parts.append(p.grad.reshape(-1))
        return cat(parts)

    def _move(self, length: Any, direction: Tensor) -> None:
        at = 0
        for p in self._parameters():
            p.add_(direction[at : at + p.numel()].reshape(p.shape), alpha=number(length))
            at += p.numel()

    def _search(self, closure: Callable[..., Any], start: Point, t: Any, d: Tensor, most: int) -> tuple[Point, int]:
        params = self._parameters()
        kept = [p.clone() for p in params]

        def evaluate(length: Any) -> Point:
            self._move(length, d)
            loss = float(closure())
            gradient = self._gradient()
            for p, old in zip(params, kept, strict=True):
                p.copy_(old)
            return Point(length, loss, gradient, gradient.dot(d))

        # Its own tolerance, whatever the optimiser's is, as in PyTorch.
        return strong_wolfe(evaluate, start, t, d.abs().max(), most)

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Iterate until done, or ``max_iter`` times.

        Args:
            closure: computes the gradients anew and returns the loss; it is called many times.

        Returns:
            The loss at the beginning.
        """

        def with_graph() -> Any:
            with enable_grad():
                return closure()

        with no_grad():
            return self._iterate(with_graph)

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr, most = number(group["lr"]), group["max_eval"]
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        # There is one state only; it is kept with the first parameter.
        state = self.state[self._parameters()[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss = float(first)
        evaluations = 1
        state["func_evals"] += 1
        g = self._gradient()
        if g.abs().max() <= tolerance_grad:
            return first
        d, t = state.get("d"), state.get("t")
        before, loss_before = state.get("prev_flat_grad"), state.get("prev_loss")
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                d = -g
                state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            else:
                self._remember(state, g - before, d * t, group["history_size"])
                d = self._direction(state, g)
            before, loss_before = g.clone(), loss
            short: Any = 1.0 / g.abs().sum()
            t = min(1.0, short) * lr if state["n_iter"] == 1 else lr
            slope = g.dot(d)
            if slope > -tolerance_change:
                break
            if group["line_search_fn"] is not None:
                found, count = self._search(closure, Point(0, loss, g, slope), t, d, most - evaluations)
                t, loss, g = found.t, found.loss, found.gradient
                self._move(t, d)
            else:
                self._move(t, d)
                count = 0
                if iteration != group["max_iter"]:  # its loss would not be looked at
                    loss, count = float(closure()), 1
                    g = self._gradient()
            evaluations += count
            state["func_evals"] += count
            if evaluations >= most or g.abs().max() <= tolerance_grad:
                break
            if (d * t).abs().max() <= tolerance_change or abs(loss - loss_before) < tolerance_change:
                break
        state.update(d=d, t=t, prev_flat_grad=before, prev_loss=loss_before)
        return first

    @staticmethod
    def _remember(state: dict[str, Any], y: Tensor, s: Tensor, size: int) -> None:
        """Note how the gradient changed, y, over the last step, s, if the curvature is positive."""
        curvature = y.dot(s)
        if not curvature > 1e-10:
            return
        if len(state["old_dirs"]) == size:
            for name in ("old_dirs", "old_stps", "ro"):
                state[name].pop(0)
        state["old_dirs"].append(y)
        state["old_stps"].append(s)
        state["ro"].append(1.0 / curvature)
        state["H_diag"] = curvature / y.dot(y)

    @staticmethod
    def _direction(state: dict[str, Any], g: Tensor) -> Tensor:
        """The gradient times the inverse Hessian, negated: the two-loop recursion."""
        known = list(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True))
        q = -g
        shares = []
        for y, s, ro in reversed(known):
            share = s.dot(q) * ro
            q = q - y * share
            shares.append(share)
        r = q * state["H_diag"]
        for (y, s, ro), share in zip(known, reversed(shares), strict=True):
            r = r + s * (share - y.dot(r) * ro)
        result: Tensor = r
        return result
