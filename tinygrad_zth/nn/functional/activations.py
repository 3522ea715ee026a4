"""Activation functions: each an entry, value and derivative side by side."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ... import sampling
from ...backends import backend_of
from ...dtypes import dtype as dtype_type
from ...dtypes import of
from ...fused.gelu import gelu as _gelu_op
from ...fused.softmax import log_softmax as _log_softmax_op
from ...fused.softmax import softmax as _softmax_op
from ...inplace import apply_in_place, write_result
from ...operation import Applied, op
from ...ops.activations import relu as _relu_op
from ...ops.calling import shown_as
from ...ops.compare import pick
from ...ops.elementwise import sigmoid, tanh
from ...ops.powers import exp
from ...ops.view import dim_of
from ...refusal import on_one_device
from ...tensor import Tensor, new_tensor
from ...types import Array, Namespace, Value
from .dropout import beside

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid",
    "hardswish", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "log_softmax", "logsigmoid",
    "mish", "prelu", "relu", "relu6", "relu_", "rrelu", "rrelu_", "selu", "selu_", "sigmoid", "silu",
    "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold",
    "threshold_",
]  # fmt: skip


# What PyTorch calls its kernels, in the message for a dtype that they do not know.
_KERNELS = {
    "softmax": "softmax_lastdim_kernel_impl",
    "log_softmax": "log_softmax_lastdim_kernel_impl",
    "gelu": "GeluKernelImpl",
}


def _floating(input: Tensor, name: str) -> None:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    if input._array.dtype.kind != "f":
        kernel = _KERNELS.get(name, f"{name}_cpu")
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{of(input._array.dtype).legacy}'")


def _numeric(input: Tensor, name: str) -> None:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    if input._array.dtype.kind == "b":
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'")


def _apply(operation: Applied, input: Tensor, *parameters: Any, inplace: bool = False) -> Tensor:
    """The operation's result, or ``input`` itself, changed to be it."""
    _floating(input, operation.op.name)
    return _done(operation, input, parameters, inplace)


def _done(operation: Applied, input: Tensor, parameters: tuple[Any, ...], inplace: bool) -> Tensor:
    if inplace:
        return apply_in_place(operation, input, parameters, {}, operation.op.name + "_")
    result: Tensor = operation(input, *parameters)
    return result


# ---------------------------------------------------------------------------- with kinks


def _hardtanh(xp: Namespace, x: Array, low: float, high: float) -> Array:
    return xp.clip(x, low, high)


def _leaky_relu(xp: Namespace, x: Array, slope: float) -> Array:
    return xp.where(x > 0, x, x * slope)


def _threshold(xp: Namespace, x: Array, threshold: float, value: float) -> Array:
    return xp.where(x <= threshold, x.dtype.type(value), x)


def _hardshrink(xp: Namespace, x: Array, lambd: float) -> Array:
    return xp.where(abs(x) <= lambd, x.dtype.type(0), x)


def _softshrink(xp: Namespace, x: Array, lambd: float) -> Array:
    return xp.where(x > lambd, x - lambd, xp.where(x < -lambd, x + lambd, x * 0))


def _hardsigmoid(xp: Namespace, x: Array) -> Array:
    return xp.clip(x + 3, 0, 6) / 6


def _hardswish(xp: Namespace, x: Array) -> Array:
    return x * xp.clip(x + 3, 0, 6) / 6


