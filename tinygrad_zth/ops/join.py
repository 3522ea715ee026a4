"""Joining tensors and taking them apart: lists go in, or lists come out.

These are the operations whose number of inputs or outputs is not fixed, so they make their graph
nodes by hand (``operation.record``). Cutting is the gradient of joining, and joining that of cutting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, overload

import numpy as np

from ..backends import backend_of
from ..dtypes import of, promote_types
from ..graph import mode
from ..operation import Operation, Output, cast, joint, record
from ..refusal import mismatch, on_one_device, on_several_devices
from ..storage import buffer_of, channels_are_last, in_channels_last
from ..tensor import Size, Tensor, current_node, new_tensor, storage_of
from ..types import Array, Number, Sizes, Value
from .expand import broadcast_to
from .index import getitem, slice_of
from .view import dim_of, named_sizes, reshape, sizes_of, unsqueeze

__all__ = ["FUNCTIONS", "METHODS", "cat", "chunk", "split", "stack", "unbind"]


# ---------------------------------------------------------------------------- joining


def _cat_backward(g: Value, needs: tuple[bool, ...], dim: int, sizes: tuple[int, ...]) -> list[Any]:
    start, parts = 0, []
    for size, need in zip(sizes, needs, strict=True):
        parts.append(slice_of(g, (slice(None),) * dim + (slice(start, start + size),)) if need else None)
        start += size
    return parts


def _stack_backward(g: Value, needs: tuple[bool, ...], dim: int) -> list[Any]:
    return [slice_of(g, (slice(None),) * dim + (i,)) if need else None for i, need in enumerate(needs)]


_CAT = joint("cat", ("dim", "sizes"), _cat_backward)
_STACK = joint("stack", ("dim",), _stack_backward)


def _listed(name: str, tensors: Sequence[Tensor]) -> list[Tensor]:
    if isinstance(tensors, Tensor):
        _refuse(name, tensors)
    tensors = list(tensors)
    if not tensors:
        if name == "stack":
            raise RuntimeError("stack expects a non-empty TensorList")
        raise ValueError(f"torch.{name}(): expected a non-empty list of Tensors")
    for t in tensors:
        if not isinstance(t, Tensor):
            i = next(i for i, other in enumerate(tensors) if other is t)
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    first = tensors[0]._array.dtype
    for other in tensors:
        if other._array.dtype is not first:
            kind = of(first)
            for t in tensors:
                kind = promote_types(kind, of(t._array.dtype))
            return [t if t._array.dtype is kind.numpy else cast(t, kind.numpy) for t in tensors]
    return tensors


def _refuse(name: str, tensor: Tensor) -> NoReturn:
    raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor")


def _joined(operation: Operation, array: Array, tensors: Sequence[Tensor], saved: tuple[Any, ...]) -> Tensor:
    t = new_tensor(array)
    if mode.recording:
        nodes = tuple([current_node(x) for x in tensors])
        if any(nodes):
            record(t, operation, nodes, saved)
    return t


def _result(t: Tensor, out: Tensor | None, name: str) -> Tensor:
    if out is None:
        return t
    from ..inplace import write_out

    return write_out(out, t, name)


def cat(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The tensors one after the other along ``dim``; their other sizes must agree.

    A 1-D tensor of size 0 is passed over, as in PyTorch. Raises RuntimeError where sizes differ.
    """
    tensors = _listed("cat", tensors)
    arrays = [t._array for t in tensors]
    shapes = [a.shape for a in arrays]
    if (0,) in shapes and any(a.ndim != 1 for a in arrays):
        tensors = [t for t in tensors if t._array.shape != (0,)]
        arrays = [t._array for t in tensors]
    ndim = arrays[0].ndim
    if ndim == 0:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    d = dim_of(dim, ndim)
    try:
        array = _in_order(backend_of(arrays[0]).xp.concatenate(arrays, d), arrays)
    except (TypeError, ValueError):
        raise on_several_devices("cat", arrays) or RuntimeError(_misfit(arrays, d)) from None
    result = _joined(_CAT, array, tensors, (d, tuple([a.shape[d] for a in arrays])))
    return result if out is None else _result(result, out, "cat")


