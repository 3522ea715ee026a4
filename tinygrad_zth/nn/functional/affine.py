"""Linear maps and tables: linear, bilinear, embedding, one_hot."""

from __future__ import annotations

import numpy as np

from ...backends import backend_of
from ...dtypes import of
from ...fused.embedding import embedding as _embedding
from ...fused.linear import linear as _linear
from ...graph import no_grad
from ...ops.contract import einsum
from ...refusal import on_one_device
from ...tensor import Tensor, new_tensor, storage_of
from .dropout import beside

__all__ = ["bilinear", "embedding", "embedding_bag", "linear", "one_hot"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x W^T + b: input (*, in), weight (out, in), bias (out,) -> (*, out).

    Raises RuntimeError where shapes or dtypes do not fit.
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"linear(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return _linear(input, weight, bias)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_k = x1^T A_k x2 + b_k: (*, in1), (*, in2), weight (out, in1, in2) -> (*, out)."""
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match: got {list(input1.shape)} and {list(input2.shape)}"
        )
    for name, x, d in (("input1", input1, 1), ("input2", input2, 2)):
        if x.shape[-1] != weight.shape[d]:
            raise RuntimeError(
                f"bilinear(): {name} size does not match weight size: got {x.shape[-1]} but expected {weight.shape[d]}"
            )
    out = einsum("...i,kij,...j->...k", input1, weight, input2)
    return out if bias is None else out + bias


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of ``weight`` (V, C) by index: integers (*) -> (*, C).

    padding_idx: this row gets no gradient. max_norm: rows that are read and longer are first scaled
    back, in place. scale_grad_by_freq: a row's gradient is divided by how often it was read.

    Raises IndexError for an index outside 0 ... V-1, RuntimeError for indices that are no integers.
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"embedding(): argument 'indices' (position 2) must be Tensor, not {type(input).__name__}")
    kind = input._array.dtype
    if kind.kind != "i" or kind.itemsize < 4:
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
            f"but got torch.{of(kind).legacy}Tensor instead (while checking arguments for embedding)"
        )
    if weight._array.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if padding_idx is not None:
        rows = weight._array.shape[0]
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None:
        _shorten(weight, input, max_norm, norm_type)
    out = _embedding(weight, input, padding_idx)
    if scale_grad_by_freq and out.requires_grad:
        counts = np.bincount(input._array.reshape(-1), minlength=weight._array.shape[0])
        share = (1 / counts[input._array])[..., None].astype(out._array.dtype)
        out.register_hook(lambda g: g * new_tensor(share))
    return out


def _shorten(weight: Tensor, input: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows about to be read back to ``max_norm``, in place and unrecorded."""
    with no_grad():
        array = weight._array
        xp = backend_of(array).xp
        rows = xp.unique(input._array.reshape(-1))
        norms = (xp.abs(array[rows]) ** norm_type).sum(1) ** (1 / norm_type)
        long = norms > max_norm
        array[rows[long]] *= (max_norm / (norms[long] + 1e-7))[:, None].astype(array.dtype)
        storage_of(weight).version += 1


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima of rows of ``weight``, bag by bag: (B, N) indices, or a vector with offsets."""
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            f"embedding_bag: per_sample_weights was not None; it is only supported for mode='sum' (got mode='{mode}')"
        )
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ValueError(
            "embedding_bag: If per_sample_weights is not None, then it must have the same shape as the input "
            f"({list(input.shape)}), but got {list(per_sample_weights.shape)}"
        )
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences."
            )
        lengths = np.full(input.shape[0], input.shape[1])
    elif input.dim() == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.dim() != 1:
            raise ValueError("offsets has to be a 1D Tensor")
        on_one_device("embedding_bag", weight._array, input._array, offsets._array)
        starts = offsets.tolist()
        if starts and starts[0] != 0:
            raise RuntimeError(
                "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
                f"However, got {starts[0]}"
            )
        if starts and starts[-1] > input.numel():
            raise RuntimeError(
                f"offsets[-1] can not be greater than input's length {input.numel()} but got offsets[-1] of {starts[-1]}"
            )
        lengths = np.diff([*starts, *([] if include_last_offset else [input.numel()])]).astype(np.int64)
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}")
    flat = input.reshape(-1)
    rows = embedding(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    rows = rows[: int(lengths.sum())]
    bag_of = np.repeat(np.arange(len(lengths)), lengths)
    if padding_idx is not None:
        counted = backend_of(flat._array).to_numpy(flat._array)[: len(bag_of)] != padding_idx % weight.shape[0]
        rows, bag_of = rows[beside(rows, counted)], bag_of[counted]
        lengths = np.bincount(bag_of, minlength=len(lengths))
    if mode == "max":
        return _largest(rows, bag_of, lengths)
    zeros: Tensor = rows.new_zeros((len(lengths), weight.shape[1]))
    total = zeros.index_add(0, beside(rows, bag_of), rows)
    if mode == "sum":
        return total
    return total / beside(rows, np.maximum(lengths, 1).astype(rows._array.dtype)[:, None])


def _largest(rows: Tensor, bag_of: np.ndarray, lengths: np.ndarray) -> Tensor:
    """The maximum of each bag of rows, column by column: the first row that has it; 0 for an empty bag."""
    array, full = backend_of(rows._array).to_numpy(rows._array), lengths > 0
    first = np.zeros((len(lengths), array.shape[1]), np.int64)
    if full.any():
        starts = (np.cumsum(lengths) - lengths)[full]
        best = np.zeros(first.shape, array.dtype)
        best[full] = np.maximum.reduceat(array, starts)
        places = np.where(array == best[bag_of], np.arange(len(array))[:, None], len(array))
        first[full] = np.minimum.reduceat(places, starts)
        found = rows.gather(0, beside(rows, first))
    else:
        found = rows.new_zeros(first.shape) + rows.sum() * 0
    return found.masked_fill(beside(rows, ~full[:, None]), 0)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 (*) -> int64 (*, num_classes), a 1 at each index; -1 takes the largest index plus one.

    Raises RuntimeError for another dtype, a negative index, or one that is not below num_classes.
    """
    array = tensor._array
    if array.dtype != np.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if array.size == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
    elif array.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = int(array.max()) + 1
    elif array.size and array.max() >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    xp = backend_of(array).xp
    return new_tensor((array[..., None] == xp.arange(num_classes)).astype(np.int64, order="C"))