_hardtanh_op = op(_hardtanh, x=lambda g, x, low, high: pick((x <= low) | (x >= high), 0, g))
_leaky_relu_op = op(_leaky_relu, x=lambda g, x, slope: pick(x > 0, g, g * slope))
_threshold_op = op(_threshold, x=lambda g, x, threshold: pick(x <= threshold, 0, g))
_hardshrink_op = op(_hardshrink, x=lambda g, x, lambd: pick(abs(x) <= lambd, 0, g))
_softshrink_op = op(_softshrink, x=lambda g, x, lambd: pick(abs(x) <= lambd, 0, g))
_hardsigmoid_op = op(_hardsigmoid, x=lambda g, x: pick((x > -3) & (x < 3), g / 6, 0))
_hardswish_op = op(_hardswish, x=lambda g, x: pick(x <= -3, 0, pick(x < 3, g * (x / 3 + 0.5), g)))


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, x), elementwise."""
    return write_result(input, _relu_op(input), "relu_") if inplace else _relu_op(input)


def relu_(input: Tensor) -> Tensor:
    """In-place :func:`relu`."""
    return relu(input, True)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x between ``min_val`` and ``max_val``, elementwise. ValueError if min_val > max_val."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _clamped(input, min_val, max_val, inplace)


def _clamped(input: Tensor, min_val: float, max_val: float, inplace: bool) -> Tensor:
    if not isinstance(input, Tensor):
        _numeric(input, "hardtanh")
    kind = input._array.dtype
    if kind.kind == "b":
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if kind.kind in "iu":
        if kind.kind == "u" and (min_val < 0 or max_val < 0):
            raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
        min_val, max_val = int(min_val), int(max_val)
    return _done(_hardtanh_op, input, (min_val, max_val), inplace)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place :func:`hardtanh`."""
    return _clamped(input, min_val, max_val, True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(0, x), 6), elementwise."""
    return hardtanh(input, 0.0, 6.0, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else ``negative_slope`` times x (Maas et al. 2013)."""
    return _apply(_leaky_relu_op, input, negative_slope, inplace=inplace)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place :func:`leaky_relu`."""
    return leaky_relu(input, negative_slope, True)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it is above ``threshold``, else ``value``."""
    _numeric(input, "threshold")
    if input._array.dtype.kind != "f":
        threshold, value = int(threshold), int(value)
    return _done(_threshold_op, input, (threshold, value), inplace)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place :func:`threshold`."""
    # the name in the signature hides the function's
    result: Tensor = globals()["threshold"](input, threshold, value, True)
    return result


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > ``lambd``, else 0."""
    return _apply(_hardshrink_op, input, lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by ``lambd``, and 0 within. RuntimeError for a negative ``lambd``."""
    _floating(input, "softshrink")
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd:g}.")
    return _apply(_softshrink_op, input, lambd)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(0, x + 3), 6) / 6 (Howard et al. 2019)."""
    return _apply(_hardsigmoid_op, input, inplace=inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x times :func:`hardsigmoid` of x (Howard et al. 2019)."""
    return _apply(_hardswish_op, input, inplace=inplace)


@shown_as("PreluKernelBackward0")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else ``weight`` times x (He et al. 2015).

    weight: one number, or one per channel (dimension 1). RuntimeError if it is neither.
    """
    if not isinstance(weight, Tensor):
        raise TypeError(f"prelu(): argument 'weight' (position 2) must be Tensor, not {type(weight).__name__}")
    if not isinstance(input, Tensor):
        raise TypeError(f"prelu(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    shape, n = input._array.shape, weight._array.size
    if weight._array.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight._array.ndim}"
        )
    if weight._array.ndim:
        on_one_device("prelu", input._array, weight._array)
    if n == 1:
        w = weight.reshape(())
    else:
        channels = 1 if len(shape) < 2 else shape[1]
        if not shape:
            raise RuntimeError("Not allow zero-dim input tensor.")
        if n != channels:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {n} "
                f"and channel size = {channels}."
            )
        w = weight.reshape(-1, *(1,) * (len(shape) - 2))
    if input._array.dtype != weight._array.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {of(input._array.dtype).legacy} and "
            f"{of(weight._array.dtype).legacy}"
        )
    positive = input > 0
    return pick(positive, input, input * w)


@shown_as("RreluWithNoiseBackward0")
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Leaky ReLU whose slope is drawn, per element, from [lower, upper] (Xu et al. 2015).

    When not training the slope is the middle of the interval.
    """
    if not training:
        return _apply(_leaky_relu_op, input, (lower + upper) / 2, inplace=inplace)
    _floating(input, "rrelu_with_noise")
    slopes = sampling.empty_like(input._array)
    slopes[...] = 1
    # A slope is drawn where it is needed only, in order, and in double precision.
    negative = backend_of(input._array).to_numpy(input._array) <= 0
    drawn = np.empty(int(negative.sum()))
    sampling.uniform_(drawn, lower, upper)
    slopes[negative] = drawn
    result = input * beside(input, slopes)
    return write_result(input, result, "rrelu_") if inplace else result


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """In-place :func:`rrelu`."""
    return rrelu(input, lower, upper, training, True)


# ---------------------------------------------------------------------------- smooth


def _elu(xp: Namespace, x: Array, alpha: float, scale: float, input_scale: float) -> Array:
    return xp.where(x > 0, x * scale, xp.expm1(xp.minimum(x, 0) * input_scale) * (alpha * scale))


def _silu(xp: Namespace, x: Array) -> Array:
    return x / (1 + xp.exp(-x))


def _softplus(xp: Namespace, x: Array, beta: float, threshold: float) -> Array:
    z = x * beta
    return xp.where(z > threshold, x, xp.log1p(xp.exp(xp.minimum(z, threshold))) / beta)


def _logsigmoid(xp: Namespace, x: Array) -> Array:
    return xp.minimum(x, 0) - xp.log1p(xp.exp(-abs(x)))


def _mish(xp: Namespace, x: Array) -> Array:
    return x * xp.tanh(xp.logaddexp(x, x.dtype.type(0)))


def _softsign(xp: Namespace, x: Array) -> Array:
    return x / (1 + abs(x))


def _silu_slope(x: Value) -> Value:
    s = sigmoid(x)
    return s * (1 + x * (1 - s))


def _mish_slope(x: Value) -> Value:
    s, t = sigmoid(x), tanh(_softplus_op(x, 1, 20))
    return t + x * s * (1 - t * t)


_elu_op = op(
    _elu,
    x=lambda g, x, alpha, scale, input_scale: g * pick(
        x > 0, scale, exp(pick(x > 0, 0, x) * input_scale) * (alpha * scale * input_scale)
    ),
)  # fmt: skip
_silu_op = op(_silu, x=lambda g, x: g * _silu_slope(x))
_softplus_op = op(
    _softplus,
    x=lambda g, x, beta, threshold: pick(x * beta > threshold, g, g * sigmoid(x * beta)),
)
_logsigmoid_op = op(_logsigmoid, name="log_sigmoid", grad_name="LogSigmoidBackward0", x=lambda g, x: g * sigmoid(-x))
_mish_op = op(_mish, x=lambda g, x: g * _mish_slope(x))
_softsign_op = op(_softsign, x=lambda g, x: g / ((1 + abs(x)) * (1 + abs(x))))

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha (exp(x) - 1) (Clevert et al. 2015)."""
    return _apply(_elu_op, input, alpha, 1.0, 1.0, inplace=inplace)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place :func:`elu`."""
    return elu(input, alpha, True)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 times elu with alpha 1.6733 (Klambauer et al. 2017)."""
    return _apply(_elu_op, input, _SELU_ALPHA, _SELU_SCALE, 1.0, inplace=inplace)