def _in_order(joined: Array, arrays: Sequence[Array]) -> Array:
    """NumPy gives what it joins the order of its inputs in memory; PyTorch that of C, unless all have their channels last."""
    if joined.ndim in (4, 5) and channels_are_last(arrays[0]) and all(channels_are_last(a) for a in arrays):
        return in_channels_last(joined)
    return joined if joined.flags.c_contiguous else joined.copy(order="C")


def _misfit(arrays: list[Array], d: int) -> str:
    first = arrays[0]
    for i, a in enumerate(arrays):
        if a.ndim != first.ndim:
            return f"Tensors must have same number of dimensions: got {first.ndim} and {a.ndim}"
        for j, (m, n) in enumerate(zip(first.shape, a.shape, strict=True)):
            if j != d and m != n:
                return (
                    f"Sizes of tensors must match except in dimension {d}. Expected size {m} but got size {n} "
                    f"for tensor number {i} in the list."
                )
    return "cat(): the tensors do not fit"


def stack(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape along a new dimension ``dim``. Raises RuntimeError where shapes differ."""
    tensors = _listed("stack", tensors)
    arrays = [t._array for t in tensors]
    shape = arrays[0].shape
    for i, a in enumerate(arrays):
        if a.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and {list(a.shape)} at entry {i}"
            )
    d = dim_of(dim, len(shape) + 1)
    xp = backend_of(arrays[0]).xp
    try:
        if d < len(shape):  # one after the other, and then apart: NumPy's stack goes through the arrays in Python first
            joined = _in_order(xp.concatenate(arrays, d), arrays)
            array = joined.reshape(*shape[:d], len(arrays), *shape[d:])
        else:
            array = _in_order(xp.stack(arrays, d), [a[..., None] for a in arrays])
    except (TypeError, ValueError) as error:
        raise on_several_devices("stack", arrays) or error from None
    return _result(_joined(_STACK, array, tensors, (d,)), out, "stack")


# ---------------------------------------------------------------------------- taking apart


def _filled(gs: list[Any], shapes: tuple[Any, ...], like: Value) -> list[Any]:
    """Outputs that nobody used have a gradient of zero."""
    array = like._array if isinstance(like, Tensor) else like
    xp = backend_of(array).xp

    def zeros(shape: tuple[int, ...]) -> Value:
        z = xp.zeros(shape, array.dtype)
        return new_tensor(z) if isinstance(like, Tensor) else z

    return [zeros(shape) if g is None else g for g, shape in zip(gs, shapes, strict=True)]


def _join(gs: list[Any], dim: int, function: str) -> Value:
    if isinstance(gs[0], Tensor):
        return (cat if function == "concatenate" else stack)(gs, dim)
    return getattr(backend_of(gs[0]).xp, function)(gs, dim)


def _split_backward(gs: list[Any], needs: tuple[bool, ...], dim: int, shapes: tuple[Any, ...]) -> list[Any]:
    return [_join(_filled(gs, shapes, next(g for g in gs if g is not None)), dim, "concatenate")]


def _unbind_backward(gs: list[Any], needs: tuple[bool, ...], dim: int, shapes: tuple[Any, ...]) -> list[Any]:
    return [_join(_filled(gs, shapes, next(g for g in gs if g is not None)), dim, "stack")]


_SPLIT = joint("split", ("dim", "shapes"), _split_backward)
_UNBIND = joint("unbind", ("dim", "shapes"), _unbind_backward)
_OUTPUTS = {o: Output(o.name, o.grad_name) for o in (_SPLIT, _UNBIND)}


def _cut(input: Tensor, operation: Operation, dim: int, keys: list[Any]) -> tuple[Tensor, ...]:
    """Views of ``input`` at ``keys``, as the outputs of one node."""
    base, path = (input, ()) if input._view is None else input._view[:2]
    storage = storage_of(input)
    node = current_node(input) if mode.recording else None
    outputs = []
    for key in keys:
        t = new_tensor(input._array[(*key, ...)])
        t._storage = storage
        t._view = (base, (*path, (slice_of, (key,))), storage.version)
        outputs.append(t)
    if node is not None and outputs:
        producer = record(new_tensor(input._array), operation, (node,), (dim, tuple(t._array.shape for t in outputs)))
        for i, t in enumerate(outputs):
            record(t, _OUTPUTS[operation], (producer,), (i, len(outputs)))
    return tuple(outputs)


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the given size (the last may be smaller), or of the given sizes, along ``dim``."""
    if tensor._array.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    d = dim_of(dim, tensor._array.ndim)
    n = tensor._array.shape[d]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0 or (size == 0 and n):
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={size}"
                if size < 0
                else f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}"
            )
        whole, rest = divmod(n, size) if n else (0, 0)
        sizes = [size] * whole
        if rest or not n:
            sizes.append(rest)
    else:
        sizes = [int(s) for s in split_size_or_sections]
        if sum(sizes) != n or min(sizes, default=0) < 0:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {d}), "
                f"but got split_sizes={sizes}"
            )
    return _at_sizes(tensor, sizes, d)


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the given sizes along ``dim``, which add up to its size."""
    return split(input, list(split_sizes), dim)


def _at_sizes(tensor: Tensor, sizes: list[int], d: int) -> tuple[Tensor, ...]:
    keys, start = [], 0
    for size in sizes:
        keys.append((slice(None),) * d + (slice(start, start + size),))
        start += size
    return _cut(tensor, _SPLIT, d, keys)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` views of one size (the last may be smaller) along ``dim``."""
    if input._array.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    d = dim_of(dim, input._array.ndim)
    n = input._array.shape[d]
    if n == 0:
        return _at_sizes(input, [0] * chunks, d)
    return split(input, -(-n // chunks), d)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The views at each place of ``dim``, which disappears."""
    if input._array.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    d = dim_of(dim, input._array.ndim)
    return _cut(input, _UNBIND, d, [(slice(None),) * d + (i,) for i in range(input._array.shape[d])])


def tensor_split(input: Tensor, indices_or_sections: int | Sequence[int] | Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views cut at the given places, or into a number of nearly equal parts (the first are larger)."""
    if input._array.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    d = dim_of(dim, input._array.ndim)
    n = input._array.shape[d]
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        parts = indices_or_sections
        if parts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {parts}")
        return _at_sizes(input, [n // parts + (i < n % parts) for i in range(parts)], d)
    cuts = [0, *(min(max(i + n if i < 0 else i, 0), n) for i in indices_or_sections), n]
    if any(a > b for a, b in zip(cuts, cuts[1:], strict=False)):  # places out of order overlap
        head = (slice(None),) * d
        return tuple(getitem(input, (*head, slice(a, b))) for a, b in zip(cuts, cuts[1:], strict=False))
    return _at_sizes(input, [b - a for a, b in zip(cuts, cuts[1:], strict=False)], d)


def _named_split(name: str, dim: int, least: int) -> Callable[..., Any]:
    def function(input: Tensor, indices_or_sections: int | tuple[int, ...]) -> tuple[Tensor, ...]:
        ndim = input._array.ndim
        if ndim < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {ndim} dimensions!"
            )
        d = 0 if name == "hsplit" and ndim == 1 else dim
        n = input._array.shape[d]
        if isinstance(indices_or_sections, int) and n % indices_or_sections:
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {d}, but the size of the dimension {n} is not "
                f"divisible by the split_size {indices_or_sections}!"
            )
        return tensor_split(input, indices_or_sections, d)

    function.__name__ = name
    function.__doc__ = f"``tensor_split`` along dimension {dim} (``{name}``), in equal parts if a number is given."
    return function


# ---------------------------------------------------------------------------- joining by name


def _at_least(n: int) -> Callable[..., Any]:
    def one(t: Any) -> Any:
        ndim = t._array.ndim
        if ndim >= n:
            return t
        if ndim == 0:
            return reshape(t, (1,) * n)
        if ndim == 1:
            return unsqueeze(t, 0) if n == 2 else reshape(t, (1, -1, 1))
        return unsqueeze(t, -1)

    def function(*tensors: Tensor | list[Tensor]) -> Tensor | tuple[Tensor, ...]:
        if len(tensors) == 1:
            (only,) = tensors
            return one(only) if isinstance(only, Tensor) else tuple(one(t) for t in only)
        return tuple(one(t) for t in tensors)

    function.__name__ = f"atleast_{n}d"
    function.__doc__ = f"Each tensor as a view with at least {n} dimensions."
    return function


atleast_1d, atleast_2d, atleast_3d = _at_least(1), _at_least(2), _at_least(3)


def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined side by side: along dimension 1, or 0 for 1-D tensors."""
    tensors = atleast_1d(list(tensors))
    return cat(tensors, 0 if tensors[0]._array.ndim == 1 else 1, out=out)


def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined as rows, one under the other."""
    return cat(atleast_2d(list(tensors)), 0, out=out)


def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along a third dimension."""
    return cat(atleast_3d(list(tensors)), 2, out=out)


def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """1-D tensors as columns, matrices as they are, side by side."""
    return cat([reshape(t, (t._array.size, 1)) if t._array.ndim <= 1 else t for t in tensors], 1, out=out)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors expanded to their common shape. Raises RuntimeError if there is none."""
    tensors = tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    try:
        shape = np.broadcast_shapes(*(t._array.shape for t in tensors))
    except ValueError:
        raise RuntimeError(mismatch([t._array.shape for t in tensors])) from None
    return tuple(broadcast_to(t, shape) for t in tensors)


def broadcast_shapes(*shapes: Sizes) -> Size:
    """The shape that the given shapes broadcast to. Raises RuntimeError if there is none."""
    from ..tensor import Size

    try:
        return Size(np.broadcast_shapes(*((s,) if isinstance(s, int) else tuple(s) for s in shapes)))
    except ValueError:
        listed = ", ".join(str(list(s) if not isinstance(s, int) else [s]) for s in shapes)
        raise RuntimeError(f"Shape mismatch: objects cannot be broadcast to a single shape: {listed}") from None


def meshgrid(*given: Tensor | Sequence[Tensor], indexing: str | None = None) -> tuple[Tensor, ...]:
    """Grids of coordinates from 1-D tensors; ``indexing`` is "ij" (default, as in PyTorch) or "xy"."""
    tensors: list[Any] = list(given[0] if len(given) == 1 and not isinstance(given[0], Tensor) else given)
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for t in tensors:
        if t._array.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}")
        if t.device != tensors[0].device:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same device")
    swap = indexing == "xy" and len(tensors) > 1
    if swap:
        tensors[:2] = tensors[1::-1]
    shape = tuple(t._array.size for t in tensors)
    grids = [
        broadcast_to(reshape(t, tuple(-1 if i == j else 1 for j in range(len(tensors)))), shape)
        for i, t in enumerate(tensors)
    ]
    if swap:
        grids[:2] = grids[1::-1]
    return tuple(grids)


def _vectors(*tensors: Tensor) -> None:
    for t in tensors:
        if t._array.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t._array.shape)}")


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of the elements of 1-D tensors, one a row."""
    tensors = tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    _vectors(*tensors)
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(g, (-1,)) for g in meshgrid(*tensors)], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """The combinations of ``r`` elements of a 1-D tensor, one a row."""
    import itertools

    _vectors(input)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(input._array.size), r)), np.int64).reshape(-1, r)
    return getitem(input, (rows,))


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the given matrices on its diagonal and zeros elsewhere."""
    from .create import zeros

    blocks = [atleast_2d(t) for t in tensors]
    kind, where = _listed("block_diag", blocks)[0].dtype, blocks[0].device
    for at, b in enumerate(blocks):
        if b.device != where:
            raise RuntimeError(
                "torch.block_diag: input tensors must all be on the same device. "
                f"Input 0 is on device {where} and input {at} is on device {b.device}"
            )
    out = zeros(sum(b.size(0) for b in blocks), sum(b.size(1) for b in blocks), dtype=kind, device=where)
    i = j = 0
    for b in blocks:
        out[i : i + b.size(0), j : j + b.size(1)] = b
        i, j = i + b.size(0), j + b.size(1)
    result: Tensor = out
    return result


# ---------------------------------------------------------------------------- repeating


@overload
def tile(input: Tensor, dims: Sequence[int]) -> Tensor: ...
@overload
def tile(input: Tensor, *dims: int) -> Tensor: ...
def tile(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """``input`` repeated along each dimension, as NumPy's tile."""
    if named:
        dims = named_sizes("tile", "dims", dims, named)
    dims = sizes_of(dims)
    return repeat(input, *((1,) * (input._array.ndim - len(dims)) + tuple(dims)))


