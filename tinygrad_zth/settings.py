"""Switches of PyTorch's that scripts set at their top. Those with nothing to switch here keep what they were told."""

from __future__ import annotations

import warnings
from typing import Any

from . import backends, dtypes
from .backends import parallel

__all__ = [
    "are_deterministic_algorithms_enabled", "get_deterministic_debug_mode", "get_float32_matmul_precision",
    "get_num_interop_threads", "get_num_threads", "is_deterministic_algorithms_warn_only_enabled",
    "is_warn_always_enabled", "set_default_tensor_type", "set_deterministic_debug_mode",
    "set_float32_matmul_precision", "set_flush_denormal", "set_num_interop_threads", "set_num_threads",
    "set_warn_always", "use_deterministic_algorithms",
]  # fmt: skip

_state: dict[str, Any] = {
    "multithreading": True,
    "deterministic": False,
    "warn_only": False,
    "interop": 1,
    "warn_always": False,
}
_warned: set[str] = set()  # what has been said once


class set_multithreading_enabled:
    """Noted, for ``is_multithreading_enabled``: a backward pass is one thread's. As a context manager, until its end."""

    def __init__(self, mode: bool) -> None:
        self._before = _state["multithreading"]
        self.mode = _state["multithreading"] = bool(mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        _state["multithreading"] = self._before

    def clone(self) -> set_multithreading_enabled:
        """Another of the same mode."""
        return set_multithreading_enabled(self.mode)


def is_multithreading_enabled() -> bool:
    """What ``set_multithreading_enabled`` was told last."""
    return bool(_state["multithreading"])


def get_num_threads() -> int:
    """How many threads large elementwise work is shared among."""
    return parallel.get_num_threads()


def set_num_threads(num: int) -> None:
    """Share large elementwise work among ``num`` threads. RuntimeError unless it is a positive int."""
    if isinstance(num, bool) or not isinstance(num, int):
        raise RuntimeError(f"set_num_threads expects an int, but got {type(num).__name__}")
    if num <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    parallel.set_num_threads(num)


def get_num_interop_threads() -> int:
    """What was last set; operations run one after the other."""
    return int(_state["interop"])


def set_num_interop_threads(num: int) -> None:
    """Noted. Raises RuntimeError unless ``num`` is positive."""
    if num <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    _state["interop"] = num


def get_float32_matmul_precision() -> str:
    """What was last set. On the host float32 products are always computed in float32."""
    return backends.matmul_precision()


def set_float32_matmul_precision(precision: str) -> None:
    """ "highest": float32 products in float32. "high" and "medium": on a CUDA device their factors may be rounded to TF32.

    On the host nothing changes. As in PyTorch, another word warns and changes nothing.
    """
    if precision not in ("highest", "high", "medium"):
        warnings.warn(f"{precision} is not one of 'highest', 'high', or 'medium'; nothing was changed", stacklevel=2)
        return
    backends.set_matmul_precision(precision)


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Noted: on the CPU every algorithm here is deterministic."""
    _state["deterministic"], _state["warn_only"] = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What was last asked for."""
    return bool(_state["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What was last asked for."""
    return bool(_state["warn_only"])


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """0 "default", 1 "warn" or 2 "error". Raises RuntimeError for anything else."""
    modes = {"default": 0, "warn": 1, "error": 2}
    level = modes.get(debug_mode) if isinstance(debug_mode, str) else debug_mode
    if level not in (0, 1, 2):
        raise RuntimeError(
            f"invalid value for debug_mode, expected one of default, warn, error or 0, 1, 2: {debug_mode}"
        )
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2, as :func:`set_deterministic_debug_mode` takes."""
    if not _state["deterministic"]:
        return 0
    return 1 if _state["warn_only"] else 2


def set_flush_denormal(mode: bool) -> bool:
    """False: not supported, as NumPy leaves the processor's mode alone."""
    return False


def set_warn_always(b: bool, /) -> None:
    """Noted."""
    _state["warn_always"] = bool(b)


def is_warn_always_enabled() -> bool:
    """What was last set."""
    return bool(_state["warn_always"])


def set_default_tensor_type(t: object, /) -> None:
    """Set the default dtype by a tensor type or its name: ``torch.DoubleTensor``, "torch.FloatTensor"."""
    name = t if isinstance(t, str) else f"torch.{getattr(t, '__name__', t)}"
    for kind in dtypes.ALL:
        if name == f"torch.{kind.legacy}Tensor":
            dtypes.set_default_dtype(kind)
            return
    raise TypeError(f"invalid type object: {name}")


def warn_once(message: str) -> None:
    """Warn the caller's caller's caller, once in a process, or each time after ``set_warn_always(True)``."""
    if _state["warn_always"] or message not in _warned:
        _warned.add(message)
        warnings.warn(message, stacklevel=4)
