"""``torch.jit``: there is nothing to compile, functions and modules are handed back as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

__all__ = [
    "Final", "annotate", "export", "freeze", "ignore", "is_scripting", "is_tracing", "optimize_for_inference", "script",
    "script_if_tracing", "trace", "unused",
]  # fmt: skip

T = TypeVar("T")


def script(obj: T, optimize: Any = None, *_: Any, example_inputs: Any = None) -> T:
    """``obj`` itself, a function, a class or a module."""
    return obj


def trace(func: T, example_inputs: Any = None, *_: Any, **options: Any) -> T:
    """``func`` itself, a function or a module; it is not run."""
    return func


def freeze(mod: T, preserved_attrs: list[str] | None = None, *_: Any, **options: Any) -> T:
    """``mod`` itself."""
    return mod


def optimize_for_inference(mod: T, other_methods: list[str] | None = None) -> T:
    """``mod`` itself."""
    return mod


def script_if_tracing(fn: T) -> T:
    """``fn`` itself."""
    return fn


def export(fn: T) -> T:
    """``fn`` itself."""
    return fn


def unused(fn: T) -> T:
    """``fn`` itself."""
    return fn


def ignore(drop: bool | Callable[..., Any] = False, **_: Any) -> Any:
    """The decorated function itself, with or without arguments."""
    return drop if callable(drop) else lambda fn: fn


def annotate(the_type: Any, the_value: T) -> T:
    """``the_value`` itself."""
    return the_value


def is_scripting() -> bool:
    """Always False."""
    return False


def is_tracing() -> bool:
    """Always False."""
    return False
