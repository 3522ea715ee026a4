"""Convolution over any number of spatial dimensions (LeCun et al. 1989), as blocked products.

    out[n, o, i] = bias[o] + sum_{c, t} weight[o, c, t] x[n, c, stride i + dilation t - padding]

A few samples at a time, the windows are copied into columns (C taps, windows) that stay in a core's
cache, and one product with the weight (O, C taps) makes all their outputs (Chellapilla et al. 2006).
Blocks are shared between threads.

A convolution is linear in its input and in its weight, so its two gradients are linear in the same
way: the three maps below are each other's derivatives, and each is an operation. ``conv_input`` is
also the transposed convolution.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends.parallel import run_tasks, sharers
from ..backends.products import along
from ..operation import Applied, op
from ..tensor import Tensor
from ..types import Array, Namespace
from .rows import widened
from .runs import Runs, add_runs, kept, laid_out, run_columns, runs_of
from .windows import Geometry, add_windows, padded, windows_of

__all__ = ["convolution", "conv_input", "conv_weight", "plain"]

_COLUMNS_AT_ONCE = 1 << 19  # elements of a block's columns (measured: fewer cost waits for the lock, more the cache)
_NS_PER_PRODUCT, _NS_PER_COPY = 0.03, 0.7


def _blocks(xp: Namespace, samples: int, per_sample: int, products: int) -> tuple[list[tuple[int, int]], int]:
    """Ranges of samples to take at a time, and how many threads share them."""
    if xp is not np:
        return [(0, samples)], 1
    step = max(1, _COLUMNS_AT_ONCE // max(per_sample, 1))
    threads = sharers(samples * (products * _NS_PER_PRODUCT + per_sample * _NS_PER_COPY))
    count = -(-samples // step)
    if count:
        count = -(-count // threads) * threads  # as many for each thread, and of one size
        step = -(-samples // count)
    return [(a, min(a + step, samples)) for a in range(0, samples, step)], threads


def _sizes(
    x_shape: tuple[int, ...] | None, weight_shape: tuple[int, ...], geometry: Geometry, groups: int
) -> tuple[int, ...]:
    taps, windows = math.prod(geometry.kernel), math.prod(geometry.out)
    outs, ins = weight_shape[0] // groups, weight_shape[1] * taps
    return outs, ins, windows


def _is_pointwise(size: tuple[int, ...], geometry: Geometry) -> bool:
    """Whether each window is one element of the input, in order: then x holds the columns already."""
    return math.prod(geometry.kernel) == 1 and tuple(size) == geometry.out and not any(geometry.padding)


def _runs(xp: Namespace, size: tuple[int, ...], geometry: Geometry) -> Runs | None:
    """How windows are laid out in long runs, where they are."""
    return runs_of(tuple(size), geometry) if xp is np else None


def _columns(xp: Namespace, x: Array, geometry: Geometry, groups: int, runs: Runs | None) -> Array:
    """The windows of (n, C, *spatial) as (groups, C / groups * taps, n * windows)."""
    n, c = x.shape[:2]
    if runs is not None:
        return run_columns(x, runs).reshape(groups, c // groups * len(runs.taps), n * runs.span)
    if n == 1 and _is_pointwise(x.shape[2:], geometry):
        return x.reshape(groups, c // groups, -1)
    windows = windows_of(padded(xp, x, geometry), geometry)
    columns = xp.empty(windows.shape, x.dtype)
    columns[...] = windows
    return columns.reshape(groups, c // groups * math.prod(geometry.kernel), -1)


def _by_channel(xp: Namespace, y: Array, groups: int, runs: Runs | None) -> Array:
    """(n, O, *out) as (groups, O / groups, n * windows)."""
    n, o = y.shape[:2]
    if runs is not None:
        return laid_out(y, runs).reshape(groups, o // groups, n * runs.span)
    y = y.reshape(n, groups, o // groups, -1)
    return y[0] if n == 1 else xp.ascontiguousarray(y.transpose(1, 2, 0, 3)).reshape(groups, o // groups, -1)


def _matmul(a: Array, b: Array) -> Array:
    """Products of (groups, ., .); one group goes through the two-dimensional product."""
    return (a[0] @ b[0])[None] if len(a) == 1 else a @ b


def _convolution(xp: Namespace, x: Array, weight: Array, bias: Array, geometry: Any, groups: int) -> Array:
    """x (N, C, *spatial), weight (O, C / groups, *kernel), bias (O,) or None -> (N, O, *out)."""
    dtype, x, weight = x.dtype, widened(x), widened(weight)
    samples = x.shape[0]
    outs, ins, windows = _sizes(x.shape, weight.shape, geometry, groups)
    w = weight.reshape(groups, outs, ins)
    runs = _runs(xp, x.shape[2:], geometry)
    out = xp.empty((samples, groups, outs, windows), x.dtype)
    blocks, threads = _blocks(xp, samples, groups * ins * (runs.span if runs else windows), weight.size * windows)
    b = None if bias is None else widened(bias).reshape(groups, outs, 1)

    def task(i: int) -> None:
        first, end = blocks[i]
        product = _matmul(w, _columns(xp, x[first:end], geometry, groups, runs))
        if b is not None:
            product += b
        if runs is not None:
            view = out[first:end].reshape(end - first, groups, outs, *geometry.out)
            view[...] = xp.moveaxis(kept(product, geometry.out, runs), 2, 0)
            return
        out[first:end] = product.reshape(groups, outs, end - first, windows).transpose(2, 0, 1, 3)

    run_tasks(task, len(blocks), threads)
    return out.reshape(samples, groups * outs, *geometry.out).astype(dtype, copy=False)


def _conv_input(xp: Namespace, y: Array, weight: Array, size: tuple[int, ...], geometry: Any, groups: int) -> Array:
    """The adjoint in x: y (N, O, *out), weight (O, C / groups, *kernel) -> (N, C, *size)."""
    dtype, y, weight = y.dtype, widened(y), widened(weight)
    samples, channels = y.shape[0], weight.shape[1] * groups
    outs, ins, windows = _sizes(None, weight.shape, geometry, groups)
    w = weight.reshape(groups, outs, ins).swapaxes(1, 2)
    runs = _runs(xp, size, geometry)
    result = xp.empty((samples, channels, *size), y.dtype)
    blocks, threads = _blocks(xp, samples, groups * ins * (runs.span if runs else windows), weight.size * windows)
    pointwise = _is_pointwise(size, geometry)

    def task(i: int) -> None:
        first, end = blocks[i]
        n = end - first
        columns = _matmul(w, _by_channel(xp, y[first:end], groups, runs))
        if runs is not None:
            add_runs(columns.reshape(channels, len(runs.taps), n * runs.span), tuple(size), runs, result[first:end])
            return
        columns = columns.reshape(channels, *geometry.kernel, n, *geometry.out)
        if pointwise:
            result[first:end] = columns.reshape(channels, n, *size).swapaxes(0, 1)
        else:
            result[first:end] = add_windows(xp, columns, tuple(size), geometry)

    run_tasks(task, len(blocks), threads)
    return result.astype(dtype, copy=False)


def _conv_weight(xp: Namespace, y: Array, x: Array, weight_shape: tuple[int, ...], geometry: Any, groups: int) -> Array:
    """The adjoint in the weight: y (N, O, *out), x (N, C, *spatial) -> weight_shape."""
    dtype, y, x = y.dtype, widened(y), widened(x)
    samples = x.shape[0]
    outs, ins, windows = _sizes(x.shape, weight_shape, geometry, groups)
    runs = _runs(xp, x.shape[2:], geometry)
    products = math.prod(weight_shape) * windows
    blocks, threads = _blocks(xp, samples, groups * ins * (runs.span if runs else windows), products)
    parts = [None] * threads  # a sum for each thread, added in order: the result is always the same

    def task(i: int) -> None:
        total = None
        for first, end in blocks[i::threads]:
            columns = _columns(xp, x[first:end], geometry, groups, runs)
            rows = _by_channel(xp, y[first:end], groups, runs)
            # (taps, outs), not (outs, taps): BLAS is half as fast again with the larger factor first (measured).
            if xp is np and groups == 1:
                product = along(columns[0], rows[0], end - first)[None]
            else:
                product = _matmul(columns, rows.swapaxes(1, 2))
            if total is None:
                total = product
            else:
                total += product
        parts[i] = total

    run_tasks(task, threads, threads)
    total = xp.zeros((groups, ins, outs), x.dtype)
    for part in parts:
        if part is not None:
            total += part
    return xp.ascontiguousarray(total.swapaxes(1, 2)).reshape(weight_shape).astype(dtype, copy=False)


def plain(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Any, groups: int) -> Tensor:
    """The definition: the sum over taps and channels of products of shifted inputs."""
    from ..ops.contract import einsum
    from .windows import unfold_windows

    n, outs = x.shape[0], weight.shape[0] // groups
    columns = unfold_windows(x, geometry).reshape(n, groups, weight.shape[1] * math.prod(geometry.kernel), -1)
    out = einsum("gok,ngkl->ngol", weight.reshape(groups, outs, -1), columns)
    out = out.reshape(n, groups * outs, *geometry.out)
    result: Tensor = out if bias is None else out + bias.reshape(1, -1, *(1,) * len(geometry.out))
    return result


convolution = op(
    _convolution,
    grad_name="ConvolutionBackward0",
    plain=plain,
    x=lambda g, weight, x_shape, geometry, groups: conv_input(g, weight, x_shape[2:], geometry, groups),
    weight=lambda g, x, weight_shape, geometry, groups: conv_weight(g, x, weight_shape, geometry, groups),
    bias=lambda g, x_shape: g.sum((0, *range(2, len(x_shape)))),
)
conv_input: Applied = op(
    _conv_input,
    grad_name="ConvolutionBackward0",
    y=lambda g, weight, geometry, groups: convolution(g, weight, None, geometry, groups),
    weight=lambda g, y, weight_shape, geometry, groups: conv_weight(y, g, weight_shape, geometry, groups),
)
conv_weight: Applied = op(
    _conv_weight,
    grad_name="ConvolutionBackward0",
    y=lambda g, x, geometry, groups: convolution(x, g, None, geometry, groups),
    x=lambda g, y, x_shape, geometry, groups: conv_input(y, g, x_shape[2:], geometry, groups),
)