@overload
def repeat(input: Tensor, repeats: Sequence[int]) -> Tensor: ...
@overload
def repeat(input: Tensor, *repeats: int) -> Tensor: ...
def repeat(input: Tensor, *repeats: Any, **named: Any) -> Tensor:
    """A copy repeated ``repeats[i]`` times along dimension i; extra repeats lead."""
    if named:
        repeats = named_sizes("repeat", "repeats", repeats, named)
    repeats, shape = sizes_of(repeats), input._array.shape
    if not repeats and shape:
        raise TypeError('repeat() missing 1 required positional arguments: "repeats"')
    if len(repeats) < len(shape):
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    if any(r < 0 for r in repeats):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(repeats)}: {list(repeats)}")
    shape = (1,) * (len(repeats) - len(shape)) + shape
    spread = [n for pair in zip((1,) * len(shape), shape, strict=True) for n in pair]
    target = [n for pair in zip(repeats, shape, strict=True) for n in pair]
    out = reshape(
        broadcast_to(reshape(input, tuple(spread)), target), tuple(r * n for r, n in zip(repeats, shape, strict=True))
    )
    result: Tensor = out.clone() if buffer_of(out._array) is buffer_of(input._array) else out
    return result


def repeat_interleave(
    input: Tensor, repeats: Tensor | Number | None = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element (or each place of ``dim``) repeated in place, ``repeats`` times.

    Of one tensor alone: each of the numbers 0, 1, ... repeated as often as the tensor says.
    """
    if repeats is None:
        backend = backend_of(input._array)
        input, repeats = new_tensor(backend.made("arange", input._array.size, where=input.device)), input
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
    d = dim_of(dim, input._array.ndim)
    if isinstance(repeats, Tensor):
        on_one_device("repeat_interleave", input._array, repeats._array)
    # How much memory the result takes, they say: a device is waited for.
    counts = backend_of(repeats._array).to_numpy(repeats._array) if isinstance(repeats, Tensor) else np.asarray(repeats)
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative")
    if counts.size not in (1, input._array.shape[d]):
        raise RuntimeError("repeats must have the same size as input along dim")
    if counts.size == 0:
        return getitem(input, (slice(None),) * d + (slice(0, 0),))
    places = np.repeat(
        np.arange(input._array.shape[d]), counts.reshape(-1) if counts.size > 1 else int(counts.reshape(-1)[0])
    )
    return getitem(input, (slice(None),) * d + (places,))


def _tile_function(input: Tensor, dims: Sequence[int]) -> Tensor:
    """``input`` repeated along each dimension, as NumPy's tile."""
    return tile(input, *dims)


FUNCTIONS = {
    "atleast_1d": atleast_1d, "atleast_2d": atleast_2d, "atleast_3d": atleast_3d, "block_diag": block_diag,
    "broadcast_shapes": broadcast_shapes, "broadcast_tensors": broadcast_tensors, "cartesian_prod": cartesian_prod,
    "cat": cat, "concat": cat, "concatenate": cat, "chunk": chunk, "column_stack": column_stack,
    "combinations": combinations, "dstack": dstack, "hstack": hstack, "meshgrid": meshgrid,
    "repeat_interleave": repeat_interleave, "row_stack": vstack, "split": split, "split_with_sizes": split_with_sizes,
    "stack": stack, "tensor_split": tensor_split, "tile": _tile_function, "unbind": unbind, "vstack": vstack,
    "unsafe_chunk": chunk, "unsafe_split": split, "unsafe_split_with_sizes": split_with_sizes,
    "hsplit": _named_split("hsplit", 1, 1), "vsplit": _named_split("vsplit", 0, 2), "dsplit": _named_split("dsplit", 2, 3),
}  # fmt: skip
METHODS = {
    **{n: FUNCTIONS[n] for n in ("chunk", "repeat_interleave", "split", "split_with_sizes", "tensor_split", "unbind", "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes", "hsplit", "vsplit", "dsplit")},
    "repeat": repeat, "tile": tile,
}  # fmt: skip
