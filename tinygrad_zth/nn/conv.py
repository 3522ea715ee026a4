"""Convolutions and transposed convolutions as layers (LeCun et al. 1989; Zeiler et al. 2010)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..tensor import Tensor
from . import functional as F
from . import init
from .creation import empty_parameter
from .module import Module
from .parameter import Parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def _tuple(value: Any, n: int) -> tuple[int, ...]:
    """``value`` as a tuple: n times an int, or the sequence as it is."""
    return tuple(value) if isinstance(value, Sequence) else (value,) * n


class _Conv(Module):
    """What all convolutions share: arguments, parameters and how they are drawn and shown."""

    _n: int  # spatial dimensions
    bias: Parameter | None
    weight: Parameter
    padding: Any  # a string, or a tuple of ints

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
        transposed: bool, output_padding: Any, groups: int, bias: bool, padding_mode: str, device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        n = self._n
        stride = _tuple(stride, n)
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of 'same', 'valid'")
            if padding == "same" and any(s != 1 for s in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {_PADDING_MODES}, but got padding_mode='{padding_mode}'")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _tuple(kernel_size, n)
        self.stride = stride
        self.padding = padding if isinstance(padding, str) else _tuple(padding, n)
        self.dilation = _tuple(dilation, n)
        self.transposed = transposed
        self.output_padding = _tuple(output_padding, n)
        self.groups = groups
        self.padding_mode = padding_mode
        outer, inner = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        self.weight = empty_parameter(outer, inner // groups, *self.kernel_size, device=device, dtype=dtype)
        self.register_parameter("bias", empty_parameter(out_channels, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniform on +-1 / sqrt(fan in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        n = len(self.kernel_size)
        s = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * len(self.padding):
            s += f", padding={self.padding}"
        if self.dilation != (1,) * n:
            s += f", dilation={self.dilation}"
        if self.output_padding != (0,) * n:
            s += f", output_padding={self.output_padding}"
        if self.groups != 1:
            s += f", groups={self.groups}"
        if self.bias is None:
            s += ", bias=False"
        if self.padding_mode != "zeros":
            s += f", padding_mode={self.padding_mode}"
        return s


class _Convolution(_Conv):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, False, 0, groups, bias, padding_mode,
            device, dtype,
        )  # fmt: skip

    def _amounts(self) -> list[int]:
        """The padding as ``functional.pad`` takes it: before and after, from the last dimension on."""
        amounts: list[int] = []
        for i in reversed(range(self._n)):
            if self.padding == "valid":
                amounts += [0, 0]
            elif self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                amounts += [total // 2, total - total // 2]
            else:
                amounts += [self.padding[i], self.padding[i]]
        return amounts

    def forward(self, input: Tensor) -> Tensor:
        conv = getattr(F, f"conv{self._n}d")
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._amounts(), self.padding_mode), 0
        result: Tensor = conv(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return result


class Conv1d(_Convolution):
    """Cross-correlation: (N, C, L) or (C, L) -> (N, O, L').

    Args:
        padding: how much on both sides, or "valid" (none), or "same" (the size is kept; stride 1).
        padding_mode: what is put there: "zeros", "reflect", "replicate" or "circular".
        groups: the channels are cut into as many parts, each convolved by itself.

    Attributes:
        weight: (out_channels, in_channels / groups, *kernel_size), uniform on +-1 / sqrt(fan in).
        bias: (out_channels,), the same; or None.

    Raises ValueError for arguments that do not fit together.
    """

    _n = 1


class Conv2d(_Convolution):
    """Cross-correlation: (N, C, H, W) or (C, H, W) -> (N, O, H', W'). Arguments as of ``Conv1d``."""

    _n = 2


class Conv3d(_Convolution):
    """Cross-correlation: (N, C, D, H, W) or (C, D, H, W) -> (N, O, D', H', W'). Arguments as of ``Conv1d``."""

    _n = 3


class _Transposed(_Conv):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1, padding_mode: str = "zeros",
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, True, output_padding, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def _extra(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The output_padding with which the result has the size that is asked for."""
        if output_size is None:
            return self.output_padding
        n, asked = self._n, list(output_size)
        batched = input.dim() == n + 2
        if len(asked) == n + 1 + batched:
            asked = asked[1 + batched :]
        if len(asked) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.dim()}D input, output_size must have {n} or {n + 1 + batched} elements "
                f"(got {len(asked)})"
            )
        least = [
            (size - 1) * s - 2 * p + d * (k - 1) + 1
            for size, s, p, d, k in zip(
                input.shape[-n:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        most = [low + s - 1 for low, s in zip(least, self.stride, strict=True)]
        if any(not low <= size <= high for size, low, high in zip(asked, least, most, strict=True)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {least} to {most} (for an input "
                f"of {input.shape[-n:]})"
            )
        return tuple(size - low for size, low in zip(asked, least, strict=True))

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        transpose = getattr(F, f"conv_transpose{self._n}d")
        extra = self._extra(input, output_size)
        result: Tensor = transpose(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )
        return result


class ConvTranspose1d(_Transposed):
    """The gradient of ``Conv1d`` with respect to its input, as a layer: (N, C, L) or (C, L) -> (N, O, L').

    Args:
        padding: what the convolution would have been given.
        output_padding: added to the size at the end; ``forward``'s ``output_size`` chooses it.

    Attributes:
        weight: (in_channels, out_channels / groups, *kernel_size). bias: (out_channels,) or None.

    Raises ValueError for arguments that do not fit together.
    """

    _n = 1


class ConvTranspose2d(_Transposed):
    """(N, C, H, W) or (C, H, W) -> (N, O, H', W'). Arguments as of ``ConvTranspose1d``."""

    _n = 2


class ConvTranspose3d(_Transposed):
    """(N, C, D, H, W) or (C, D, H, W) -> (N, O, D', H', W'). Arguments as of ``ConvTranspose1d``."""

    _n = 3
