"""How a loss per element or per sample becomes one number: ``reduction``, and PyTorch's retired ways to say it."""

from __future__ import annotations

import warnings

from ...tensor import Tensor

__all__: list[str] = []


def reduction_of(reduction: str, size_average: bool | None = None, reduce: bool | None = None, *more: str) -> str:
    """The reduction, also from the two retired arguments, with a warning.

    Raises ValueError for one that is not "mean", "sum", "none" or in ``more``.
    """
    if size_average is not None or reduce is not None:
        averaged = size_average is None or size_average
        reduction = "none" if reduce is False else "mean" if averaged else "sum"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=3,
        )
    if reduction not in ("mean", "sum", "none", *more):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The mean or the sum of the losses, or ("none") all of them."""
    if reduction == "mean":
        return losses.mean()
    return losses.sum() if reduction == "sum" else losses
