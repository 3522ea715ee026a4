"""What ``torch`` itself offers of the functions here: under other arguments, and as Tensor's methods.

``torch.softmax`` takes its dtype by position, ``torch.dropout`` calls its switch ``train``, ``torch.embedding``
has the weight first. Those of the same signature are handed on as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...dtypes import dtype
from ...tensor import Tensor
from . import activations, affine, conv, distance, normalization, padding, pooling, shuffle
from .dropout import alpha_dropout, dropout, feature_alpha_dropout, feature_dropout

__all__ = ["FUNCTIONS"]


def softmax(input: Tensor, dim: int, dtype: Any = None, *, out: Tensor | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) along ``dim``; ``dtype`` casts before."""
    return _stored("softmax", activations.softmax(input, dim, dtype=dtype), out)


def log_softmax(input: Tensor, dim: int, dtype: dtype | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(softmax(x)) along ``dim``; ``dtype`` casts before."""
    return _stored("log_softmax", activations.log_softmax(input, dim, dtype=dtype), out)


def _stored(name: str, result: Tensor, out: Tensor | None) -> Tensor:
    if out is None:
        return result
    from ...inplace import write_out

    return write_out(out, result, name)


def _switch(apply: Callable[..., Any]) -> dict[str, Any]:
    """``torch.dropout(input, p, train)`` and its in-place twin."""
    name = apply.__name__

    def function(input: Tensor, p: float, train: bool) -> Tensor:
        result: Tensor = apply(input, p, train)
        return result

    def in_place(input: Tensor, p: float, train: bool) -> Tensor:
        result: Tensor = apply(input, p, train, inplace=True)
        return result

    for f, n in ((function, name), (in_place, name + "_")):
        f.__name__ = f.__qualname__ = n
        f.__doc__ = f"``nn.functional.{name}``" + (", in place." if f is in_place else ".")
    return {name: function, name + "_": in_place}


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:  # fmt: skip
    """``nn.functional.layer_norm``."""
    return normalization.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """``nn.functional.group_norm``."""
    return normalization.group_norm(input, num_groups, weight, bias, eps)


def batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """``nn.functional.batch_norm``, its arguments in another order."""
    return normalization.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, use_input_stats: bool, momentum: float, eps: float, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """``nn.functional.instance_norm``, its arguments in another order."""
    return normalization.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Tensor:
    """``nn.functional.embedding``, the weight first; a ``padding_idx`` of -1 is none."""
    return affine.embedding(
        indices,
        weight,
        None if padding_idx == -1 else padding_idx,
        scale_grad_by_freq=scale_grad_by_freq,
        sparse=sparse,
    )


def constant_pad_nd(input: Tensor, pad: list[int], value: float = 0) -> Tensor:
    """``nn.functional.pad`` with a constant."""
    return padding.pad(input, pad, "constant", value)


_MODULES = (activations, affine, conv, distance, normalization, pooling, shuffle)
_ALIKE = (
    "bilinear", "celu", "celu_", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "hardshrink", "prelu", "relu_", "rms_norm", "rrelu", "rrelu_", "selu", "selu_", "threshold",
    "threshold_",
    "adaptive_avg_pool1d", "adaptive_max_pool1d", "avg_pool1d", "channel_shuffle", "cosine_similarity", "max_pool1d",
    "max_pool1d_with_indices", "max_pool2d", "max_pool3d", "native_channel_shuffle", "pairwise_distance", "pdist",
    "pixel_shuffle", "pixel_unshuffle",
)  # fmt: skip
FUNCTIONS: dict[str, Any] = {
    "batch_norm": batch_norm, "constant_pad_nd": constant_pad_nd, "embedding": embedding, "group_norm": group_norm,
    "instance_norm": instance_norm, "layer_norm": layer_norm, "log_softmax": log_softmax, "softmax": softmax,
    **{k: f for apply in (dropout, alpha_dropout, feature_dropout, feature_alpha_dropout) for k, f in _switch(apply).items()},
    **{name: getattr(module, name) for name in _ALIKE for module in _MODULES if hasattr(module, name)},
}  # fmt: skip

for _name in ("softmax", "log_softmax", "hardshrink", "prelu"):
    setattr(Tensor, _name, FUNCTIONS[_name])
