"""Pooling over one, two and three spatial dimensions: maxima, means, p-norms; adaptive; and unpooling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...backends import backend_of
from ...dtypes import of
from ...fused import pooling as kernels
from ...fused.resample import resample
from ...fused.windows import Geometry, sum_windows
from ...ops.calling import shown_as
from ...tensor import Tensor, new_tensor
from ...types import Sizes
from .conv import ints
from .memory_order import lying_like

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d",
    "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices",
    "max_pool3d", "max_pool3d_with_indices", "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip


def _pooled(kind: str) -> Callable[..., str]:
    """PyTorch's names for the gradients: pooling in one dimension is that in two with one row."""
    return lambda name, n, *_: "SqueezeBackward1" if n == 1 else f"{kind}Pool{n}DBackward0"


def _batched(name: str, n: int, input: Tensor) -> tuple[Tensor, bool]:
    """The input as (N, C, *spatial), and whether it was. Raises for another number of dimensions."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    shape = input._array.shape
    if len(shape) not in (n + 1, n + 2):
        raise RuntimeError(
            f"{name}: Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for input, but "
            f"got:{list(shape)}"
        )
    batch = len(shape) == n + 2
    if 0 in shape[batch:]:
        raise RuntimeError(
            f"{name}: Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for input, but "
            f"got:{list(shape)}"
        )
    return (input if batch else input.unsqueeze(0)), batch


def _count(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """How many windows there are along a dimension; the last must begin inside the input or its left padding."""
    rest = size + 2 * padding - dilation * (kernel - 1) - 1
    n = (rest + (stride - 1 if ceil_mode else 0)) // stride + 1
    return n - 1 if ceil_mode and (n - 1) * stride >= size + padding else n


def _geometry(
    name: str, n: int, shape: tuple[int, ...], kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Geometry:  # fmt: skip
    size = shape[2:]
    kernel = ints(kernel_size, n, f"{name}: kernel_size")
    steps = kernel if stride is None or stride == [] or stride == () else ints(stride, n, f"{name}: stride")
    before, apart = ints(padding, n, f"{name}: padding"), ints(dilation, n, f"{name}: dilation")
    for what, values, least in (("kernel_size", kernel, 1), ("stride", steps, 1), ("dilation", apart, 1)):
        if min(values) < least:
            raise RuntimeError(f"{name}: {what} should be greater than zero, but got {list(values)}")
    if min(before) < 0:
        raise RuntimeError(f"{name}: pad must be non-negative, but got pad: {list(before)}")
    reach = kernel if n != 2 else tuple((k - 1) * d + 1 for k, d in zip(kernel, apart))
    if any(p > r // 2 for p, r in zip(before, reach)):
        raise RuntimeError(
            f"{name}: pad should be at most half of effective kernel size, but got pad={list(before)}, "
            f"kernel_size={list(kernel)} and dilation={list(apart)}"
        )
    out = tuple(_count(*v, ceil_mode) for v in zip(size, kernel, steps, before, apart))
    if min(out) < 1:
        raise RuntimeError(
            f"Given input size: ({'x'.join(map(str, shape[1:]))}). Calculated output size: "
            f"({'x'.join(map(str, (shape[1], *out)))}). Output size is too small"
        )
    return Geometry(kernel, steps, before, apart, out)


# ---------------------------------------------------------------------------- maxima


@shown_as(lambda name, n, *_: "SqueezeBackward1" if n == 1 else f"MaxPool{n}DWithIndicesBackward0")
def _max_pool(
    name: str, n: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
    return_indices: bool,
) -> Any:  # fmt: skip
    x, batched = _batched(name, n, input)
    kind = x._array.dtype
    if kind.kind == "b" or (n == 1 and kind.kind != "f"):
        raise NotImplementedError(f"\"{name}\" not implemented for '{of(kind).legacy}'")
    geometry = _geometry(name, n, x._array.shape, kernel_size, stride, padding, dilation, ceil_mode)
    if not return_indices:
        result = lying_like(getattr(kernels, f"max_pool{n}d")(x, geometry), x)
        return result if batched else result.squeeze(0)
    _, place, position = kernels.max_pool_places(backend_of(x._array).xp, x._array, geometry)
    result, where = (
        lying_like(t, x) for t in (kernels.take_taps(x, new_tensor(place), geometry), new_tensor(position))
    )
    return (result, where) if batched else (result.squeeze(0), where.squeeze(0))


@shown_as(_pooled("Avg"))
def _average(
    name: str, n: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> Tensor:  # fmt: skip
    x, batched = _batched(name, n, input)
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    kind, size = x._array.dtype, x._array.shape[2:]
    if kind.kind != "f" and kind != np.int64:
        raise NotImplementedError(f"\"{name}\" not implemented for '{of(kind).legacy}'")
    geometry = _geometry(name, n, x._array.shape, kernel_size, stride, padding, 1, ceil_mode)
    if n == 3 and any(s < k for s, k in zip(size, geometry.kernel)):
        raise RuntimeError(f"input image {list(size)} smaller than kernel size {list(geometry.kernel)}")
    total = sum_windows(x, geometry)
    if divisor_override is not None:
        counts: Any = divisor_override
    else:
        counts = _elements(size, geometry, count_include_pad)
    if kind.kind != "f":
        result = total.div(counts if isinstance(counts, int) else new_tensor(counts), rounding_mode="trunc")
    elif isinstance(counts, int):
        result = total * (1 / counts)
    else:
        result = total * new_tensor(backend_of(x._array).asarray((1 / counts).astype(kind)))
    result = lying_like(result, x, volumes=False)
    return result if batched else result.squeeze(0)


def _elements(size: tuple[int, ...], geometry: Geometry, with_padding: bool) -> Any:
    """How many elements each window has: a number if all have as many, else an array (1, 1, *out)."""
    counts = np.ones((1, 1, *geometry.out), np.int64)
    for i, (n, k, s, p, out) in enumerate(
        zip(size, geometry.kernel, geometry.stride, geometry.padding, geometry.out, strict=True)
    ):
        first = np.arange(out) * s - p
        last = np.minimum(first + k, n + p)
        if not with_padding:
            first, last = first.clip(0), last.clip(None, n)
        counts *= (last - first).reshape(-1, *(1,) * (len(size) - 1 - i))
    return int(counts.flat[0]) if (counts == counts.flat[0]).all() else counts


def _lp_pool(
    name: str, n: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    x, batched = _batched(name, n, input)
    kernel = ints(kernel_size, n, f"{name}: kernel_size")
    mean = _average(name, n, x**norm_type, kernel, stride, 0, ceil_mode, True, None)
    result = lying_like((mean.sign() * mean.abs().relu() * math.prod(kernel)) ** (1.0 / norm_type), x, volumes=False)
    return result if batched else result.squeeze(0)


# ---------------------------------------------------------------------------- to a given size


def _output_size(name: str, n: int, output_size: Any, size: tuple[int, ...]) -> tuple[int, ...]:
    given = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * n
    if len(given) != n:
        raise RuntimeError(f"{name}: output_size must be {n}")
    out = tuple(s if o is None else int(o) for o, s in zip(given, size))
    if min(out) < 0:
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received {list(out)}"
        )
    return out


def _parts(n: int, out: int) -> list[tuple[int, int]]:
    """Where the windows of an adaptive pooling begin and end."""
    return [(i * n // out, -((-(i + 1) * n) // out)) for i in range(out)]


def _floating(name: str, input: Tensor) -> None:
    kind = input._array.dtype
    if kind.kind != "f":
        raise NotImplementedError(f"\"{name}\" not implemented for '{of(kind).legacy}'")


@shown_as(_pooled("AdaptiveAvg"))
def _adaptive_average(name: str, n: int, input: Tensor, output_size: Any) -> Tensor:
    x, batched = _batched(name, n, input)
    _floating(name, x)
    size = x._array.shape[2:]
    out = _output_size(name, n, output_size, size)
    if all(o == 1 for o in out):
        result = x.mean(tuple(range(2, n + 2)), keepdim=True)
    elif all(o and s % o == 0 for o, s in zip(out, size)):
        kernel = tuple(s // o for o, s in zip(out, size))
        geometry = Geometry(kernel, kernel, (0,) * n, (1,) * n, out)
        result = sum_windows(x, geometry) * (1 / math.prod(kernel))
    else:
        result = x
        for i, (s, o) in enumerate(zip(size, out)):
            if s != o:
                result = resample(result, averaging(s, o), i + 2)
    result = lying_like(result, x, volumes=False)
    return result if batched else result.squeeze(0)


def averaging(n: int, out: int) -> np.ndarray:
    """The matrix (out, n) of the means that an adaptive average takes along one dimension."""
    matrix = np.zeros((out, n))
    for row, (first, last) in zip(matrix, _parts(n, out)):
        row[first:last] = 1 / (last - first)
    return matrix


@shown_as(_pooled("AdaptiveMax"))
def _adaptive_max(name: str, n: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    x, batched = _batched(name, n, input)
    _floating(name, x)
    size = x._array.shape[2:]
    out = _output_size(name, n, output_size, size)
    array, xp = x._array, backend_of(x._array).xp
    where = xp.empty((*array.shape[:2], *out), np.int64)
    for cell in np.ndindex(*out):
        ends = [_parts(s, o)[i] for s, o, i in zip(size, out, cell)]
        window = array[(..., *(slice(a, b) for a, b in ends))]
        within = np.unravel_index(
            xp.argmax(window.reshape(*array.shape[:2], math.prod(window.shape[2:])), 2), window.shape[2:]
        )
        flat = 0
        for (a, _), w, s in zip(ends, within, size):
            flat = flat * s + a + w
        where[(..., *cell)] = flat
    positions = new_tensor(where)
    result, positions = (lying_like(t, x, volumes=False) for t in (kernels.take_places(x, positions), positions))
    if not batched:
        result, positions = result.squeeze(0), positions.squeeze(0)
    return (result, positions) if return_indices else result


# ---------------------------------------------------------------------------- and back


@shown_as(lambda name, n, *_: "SqueezeBackward1" if n == 1 else f"MaxUnpool{n}DBackward0")
def _unpool(
    name: str, n: int, input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    x, batched = _batched(name, n, input)
    if indices._array.dtype != np.int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {of(indices._array.dtype).legacy}")
    if indices._array.shape != input._array.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got indices "
            f"tensor with shape: {list(indices.shape)}"
        )
    kernel = ints(kernel_size, n, f"{name}: kernel_size")
    steps = kernel if stride is None or stride == [] or stride == () else ints(stride, n, f"{name}: stride")
    before = ints(padding, n, f"{name}: padding")
    default = tuple((s - 1) * t + k - 2 * p for s, k, t, p in zip(x._array.shape[2:], kernel, steps, before))
    size = default
    if output_size is not None:
        size = tuple(output_size)
        if len(size) == n + 2:
            size = size[2:]
        if len(size) != n:
            raise ValueError(
                f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of "
                f"'{len(size)}'"
            )
        for i, (d, t) in enumerate(zip(default, steps)):
            if not d - t < size[i] < d + t:
                raise ValueError(f"invalid output_size {size} (dim {i} must be between {d - t} and {d + t})")
    where = indices if batched else indices.unsqueeze(0)
    plane, places = math.prod(size), where._array
    if places.size and (places.min() < 0 or places.max() >= plane):
        raise RuntimeError(
            f"Found an invalid max index: {int(places.max())} (output volumes are of size {' x '.join(map(str, size))})"
        )
    nc = x._array.shape[:2]
    flat = x.new_zeros((*nc, plane))
    result = flat.scatter(2, where.reshape(*nc, -1), x.reshape(*nc, -1)).reshape(*nc, *size)
    found: Tensor = result if batched else result.squeeze(0)
    return found


# ---------------------------------------------------------------------------- the functions, by dimension

_SHAPES = {1: "(N, C, L) or (C, L)", 2: "(N, C, H, W) or (C, H, W)", 3: "(N, C, D, H, W) or (C, D, H, W)"}


def _named(function: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _define_max(n: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    name = f"max_pool{n}d"

    def pool(
        input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
        found: Tensor | tuple[Tensor, Tensor] = _max_pool(
            name, n, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
        )
        return found

    def with_indices(
        input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        found: tuple[Tensor, Tensor] = _max_pool(
            name, n, input, kernel_size, stride, padding, dilation, ceil_mode, True
        )
        return found

    doc = f"""The largest element of each window of {_SHAPES[n]}.

    Args:
        stride: default, ``kernel_size``. padding: -inf on both sides, at most half a kernel.
        ceil_mode: also a last window that reaches beyond the end.
        return_indices: return also where each was found, in the flattened spatial dimensions.

    Raises RuntimeError for sizes that do not fit.
    """
    return _named(pool, name, doc), _named(with_indices, f"{name}_with_indices", doc)


def _define_unpool(n: int) -> Callable[..., Any]:
    name = f"max_unpool{n}d"

    def unpool(
        input: Tensor,
        indices: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        output_size: Sequence[int] | None = None,
    ) -> Tensor:
        return _unpool(name, n, input, indices, kernel_size, stride, padding, output_size)

    doc = f"""What max_pool{n}d found, put back where it was; the rest is zero (Zeiler and Fergus 2014).

    Raises ValueError for an ``output_size`` that cannot be, RuntimeError for an index outside it.
    """
    return _named(unpool, name, doc)


def _define_adaptive(n: int) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    def average(input: Tensor, output_size: int | Sequence[int | None] | None) -> Tensor:
        return _adaptive_average(f"adaptive_avg_pool{n}d", n, input, output_size)

    def largest(
        input: Tensor, output_size: int | Sequence[int | None] | None, return_indices: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        name = f"adaptive_max_pool{n}d"
        found: Tensor | tuple[Tensor, Tensor] = _adaptive_max(name, n, input, output_size, return_indices)
        return found

    def with_indices(
        input: Tensor, output_size: int | Sequence[int | None] | None, return_indices: bool = False
    ) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = _adaptive_max(f"adaptive_max_pool{n}d", n, input, output_size, True)
        return found

    doc = f"""of ``output_size`` windows along each dimension of {_SHAPES[n]}, which together cover it.

    output_size: an int or {n} of them; None keeps a dimension's size. Raises RuntimeError for others.
    """
    return (
        _named(average, f"adaptive_avg_pool{n}d", f"Means {doc}"),
        _named(largest, f"adaptive_max_pool{n}d", f"Maxima {doc}"),
        _named(with_indices, f"adaptive_max_pool{n}d_with_indices", f"Maxima, and where they are, {doc}"),
    )


def _define_lp(n: int) -> Callable[..., Any]:
    name = f"lp_pool{n}d"

    def pool(
        input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
    ) -> Tensor:
        return _lp_pool(name, n, input, norm_type, kernel_size, stride, ceil_mode)

    return _named(pool, name, f"(sum of x ** norm_type) ** (1 / norm_type) of each window of {_SHAPES[n]}.")


def avg_pool1d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean of each window of (N, C, L) or (C, L).

    stride: default, ``kernel_size``. count_include_pad: whether the zeros of the padding count as elements.
    Raises RuntimeError for sizes that do not fit.
    """
    return _average("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def _define_average(n: int) -> Callable[..., Any]:
    name = f"avg_pool{n}d"

    def pool(
        input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> Tensor:  # fmt: skip
        return _average(name, n, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

    doc = f"""The mean of each window of {_SHAPES[n]}.

    Args:
        stride: default, ``kernel_size``. padding: zeros on both sides, at most half a kernel.
        count_include_pad: whether the zeros of the padding count as elements.
        divisor_override: divide by this, not by the number of elements.

    Raises RuntimeError for sizes that do not fit.
    """
    return _named(pool, name, doc)


max_pool1d, max_pool1d_with_indices = _define_max(1)
max_pool2d, max_pool2d_with_indices = _define_max(2)
max_pool3d, max_pool3d_with_indices = _define_max(3)
max_unpool1d, max_unpool2d, max_unpool3d = _define_unpool(1), _define_unpool(2), _define_unpool(3)
adaptive_avg_pool1d, adaptive_max_pool1d, adaptive_max_pool1d_with_indices = _define_adaptive(1)
adaptive_avg_pool2d, adaptive_max_pool2d, adaptive_max_pool2d_with_indices = _define_adaptive(2)
adaptive_avg_pool3d, adaptive_max_pool3d, adaptive_max_pool3d_with_indices = _define_adaptive(3)
avg_pool2d, avg_pool3d = _define_average(2), _define_average(3)
lp_pool1d, lp_pool2d, lp_pool3d = _define_lp(1), _define_lp(2), _define_lp(3)
