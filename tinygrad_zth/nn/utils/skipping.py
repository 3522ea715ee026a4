"""A layer whose parameters are not to be drawn: those of a checkpoint come in their place."""

from __future__ import annotations

import inspect
from typing import Any

from ...generator import fork_rng
from ..module import Module

__all__ = ["skip_init"]


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """``module_cls(*args, **kwargs)``; the random stream is left as it was, and the parameters' values are not specified.

    Raises RuntimeError for what is no Module class, or takes no ``device``.
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    with fork_rng():
        return module_cls(*args, **kwargs)
