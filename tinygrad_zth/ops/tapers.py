"""Sequences by a rule: the windows of signal processing (hann, hamming, blackman, bartlett, kaiser), and ``range``.

A *periodic* window (the default) is one point of a symmetric window, one longer, left out: what repeats without a seam.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..device import placed
from ..dtypes import dtype
from ..inplace import write_out
from ..tensor import Tensor
from ..types import Array, Device
from .create import _kind, _made

__all__ = ["FUNCTIONS", "METHODS"]


def _taper(
    name: str, length: int, periodic: bool, shape: Callable[[Array, int], Array], dtype: dtype | None,
    device: Device, requires_grad: bool,
) -> Tensor:  # fmt: skip
    placed(device)
    kind = _kind(dtype)
    if kind.kind != "f":
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    if length == 0:
        return _made(np.empty(0, kind), device, requires_grad)
    if length == 1:
        return _made(np.ones(1, kind), device, requires_grad)
    n = length + periodic
    return _made(shape(np.arange(n, dtype=np.float64), n)[:length].astype(kind), device, requires_grad)


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: dtype | None = None, layout: Any = None, device: Device = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """(1 - cos(2 pi i / N)) / 2."""
    return _taper(
        "hann_window", window_length, periodic, lambda i, n: 0.5 - 0.5 * np.cos(2 * np.pi * i / (n - 1)), dtype, device,
        requires_grad,
    )  # fmt: skip


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: dtype | None = None,
    layout: Any = None, device: Device = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """alpha - beta cos(2 pi i / N)."""
    return _taper(
        "hamming_window", window_length, periodic, lambda i, n: alpha - beta * np.cos(2 * np.pi * i / (n - 1)), dtype, device,
        requires_grad,
    )  # fmt: skip


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: dtype | None = None, layout: Any = None, device: Device = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """0.42 - 0.5 cos(2 pi i / N) + 0.08 cos(4 pi i / N)."""

    def shape(i: Array, n: int) -> Array:
        turn = 2 * np.pi * i / (n - 1)
        return 0.42 - 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn)

    return _taper("blackman_window", window_length, periodic, shape, dtype, device, requires_grad)


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: dtype | None = None, layout: Any = None, device: Device = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """1 - |2 i / N - 1|: a triangle."""
    return _taper(
        "bartlett_window",
        window_length,
        periodic,
        lambda i, n: 1 - abs(2 * i / (n - 1) - 1),
        dtype,
        device,
        requires_grad,
    )


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: dtype | None = None, layout: Any = None,
    device: Device = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """I0(beta sqrt(1 - (2 i / N - 1)^2)) / I0(beta), I0 the modified Bessel function of order 0."""

    def shape(i: Array, n: int) -> Array:
        inside = np.sqrt(np.maximum(1 - (2 * i / (n - 1) - 1) ** 2, 0))
        return np.i0(beta * inside) / np.i0(np.asarray(beta, np.float64))

    return _taper("kaiser_window", window_length, periodic, shape, dtype, device, requires_grad)


def range_(
    start: float = 0, end: float = 0, step: float = 1, *, out: Tensor | None = None, dtype: dtype | None = None, layout: Any = None,
    device: Device = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """From start to ``end``, which is included; PyTorch's predecessor of ``arange``, and warns so."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with Python's "
        "range builtin. Instead, use torch.arange, which produces values in [start, end).",
        stacklevel=2,
    )
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    values = start + np.arange(int((end - start) / step) + 1, dtype=np.float64) * step
    t = _made(values.astype(_kind(dtype)), device, requires_grad)
    return t if out is None else write_out(out, t, "range")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "bartlett_window": bartlett_window, "blackman_window": blackman_window, "hamming_window": hamming_window,
    "hann_window": hann_window, "kaiser_window": kaiser_window,
    "range": range_,
}  # fmt: skip
METHODS: dict[str, Callable[..., Any]] = {}
