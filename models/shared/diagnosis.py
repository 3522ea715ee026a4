"""Where a loss or a gradient first ceased to be a finite number."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tinygrad_zth as torch
from tinygrad_zth import nn


class NotFiniteError(RuntimeError):
    """Training came to a loss or a gradient that is NaN or infinite."""


def is_finite(t: torch.Tensor) -> bool:
    """Whether every element is a finite number."""
    return not t.is_floating_point() or bool(torch.isfinite(t).all())


def first_not_finite(model: nn.Module, step: Callable[[], torch.Tensor]) -> str:
    """Says which parameter or operation the trouble began with.

    step: the forward and the backward pass that gave it, to be run again: it returns the loss.
    The forward pass is watched module by module, the backward pass by anomaly mode.
    """
    for name, p in model.named_parameters():
        if not is_finite(p):
            return f"the parameter {name} was already not finite before this step"
    found: list[str] = []
    try:
        with _watched(model, found), torch.autograd.detect_anomaly():
            loss = step()
    except RuntimeError as error:
        return found[0] if found else _in_one_line(str(error))
    if found:
        return found[0]
    if not is_finite(loss):
        return f"its operation is {_operation(loss)}; what every module gave it was finite"
    for name, p in model.named_parameters():
        if p.grad is not None and not is_finite(p.grad):
            return f"the gradient of the parameter {name} is infinite"
    return "the gradients are finite one by one, but their norm is not"


def _in_one_line(report: str) -> str:
    """What anomaly mode says, and of its traceback the innermost line."""
    what, _, traceback = report.strip().partition(", called here:")
    places = re.findall(r'File "(.*)", line (\d+)', traceback)
    return f"{what}, at {places[-1][0]}:{places[-1][1]}" if places else what.replace("\n", " ")


@contextmanager
def _watched(model: nn.Module, found: list[str]) -> Iterator[None]:
    """Notes in ``found`` each module whose output is not finite, the innermost first."""

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            for t in output if isinstance(output, tuple) else (output,):
                if isinstance(t, torch.Tensor) and not is_finite(t):
                    where = f"{name} ({type(module).__name__})" if name else type(module).__name__
                    found.append(f"the first output that is not finite is that of {where}, ")
                    found[-1] += f"made by {_operation(t)}"

        return look

    handles = [module.register_forward_hook(watch(name)) for name, module in model.named_modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _operation(t: torch.Tensor) -> str:
    return "an operation without gradient" if t.grad_fn is None else t.grad_fn.name()
