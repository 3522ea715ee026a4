"""What the optimisers' arguments have in common: checks in PyTorch's words."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor

__all__ = ["check", "check_betas", "check_lr", "check_switches", "check_value"]


def check(good: bool, what: str, value: Any) -> None:
    """Raise ValueError ``Invalid <what>: <value>`` unless ``good``."""
    if not good:
        raise ValueError(f"Invalid {what}: {value}")


def check_value(good: bool, message: str) -> None:
    """Raise ValueError with this message unless ``good``."""
    if not good:
        raise ValueError(message)


def check_lr(lr: Any) -> None:
    """Raise ValueError for a negative (or NaN) learning rate, or a Tensor of several elements."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    check(bool(0.0 <= lr), "learning rate", lr)


def check_betas(betas: Any) -> None:
    """Raise ValueError unless both decay rates are in [0, 1)."""
    for i in (0, 1):
        check(bool(0.0 <= betas[i] < 1.0), f"beta parameter at index {i}", betas[i])


def check_switches(differentiable: bool, foreach: bool | None, fused: bool | None) -> None:
    """Raise RuntimeError for the combinations that PyTorch refuses."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
