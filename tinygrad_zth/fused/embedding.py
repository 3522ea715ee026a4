"""embedding: rows of a table, by index (Bengio et al. 2003, section 2: the map C).

The gradient of the table adds each row's gradient back to where it was read; a row read twice
gets both.
"""

from __future__ import annotations

from ..backends import Kernels, backend_of
from ..operation import op
from ..ops.index import index
from ..tensor import Tensor, new_tensor
from ..types import Array
from . import embedding_cuda

__all__ = ["embedding"]


def embedding_forward(weight: Array, indices: Array, padding_idx: int | None) -> Array:
    """(V, C), integers of any shape -> (*indices.shape, C). IndexError for an index not in [0, V)."""
    backend_of(indices).check_range(indices, weight.shape[0], "index out of range in self")
    return index.op.kernels[weight.__class__](weight, (indices,))


def embedding_backward(
    g: Array, needs: tuple[bool, ...], indices: Array, weight_shape: tuple[int, ...], padding_idx: int | None
) -> tuple[Array, ...]:
    """g (*indices.shape, C) added up into (V, C); the row ``padding_idx`` has no gradient."""
    rows, width = weight_shape
    whole = backend_of(g).summed_rows(rows, indices.reshape(-1), g.reshape(-1, width))
    if padding_idx is not None:
        whole[padding_idx] = 0
    return (whole,)


def plain(weight: Tensor, indices: Tensor, padding_idx: int | None) -> Tensor:
    """The definition: weight[indices]; what is read at ``padding_idx`` is cut off from the graph."""
    out = index(weight, (_raw(indices),))
    if padding_idx is None:
        return out
    is_padding = (_raw(indices) == padding_idx)[..., None]
    return out.masked_fill(new_tensor(is_padding), 0) + out.detach().masked_fill(new_tensor(~is_padding), 0)


def _raw(x: Tensor) -> Array:
    return getattr(x, "_array", x)


_gradient = Kernels(embedding_backward, {"cupy": embedding_cuda.embedding_backward})
embedding = op(
    embedding_forward,
    name="embedding",
    tensors=("indices",),
    inputs=("weight",),
    kernels={"cupy": embedding_cuda.embedding_forward},
    backward=lambda g, needs, indices, weight_shape, padding_idx: _gradient[g.__class__](
        g, needs, indices, weight_shape, padding_idx
    ),
    plain=plain,
)
