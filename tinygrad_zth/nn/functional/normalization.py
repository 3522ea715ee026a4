"""Normalisation: layer_norm, rms_norm, batch_norm, group_norm, instance_norm, local_response_norm."""

from __future__ import annotations

import math
from typing import Any

from ...backends import backend_of
from ...dtypes import of
from ...fused.batch_norm import Own, batch_statistics
from ...fused.batch_norm import batch_norm as _batch_norm
from ...fused.layer_norm import layer_norm as _layer_norm
from ...fused.layer_norm import rms_norm as _rms_norm
from ...fused.windows import Geometry, sum_windows
from ...ops.calling import shown_as
from ...refusal import on_one_device
from ...tensor import Tensor, new_tensor, storage_of
from .memory_order import lying_like

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Mean 0, variance 1 over the trailing dimensions ``normalized_shape``, then times weight plus bias.

    Raises RuntimeError if the trailing dimensions are others.
    """
    return _layer_norm(input, tuple(normalized_shape), weight, bias, eps)


def rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Divided by the root mean square over the trailing dimensions; eps None is the dtype's epsilon."""
    return _rms_norm(input, tuple(normalized_shape), weight, eps)


def _one_value(shape: tuple[int, ...]) -> None:
    if shape and shape[0] * math.prod(shape[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size torch.Size({list(shape)})"
        )


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(N, C, ...) normalised per channel: by the batch's statistics in training, else by the running ones.

    In training the running statistics, if given, move towards the batch's by ``momentum``, the
    variance with Bessel's correction. Raises ValueError for one value per channel in training,
    RuntimeError for running statistics that are missing or of another length.
    """
    shape = input._array.shape
    if training:
        _one_value(shape)
    if len(shape) < 2:
        raise RuntimeError(f"batch_norm: expected an input of at least 2 dimensions, got {list(shape)}")
    if input._array.dtype.kind != "f":
        raise NotImplementedError(f"\"batch_norm\" not implemented for '{of(input._array.dtype).legacy}'")
    for name, t in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        if t is not None and t._array.size != shape[1]:
            raise RuntimeError(f"{name} should contain {shape[1]} elements not {t._array.size}")
    arrays = (t._array for t in (input, running_mean, running_var, weight, bias) if t is not None)
    on_one_device("batch_norm", *arrays)
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when training=False")
        fixed = running_mean._array.copy(), running_var._array.copy()
        return lying_like(_batch_norm(input, weight, bias, *fixed, eps), input)
    if running_mean is not None or running_var is not None:
        n = math.prod(shape) // max(shape[1], 1)
        mean, var = batch_statistics(backend_of(input._array).xp, input._array)
        for running, now in ((running_mean, mean), (running_var, var * (n / (n - 1)))):
            if running is not None:
                running._array *= 1 - momentum
                running._array += momentum * now
                storage_of(running).version += 1
        return lying_like(_batch_norm(input, weight, bias, Own(mean, var), None, eps), input)
    return lying_like(_batch_norm(input, weight, bias, None, None, eps), input)


@shown_as("NativeGroupNormBackward0")
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(N, C, ...) normalised per sample in groups of C / num_groups channels; weight and bias (C,)."""
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {len(shape)}")
    if shape[1] % num_groups:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape {list(shape)} "
            f"and num_groups={num_groups}"
        )
    _one_value((shape[0] * shape[1] // num_groups, num_groups, *shape[2:]))
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and tuple(t.shape) != shape[1:2]:
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of "
                f"shape {list(t.shape)} and input of shape {list(shape)}"
            )
    grouped = input.reshape(shape[0], num_groups, math.prod(shape[1:]) // num_groups)
    out = _layer_norm(grouped, (grouped.shape[-1],), None, None, eps).reshape(shape)
    column = (1, -1, *(1,) * (len(shape) - 2))
    out = out if weight is None else out * weight.reshape(column)
    return lying_like(out if bias is None else out + bias.reshape(column), input)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(N, C, ...) normalised per sample and channel. Running statistics are means over the samples'."""
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    if math.prod(input.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    n, c = input.shape[:2]
    for name, t in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        if t is not None and t._array.size != c:
            raise RuntimeError(f"{name} should contain {n * c} elements not {n * t._array.size}")
    on_one_device(
        "instance_norm", *(t._array for t in (input, running_mean, running_var, weight, bias) if t is not None)
    )
    apart = input.reshape(1, n * c, *input.shape[2:])
    own = [
        None if r is None else new_tensor(r._array[None].repeat(n, 0).reshape(-1)) for r in (running_mean, running_var)
    ]
    out = batch_norm(apart, own[0], own[1], None, None, True, momentum, eps).reshape(input.shape)
    for running, all_ in ((running_mean, own[0]), (running_var, own[1])):
        if running is not None and all_ is not None:
            running._array[...] = all_._array.reshape(n, c).mean(0)
            storage_of(running).version += 1
    column = (1, -1, *(1,) * (input.dim() - 2))
    out = out if weight is None else out * weight.reshape(column)
    return out if bias is None else out + bias.reshape(column)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha * mean of x^2 over ``size`` neighbouring channels) ** beta; (N, C, ...)."""
    if input.dim() < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.dim()} dimensions)")
    if input.numel() == 0:
        return input
    if size < 1:
        raise RuntimeError(f"local_response_norm: size should be greater than zero, but got {size}")
    n, c = input.shape[:2]
    square = (input * input).reshape(n, 1, c, -1)
    # A window along the channels is one of two dimensions that is as wide as one element.
    geometry = Geometry((size, 1), (1, 1), (size // 2, 0), (1, 1), tuple(square.shape[2:]))
    mean = sum_windows(square, geometry).reshape(input.shape) * (1 / size)
    return input / (mean * alpha + k) ** beta
