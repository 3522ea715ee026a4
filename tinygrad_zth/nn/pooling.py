"""Pooling as layers. Each calls the function of the same name in ``nn.functional``."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "FractionalMaxPool2d", "FractionalMaxPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d",
    "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
]  # fmt: skip


def _tuple(value: Any, n: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * n


class _MaxPool(Module):
    _n: int

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:  # with return_indices, a pair of them
        result: Tensor = getattr(F, f"max_pool{self._n}d")(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )
        return result

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window of (N, C, L) or (C, L).

    Args:
        stride: default, ``kernel_size``. padding: -inf on both sides, at most half a kernel.
        return_indices: return also where each was found.
        ceil_mode: also a last window that reaches beyond the end.
    """

    _n = 1


class MaxPool2d(_MaxPool):
    """The largest element of each window of (N, C, H, W) or (C, H, W). Arguments as of ``MaxPool1d``."""

    _n = 2


class MaxPool3d(_MaxPool):
    """The largest element of each window of (N, C, D, H, W) or (C, D, H, W). Arguments as of ``MaxPool1d``."""

    _n = 3


class _MaxUnpool(Module):
    _n: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = _tuple(kernel_size, self._n)
        self.stride = _tuple(kernel_size if stride is None else stride, self._n)
        self.padding = _tuple(padding, self._n)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        result: Tensor = getattr(F, f"max_unpool{self._n}d")(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )
        return result

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """What ``MaxPool1d`` found, put back where it was; the rest is zero (Zeiler and Fergus 2014)."""

    _n = 1


class MaxUnpool2d(_MaxUnpool):
    """What ``MaxPool2d`` found, put back where it was; the rest is zero."""

    _n = 2


class MaxUnpool3d(_MaxUnpool):
    """What ``MaxPool3d`` found, put back where it was; the rest is zero."""

    _n = 3


class AvgPool1d(Module):
    """The mean of each window of (N, C, L) or (C, L).

    Args:
        stride: default, ``kernel_size``. padding: zeros on both sides, at most half a kernel.
        count_include_pad: whether the zeros of the padding count as elements.
    """

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = _tuple(kernel_size, 1)
        self.stride = _tuple(stride if stride is not None else kernel_size, 1)
        self.padding = _tuple(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    _n: int

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = getattr(F, f"avg_pool{self._n}d")(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip
        return result

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window of (N, C, H, W) or (C, H, W).

    Arguments as of ``AvgPool1d``; divisor_override: divide by this, not by the number of elements.
    """

    _n = 2


class AvgPool3d(_AvgPool):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W). Arguments as of ``AvgPool2d``."""

    _n = 3


class _LPPool(Module):
    _n: int

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = getattr(F, f"lp_pool{self._n}d")(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )
        return result

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """(sum of x ** p) ** (1 / p) of each window of (N, C, L) or (C, L)."""

    _n = 1


class LPPool2d(_LPPool):
    """(sum of x ** p) ** (1 / p) of each window of (N, C, H, W) or (C, H, W)."""

    _n = 2


class LPPool3d(_LPPool):
    """(sum of x ** p) ** (1 / p) of each window of (N, C, D, H, W) or (C, D, H, W)."""

    _n = 3


class _AdaptiveAvgPool(Module):
    _n: int

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = getattr(F, f"adaptive_avg_pool{self._n}d")(input, self.output_size)
        return result

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means of ``output_size`` windows that together cover (N, C, L) or (C, L)."""

    _n = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means of ``output_size`` windows that together cover (N, C, H, W) or (C, H, W); None keeps a size."""

    _n = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means of ``output_size`` windows that together cover (N, C, D, H, W) or (C, D, H, W); None keeps a size."""

    _n = 3


class _AdaptiveMaxPool(Module):
    _n: int

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Tensor:  # with return_indices, a pair of them
        result: Tensor = getattr(F, f"adaptive_max_pool{self._n}d")(input, self.output_size, self.return_indices)
        return result

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima of ``output_size`` windows that together cover (N, C, L) or (C, L)."""

    _n = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima of ``output_size`` windows that together cover (N, C, H, W) or (C, H, W); None keeps a size."""

    _n = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maxima of ``output_size`` windows that together cover (N, C, D, H, W) or (C, D, H, W); None keeps a size."""

    _n = 3


class _FractionalMaxPool(Module):
    _n: int

    def __init__(
        self, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if output_size is None and output_ratio is None:
            raise ValueError(f"{type(self).__name__} requires specifying either an output size, or a pooling ratio")
        n = self._n
        if output_ratio is not None:
            output_ratio = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * n
            if not all(0 < r < 1 for r in output_ratio):
                given = output_ratio[0] if len(set(output_ratio)) == 1 else output_ratio
                raise ValueError(f"output_ratio must be between 0 and 1 (got {given})")
        self.kernel_size = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * n
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = (output_size,) * n if isinstance(output_size, int) else output_size
        self.output_ratio = output_ratio

    def forward(self, input: Tensor) -> Any:
        pool = getattr(F, f"fractional_max_pool{self._n}d")
        return pool(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """Maxima of windows at drawn places of (N, C, H, W), to ``output_size`` or by ``output_ratio`` (Graham 2014)."""

    _n = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """Maxima of windows at drawn places of (N, C, D, H, W), to ``output_size`` or by ``output_ratio``."""

    _n = 3
