"""bias + activation: act(x + b), what follows a product in the inner layer of every Transformer.

act is ReLU, or GELU in either form (``gelu.py``). On a device it is one launch forward, and one backward for both gradients;
on the host the passes are those of the sum and of the activation.
"""

from __future__ import annotations

import numpy as np

from ..backends import Kernels
from ..backends.cuda_source import cuda_kernel
from ..dtypes import of
from ..operation import op
from ..ops.activations import relu
from ..tensor import Tensor
from ..types import Array
from . import bias_activation_cuda as cuda
from .gelu import gelu_backward, gelu_forward, gelu_tanh_backward, gelu_tanh_forward
from .gelu import plain as plain_gelu
from .rows import column_sums

__all__ = ["bias_activation"]

_behind_relu = relu.op.rules[0].formula  # the sum is positive where the result is


def _check(x: Array, bias: Array, form: str) -> None:
    if form not in cuda.FORMS:
        raise RuntimeError(f"bias_activation: the activation is one of {', '.join(cuda.FORMS)}, not {form!r}")
    if x.dtype is not bias.dtype or x.dtype.kind != "f":
        raise RuntimeError(
            f"bias_activation: expected two tensors of one floating point dtype, got {of(x.dtype)} and {of(bias.dtype)}"
        )
    if not x.ndim or bias.shape != x.shape[-1:]:
        raise RuntimeError(
            f"bias_activation: a bias of shape {list(bias.shape)} does not fit an input of shape {list(x.shape)}"
        )


def bias_activation_forward(x: Array, bias: Array, form: str) -> tuple[Array, Array, Array | None]:
    """(..., C), (C,) -> (..., C), and what the backward needs: the sum, and Phi of it."""
    _check(x, bias, form)
    z = x + bias
    if form == "relu":
        return np.maximum(z, 0), z, None
    y, cdf = gelu_forward(z) if form == "none" else gelu_tanh_forward(z)
    return y, z, cdf


@cuda_kernel
def _on_device(x: Array, bias: Array, form: str) -> tuple[Array, None, None]:
    _check(x, bias, form)
    return cuda.bias_activation_forward(x, bias, form), None, None


def _numpy_gradients(g: Array, x: Array, bias: Array, form: str, z: Array, cdf: Array) -> tuple[Array, Array]:
    if form == "relu":
        gx = _behind_relu(g, z)
    else:
        gx = (gelu_backward if form == "none" else gelu_tanh_backward)(g, z, cdf)
    return gx, column_sums[gx.__class__](gx.reshape(-1, bias.size))


_gradients = Kernels(
    _numpy_gradients, {"cupy": lambda g, x, bias, form, z, cdf: cuda.bias_activation_backward(g, x, bias, form)}
)


def _backward(
    g: Array, needs: tuple[bool, ...], x: Array, bias: Array, form: str, z: Array, cdf: Array
) -> tuple[Array | None, ...]:
    gx, gb = _gradients[g.__class__](g, x, bias, form, z, cdf)
    return gx if needs[0] else None, gb if needs[1] else None


def plain(x: Tensor, bias: Tensor, form: str) -> Tensor:
    """The definition, a composition of primitives."""
    z = x + bias
    if form == "relu":
        return relu(z)
    result: Tensor = plain_gelu(z, form)
    return result


bias_activation = op(
    bias_activation_forward,
    name="bias_activation",
    inputs=("x", "bias"),
    extras=("z", "cdf"),
    kernels={"cupy": _on_device},
    backward=_backward,
    plain=plain,
)
