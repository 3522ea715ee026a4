"""``torch.backends.cuda``: switches that scripts set. CuPy has its own; nothing here reads these."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["enable_flash_sdp", "enable_math_sdp", "enable_mem_efficient_sdp", "is_built", "matmul", "sdp_kernel"]


class _Matmul:
    """The switches of matrix multiplication."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True


matmul = _Matmul()
_kernels = {"flash": True, "mem_efficient": True, "math": True}


def is_built() -> bool:
    """Always False."""
    return False


def enable_flash_sdp(enabled: bool) -> None:
    """Noted: there is one attention kernel, which never holds the whole score matrix."""
    _kernels["flash"] = enabled


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Noted."""
    _kernels["mem_efficient"] = enabled


def enable_math_sdp(enabled: bool) -> None:
    """Noted."""
    _kernels["math"] = enabled


def flash_sdp_enabled() -> bool:
    """What was last asked for."""
    return _kernels["flash"]


def mem_efficient_sdp_enabled() -> bool:
    """What was last asked for."""
    return _kernels["mem_efficient"]


def math_sdp_enabled() -> bool:
    """What was last asked for."""
    return _kernels["math"]


@contextmanager
def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, **_: Any
) -> Iterator[None]:
    """Accepted; the one kernel is used."""
    before = dict(_kernels)
    _kernels.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient)
    try:
        yield
    finally:
        _kernels.update(before)
