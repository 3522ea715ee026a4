"""Dropout: random zeros. The noise is drawn as PyTorch draws it, from the default generator."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ... import sampling
from ...backends import backend_of, counter
from ...fused.dropout import CountedMask, counted_dropout, made
from ...fused.dropout import dropout as _apply
from ...inplace import write_result
from ...tensor import Tensor, new_tensor

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "feature_dropout",
]


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _channels(input: Tensor) -> tuple[int, ...]:
    return (*input.shape[:2], *(1,) * (input.dim() - 2))


def _dropped(input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...] | None = None) -> Tensor:
    _check(p)
    if not training or p == 0 or input._array.size == 0:
        return input
    if p == 1:
        result = _apply(input, beside(input, input._array.dtype.type(0).reshape(())))
    else:
        result = _noisy(input, p, shape)
    return write_result(input, result, "dropout_") if inplace else result


def _noisy(input: Tensor, p: float, shape: tuple[int, ...] | None) -> Tensor:
    """``input`` times a mask of its own (or of ``shape``), drawn where ``input`` is."""
    if backend_of(input._array).draws_by_counter:
        if shape is None:
            return counted_dropout(input, p, *counter.stream.take(input.numel()))
        return _apply(input, mask_for(input, p, shape))
    noise = sampling.empty_like(input._array) if shape is None else _empty(shape, input)
    return _apply(input, beside(input, sampling.dropout_mask_(noise, p)))


def mask_for(t: Tensor, p: float, shape: tuple[int, ...]) -> Tensor:
    """A dropout mask of ``shape`` for ``t``: of its dtype, on its device, scaled by 1 / (1 - p)."""
    drawn = mask_to_make(t, p, shape)
    return drawn if isinstance(drawn, Tensor) else new_tensor(made(drawn, t._array))


def mask_to_make(t: Tensor, p: float, shape: tuple[int, ...]) -> Tensor | CountedMask:
    """``mask_for`` a kernel that makes the mask itself, where the device of ``t`` draws by a counter."""
    if backend_of(t._array).draws_by_counter:
        return CountedMask(p, *counter.stream.take(math.prod(shape)), tuple(shape))
    return beside(t, sampling.dropout_mask_(_empty(shape, t), p))


def beside(t: Tensor, drawn: np.ndarray) -> Tensor:
    """What was drawn, or found out, on the host, as a tensor on the device of ``t``."""
    return new_tensor(backend_of(t._array).asarray(drawn, where=t.device))


def _empty(shape: tuple[int, ...], input: Tensor) -> np.ndarray:
    return np.empty(shape, input._array.dtype)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability p and scale the others by 1 / (1 - p), in training only.

    Raises ValueError for p outside [0, 1].
    """
    return _dropped(input, p, training, inplace)


def feature_dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, ...)."""
    return _dropped(input, p, training, inplace, _channels(input))


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, L) or (C, L)."""
    _check(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input.")
    if input.dim() == 2:
        return feature_dropout(input.unsqueeze(0), p, training, inplace).squeeze(0)
    return feature_dropout(input, p, training, inplace)


def _odd(name: str, input: Tensor, spatial: int) -> None:
    warnings.warn(
        f"{name}: Received a {input.dim()}-D input to {name}, which is deprecated and will result in an error in a future "
        f"release. To retain the behavior and silence this warning, please use dropout instead. Note that {name} exists to "
        f"provide channel-wise dropout on inputs with {spatial} spatial dimensions, a channel dimension, and an optional "
        f"batch dimension (i.e. {spatial + 1}D or {spatial + 2}D inputs).",
        stacklevel=3,
    )


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, H, W). A 3-D input is (N, C, L), with a warning."""
    _check(p)
    if input.dim() == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired - "
            "input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a future "
            "release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain the 1D "
            "channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    elif input.dim() != 4:
        _odd("dropout2d", input, 2)
    return feature_dropout(input, p, training, inplace)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    _check(p)
    if input.dim() not in (4, 5):
        _odd("dropout3d", input, 3)
    if input.dim() == 4:
        return feature_dropout(input.unsqueeze(0), p, training, inplace).squeeze(0)
    return feature_dropout(input, p, training, inplace)


_ALPHA = 1.7580993408473766  # SELU's saturation, scale * alpha, negated


def _alpha(input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...]) -> Tensor:
    _check(p)
    if not training or p == 0 or input._array.size == 0:
        return input
    if p == 1:
        return input * 0
    keep = _empty(shape, input)
    sampling.bernoulli_(keep, 1 - p)
    a = ((_ALPHA**2 * p + 1) * (1 - p)) ** -0.5
    kept = beside(input, keep)
    b = (kept - 1) * (_ALPHA * a) + _ALPHA * a * p
    result = input * (kept * a) + b
    return write_result(input, result, "alpha_dropout_") if inplace else result


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout to SELU's negative saturation that keeps mean and variance (Klambauer et al. 2017)."""
    return _alpha(input, p, training, inplace, input.shape)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """``alpha_dropout`` of whole channels."""
    return _alpha(input, p, training, inplace, _channels(input))