def selu_(input: Tensor) -> Tensor:
    """In-place :func:`selu`."""
    return selu(input, True)


@shown_as("CeluBackward0")
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1)) (Barron 2017). RuntimeError for alpha 0."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _apply(_elu_op, input, alpha, 1.0, 1.0 / alpha, inplace=inplace)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place :func:`celu`."""
    return celu(input, alpha, True)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x Phi(x), Phi the normal distribution function (Hendrycks & Gimpel 2016).

    approximate: "none", or "tanh" for 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
    Raises RuntimeError for any other.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return _apply(_gelu_op, input, approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x), also called swish (Elfwing et al. 2017)."""
    return _apply(_silu_op, input, inplace=inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)) (Misra 2019)."""
    return _apply(_mish_op, input, inplace=inplace)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta; x itself where beta x > ``threshold``."""
    return _apply(_softplus_op, input, beta, threshold)


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)), without overflow."""
    return _apply(_logsigmoid_op, input)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|); integers become floating."""
    _numeric(input, "abs")
    if input._array.dtype.kind != "f":
        return input / (input.abs() + 1)
    return _apply(_softsign_op, input)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return input - tanh(input)


@shown_as("GluBackward0")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along ``dim`` times sigmoid of the second (Dauphin et al. 2016).

    Raises RuntimeError if the dimension's size is odd.
    """
    if isinstance(input, Tensor) and input._array.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    if not isinstance(input, Tensor):
        _floating(input, "glu")
    d = dim_of(dim, input._array.ndim)
    n = input._array.shape[d]
    if n % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {d} is size {n}")
    _floating(input, "glu")
    return input.narrow(d, 0, n // 2) * sigmoid(input.narrow(d, n // 2, n // 2))


# ---------------------------------------------------------------------------- along a dimension


def _default_dim(ndim: int) -> int:
    """What older releases took for ``dim=None``: the first of 0, 1 and 3 dimensions, else the second."""
    return 0 if ndim in (0, 1, 3) else 1


def _along(operation: Applied, input: Tensor, dim: int | None, dtype: dtype_type | None, name: str = "") -> Tensor:
    if dim is None:
        warnings.warn(
            f"Implicit dimension choice for {name or operation.op.name} has been deprecated. "
            "Change the call to include dim=X as an argument.",
            stacklevel=3,
        )
    if dtype is not None:
        input = input.to(dtype)
    ndim = input._array.ndim
    return _apply(operation, input, dim_of(_default_dim(ndim) if dim is None else dim, ndim))


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: dtype_type | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) along ``dim``; the input is first cast to ``dtype`` if one is given."""
    return _along(_softmax_op, input, dim, dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: dtype_type | None = None) -> Tensor:
    """The logarithm of :func:`softmax`, without overflow."""
    return _along(_log_softmax_op, input, dim, dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: dtype_type | None = None) -> Tensor:
    """:func:`softmax` of -x."""
    return _along(_softmax_op, -input, dim, dtype, "softmin")


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample of the Gumbel-softmax distribution (Jang et al. 2016).

    hard: return a one-hot vector, with the gradient of the soft sample.
    """
    noise = sampling.empty_like(logits._array)
    sampling.gumbel_(noise)
    soft = softmax((logits + beside(logits, noise)) / tau, dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    zeros = backend_of(soft._array).xp.zeros(soft._array.shape, soft._array.dtype)
    one_hot = new_tensor(zeros).scatter_(dim, index, 1.0)
    return one_hot - soft.detach() + soft
