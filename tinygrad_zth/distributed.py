"""``torch.distributed``: the names that a training script imports. This package runs in one process.

``is_available()`` is False, and whatever would need other processes raises RuntimeError and says so.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = [
    "all_gather", "all_reduce", "barrier", "broadcast", "destroy_process_group", "get_rank", "get_world_size",
    "init_process_group", "is_available", "is_initialized", "reduce",
]  # fmt: skip


def is_available() -> bool:
    """Always False."""
    return False


def is_initialized() -> bool:
    """Always False."""
    return False


def _refuse(name: str) -> NoReturn:
    raise RuntimeError(
        f"torch.distributed.{name}: tinygrad_zth runs in one process and has no distributed package; run the "
        "script without it (in nanoGPT: start it with `python train.py`, not with torchrun)"
    )


def init_process_group(*args: Any, **kwargs: Any) -> None:
    """Raises RuntimeError: there is one process."""
    _refuse("init_process_group")


def destroy_process_group(group: Any = None) -> None:
    """Raises RuntimeError: there is one process."""
    _refuse("destroy_process_group")


def get_rank(group: Any = None) -> int:
    """Raises RuntimeError: there is one process."""
    _refuse("get_rank")


def get_world_size(group: Any = None) -> int:
    """Raises RuntimeError: there is one process."""
    _refuse("get_world_size")


def barrier(*args: Any, **kwargs: Any) -> None:
    """Raises RuntimeError: there is one process."""
    _refuse("barrier")


def all_reduce(*args: Any, **kwargs: Any) -> None:
    """Raises RuntimeError: there is one process."""
    _refuse("all_reduce")


def all_gather(*args: Any, **kwargs: Any) -> None:
    """Raises RuntimeError: there is one process."""
    _refuse("all_gather")


def broadcast(*args: Any, **kwargs: Any) -> None:
    """Raises RuntimeError: there is one process."""
    _refuse("broadcast")


def reduce(*args: Any, **kwargs: Any) -> None:
    """Raises RuntimeError: there is one process."""
    _refuse("reduce")
