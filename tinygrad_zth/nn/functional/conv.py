"""Convolutions and transposed convolutions over one, two and three dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from ...dtypes import of
from ...fused.convolution import conv_input, convolution
from ...fused.windows import Geometry, fold_windows, unfold_windows
from ...ops.calling import shown_as
from ...ops.matmul import c_name
from ...tensor import Tensor
from ...types import Sizes
from .memory_order import lying_like
from .padding import pad

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "fold",
    "unfold",
]  # fmt: skip


def ints(value: Any, n: int, name: str) -> tuple[int, ...]:
    """``value``, an int or a sequence of one or n, as n ints. Raises RuntimeError for another length."""
    if isinstance(value, Iterable):
        values = tuple(int(v) for v in value)
        if len(values) == 1:
            return values * n
        if len(values) != n:
            raise RuntimeError(f"expected {name} to be a single integer value or a list of {n} values, but got {value}")
        return values
    return (int(value),) * n


def _check(
    name: str, n: int, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, transposed: bool
) -> None:
    for position, (what, t) in enumerate((("input", input), ("weight", weight)), 1):
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}(): argument '{what}' (position {position}) must be Tensor, not {type(t).__name__}")
    x, w = input._array, weight._array
    if x.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: {list(x.shape)}"
        )
    if w.ndim != n + 2:
        raise RuntimeError(
            f"Expected {n + 2}-dimensional weight for {name}, but got weight of size {list(w.shape)} instead"
        )
    if x.dtype.kind == "b" or (transposed and x.dtype.kind != "f" and x.dtype != "int64"):
        kernel = "slow_conv_transpose2d_out_cpu" if transposed else "slow_conv2d_cpu"
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{of(x.dtype).legacy}'")
    if bias is not None and bias._array.dtype != x.dtype:
        raise RuntimeError(
            f"Input type ({c_name(of(x.dtype))}) and bias type ({c_name(of(bias._array.dtype))}) should be the same"
        )
    if x.dtype != w.dtype:
        raise RuntimeError(f"expected scalar type {of(x.dtype).legacy} but found {of(w.dtype).legacy}")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if w.shape[0] % groups or w.shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size "
            f"{list(w.shape)} instead"
            if w.shape[0] < groups
            else f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            f"size {[list(w.shape)]} instead"
        )
    channels = w.shape[0] if transposed else w.shape[1] * groups
    if x.shape[-n - 1] != channels:
        raise RuntimeError(
            f"Given {'transposed=1' if transposed else f'groups={groups}'}, weight of size {list(w.shape)}, expected "
            f"input{list(x.shape)} to have {channels} channels, but got {x.shape[-n - 1]} channels instead"
        )
    if 0 in x.shape[-n:]:
        raise RuntimeError(
            f"{name}: Only zero batch or zero channel inputs are supported, but got input shape: {list(x.shape)}"
        )
    outs = w.shape[1] * groups if transposed else w.shape[0]
    if bias is not None and bias._array.shape != (outs,):
        raise RuntimeError(
            f"Given {'transposed=1' if transposed else 'transposed=0'}, weight of size {list(w.shape)}, expected bias "
            f"to be 1-dimensional with {outs} elements, but got bias of size {list(bias._array.shape)} instead"
        )


def _require(name: str, values: tuple[int, ...], least: int) -> None:
    if any(v < least for v in values):
        raise RuntimeError(f"{'negative' if least == 0 else 'non-positive'} {name} is not supported")


def _conv(
    name: str, n: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any,
    dilation: Any, groups: int,
) -> Tensor:  # fmt: skip
    _check(name, n, input, weight, bias, groups, False)
    stride, dilation = ints(stride, n, "stride"), ints(dilation, n, "dilation")
    _require("stride", stride, 1)
    _require("dilation", dilation, 1)
    kernel = weight._array.shape[2:]
    if isinstance(padding, str):
        if padding not in ("valid", "same"):
            raise RuntimeError(f"Invalid padding string: '{padding}'")
        if padding == "same" and any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        total = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, kernel)]
        if any(t % 2 for t in total):  # what cannot be halved goes to the end
            input = pad(input, [v for t in reversed(total) for v in (0, t % 2)])
        before = tuple(t // 2 for t in total)
    else:
        before = ints(padding, n, "padding")
    _require("padding", before, 0)
    batched = input._array.ndim == n + 2
    x = input if batched else input.unsqueeze(0)
    size = x._array.shape[2:]
    whole = [s + 2 * p for s, p in zip(size, before)]
    needed = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    if any(w < r for w, r in zip(whole, needed)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, whole))}). Kernel size: "
            f"({' x '.join(map(str, needed))}). Kernel size can't be greater than actual input size"
        )
    out = tuple((w - r) // s + 1 for w, r, s in zip(whole, needed, stride))
    result = lying_like(convolution(x, weight, bias, Geometry(kernel, stride, before, dilation, out), groups), x)
    return result if batched else result.squeeze(0)


@shown_as("ConvolutionBackward0")
def _conv_transpose(
    name: str, n: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any,
    output_padding: Any, groups: int, dilation: Any,
) -> Tensor:  # fmt: skip
    _check(name, n, input, weight, bias, groups, True)
    stride, dilation = ints(stride, n, "stride"), ints(dilation, n, "dilation")
    before, extra = ints(padding, n, "padding"), ints(output_padding, n, "output_padding")
    for what, values, least in (
        ("stride", stride, 1), ("dilation", dilation, 1), ("padding", before, 0), ("output_padding", extra, 0)
    ):  # fmt: skip
        _require(what, values, least)
    if any(e >= s and e >= d for e, s, d in zip(extra, stride, dilation)):
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got output_padding: "
            f"{list(extra)}, stride: {list(stride)}, dilation: {list(dilation)}"
        )
    kernel = weight._array.shape[2:]
    batched = input._array.ndim == n + 2
    y = input if batched else input.unsqueeze(0)
    windows = y._array.shape[2:]
    size = tuple(
        (w - 1) * s - 2 * p + d * (k - 1) + e + 1
        for w, s, p, d, k, e in zip(windows, stride, before, dilation, kernel, extra)
    )
    if any(v < 1 for v in size):
        raise RuntimeError(
            f"Given input size per channel: ({' x '.join(map(str, windows))}). Calculated output size per channel: "
            f"({' x '.join(map(str, size))}). Output size is too small"
        )
    result = conv_input(y, weight, size, Geometry(kernel, stride, before, dilation, windows), groups)
    if bias is not None:
        result = result + bias.reshape(1, -1, *(1,) * n)
    result = lying_like(result, y)
    return result if batched else result.squeeze(0)


def _define(n: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    name = f"conv{n}d"

    def conv(
        input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: Sizes | str = 0,
        dilation: Sizes = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        return _conv(name, n, input, weight, bias, stride, padding, dilation, groups)

    def transpose(
        input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: Sizes | str = 0,
        output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
    ) -> Tensor:  # fmt: skip
        return _conv_transpose(
            f"conv_transpose{n}d", n, input, weight, bias, stride, padding, output_padding, groups, dilation
        )

    conv.__name__ = conv.__qualname__ = name
    conv.__doc__ = f"""Cross-correlation over {n} spatial dimension{"s" if n > 1 else ""}.

    Args:
        input: (N, C, *spatial) or (C, *spatial). weight: (O, C / groups, *kernel).
        bias: (O,) or None.
        padding: zeros on both sides, or "valid" (none), or "same" (the size is kept; stride 1).
        groups: the channels are cut into as many parts, each convolved by itself.

    Raises RuntimeError for shapes, dtypes or options that do not fit.
    """
    transpose.__name__ = transpose.__qualname__ = f"conv_transpose{n}d"
    transpose.__doc__ = f"""The gradient of conv{n}d with respect to its input, as a layer (Zeiler et al. 2010).

    Args:
        input: (N, C, *spatial) or (C, *spatial). weight: (C, O / groups, *kernel).
        padding: what conv{n}d would have been given; output_padding: added to the size at the end.

    Raises RuntimeError for shapes, dtypes or options that do not fit.
    """
    return conv, transpose


conv1d, conv_transpose1d = _define(1)
conv2d, conv_transpose2d = _define(2)
conv3d, conv_transpose3d = _define(3)

# ---------------------------------------------------------------------------- windows as columns


def _window_geometry(size: tuple[int, ...], kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Geometry:
    kernel, dilation, before, stride = (
        ints(v, 2, name)
        for v, name in ((kernel_size, "kernel_size"), (dilation, "dilation"), (padding, "padding"), (stride, "stride"))
    )
    for what, values in (("kernel size", kernel), ("dilation", dilation), ("stride", stride)):
        if min(values) < 1:
            raise RuntimeError(f"{what} should be greater than zero, but got {list(values)}")
    if min(before) < 0:
        raise RuntimeError(f"padding should be non-negative, but got {list(before)}")
    out = tuple((s + 2 * p - d * (k - 1) - 1) // t + 1 for s, p, d, k, t in zip(size, before, dilation, kernel, stride))
    if any(n < 1 for n in out):
        raise RuntimeError(
            f"Given input with spatial size {size}, kernel_size={kernel}, dilation={dilation}, padding={before}, "
            f"calculated shape of the array of sliding blocks as {out}, but its components must be at least one."
        )
    return Geometry(kernel, stride, before, dilation, out)


@shown_as("Im2ColBackward0")
def unfold(input: Tensor, kernel_size: Any, dilation: Sizes = 1, padding: Sizes | str = 0, stride: Sizes = 1) -> Tensor:
    """Sliding windows as columns: (N, C, H, W) to (N, C * taps, windows); unbatched, too."""
    if input._array.ndim not in (3, 4):
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
            f"but got: {list(input.shape)}"
        )
    batched = input._array.ndim == 4
    x = input if batched else input.unsqueeze(0)
    result = unfold_windows(x, _window_geometry(x._array.shape[2:], kernel_size, dilation, padding, stride))
    return result if batched else result.squeeze(0)


@shown_as("Col2ImBackward0")
def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Sizes = 1, padding: Sizes | str = 0, stride: Sizes = 1
) -> Tensor:
    """Columns (N, C * taps, windows) added up where windows overlap: (N, C, *output_size)."""
    if input._array.ndim not in (2, 3):
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            f"input, but got: {list(input.shape)}"
        )
    size = ints(output_size, 2, "output_size")
    geometry = _window_geometry(size, kernel_size, dilation, padding, stride)
    batched = input._array.ndim == 3
    columns = input if batched else input.unsqueeze(0)
    taps, windows = math.prod(geometry.kernel), math.prod(geometry.out)
    if columns._array.shape[1] % taps:
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)="
            f"{columns._array.shape[1]} and kernel_size={geometry.kernel}."
        )
    if columns._array.shape[2] != windows:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={geometry.kernel}, dilation={geometry.dilation}, padding="
            f"{geometry.padding}, stride={geometry.stride}, expected size of input's dimension 2 to match the calculated "
            f"number of sliding blocks {geometry.out[0]} * {geometry.out[1]} = {windows}, but got "
            f"input.size(2)={columns._array.shape[2]}."
        )
    result = fold_windows(columns, size, geometry)
    return result if batched else result.squeeze(0)
