"""A BatchNorm in evaluation is linear: with the layer before it, it makes one layer."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from ...tensor import Tensor
from ..linear import Linear
from ..module import Module
from ..parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]

Layer = TypeVar("Layer", bound=Module)


def fuse_conv_bn_eval(conv: Layer, bn: Module, transpose: bool = False) -> Layer:
    """A copy of ``conv`` that does what ``bn(conv(x))`` does; ``transpose``: it is a transposed convolution.

    Raises AssertionError unless both are in evaluation and ``bn`` has running statistics.
    """
    return _fused(conv, bn, fuse_conv_bn_weights, transpose)


def fuse_linear_bn_eval(linear: Linear, bn: Module) -> Linear:
    """A copy of ``linear`` that does what ``bn(linear(x))`` does.

    Raises AssertionError unless both are in evaluation, of one size (or ``bn`` of size 1), and ``bn`` has running statistics.
    """
    assert not (linear.training or bn.training), "Fusion only for eval!"
    assert linear.out_features == bn.num_features or bn.num_features == 1, (
        "To fuse, linear.out_features == bn.num_features or bn.num_features == 1"
    )
    return _fused(linear, bn, fuse_linear_bn_weights)


def _fused(layer: Layer, bn: Module, weights: Any, *options: bool) -> Layer:
    assert not (layer.training or bn.training), "Fusion only for eval!"
    assert bn.running_mean is not None and bn.running_var is not None, (
        "bn.running_mean and bn.running_var must not be None"
    )
    fused = copy.deepcopy(layer)
    fused.weight, fused.bias = weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, *options
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor, conv_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float, bn_w: Tensor | None,
    bn_b: Tensor | None, transpose: bool = False,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of the convolution that has the BatchNorm with these statistics and parameters in it."""
    shape = (1, -1) if transpose else (-1, 1)
    return _scaled(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, (*shape, *[1] * (conv_w.dim() - 2)))


def fuse_linear_bn_weights(
    linear_w: Tensor, linear_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float, bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of the linear layer that has the BatchNorm with these statistics and parameters in it."""
    return _scaled(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, (-1, 1))


def _scaled(
    weight: Tensor, bias: Tensor | None, mean: Tensor, variance: Tensor, eps: float, gain: Tensor | None,
    shift: Tensor | None, shape: tuple[int, ...],
) -> tuple[Parameter, Parameter]:  # fmt: skip
    scale = (variance + eps).rsqrt()
    scale = scale if gain is None else scale * gain
    moved = (-mean if bias is None else bias - mean) * scale
    moved = moved if shift is None else moved + shift
    fused = (weight * scale.reshape(shape)).to(weight.dtype)
    return Parameter(fused.detach(), weight.requires_grad), Parameter(
        moved.detach(), weight.requires_grad if bias is None else bias.requires_grad
    )
