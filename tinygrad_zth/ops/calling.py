"""How PyTorch's functions may be called, said once: NumPy's names for arguments, and ``out=``.

Any function of PyTorch with a ``dim`` also answers to ``axis``, any with a ``keepdim`` to
``keepdims``, and most can store their result in tensors of the caller's. A room writes the plain
function and decorates it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

from ..inplace import write_out
from ..tensor import Tensor

__all__ = ["torch_call"]

_ALIASES = {"axis": "dim", "keepdims": "keepdim"}


def torch_call(function: Callable) -> Callable:
    """``function`` of a Tensor, called as PyTorch's: ``axis=``, ``keepdims=`` and ``out=`` too.

    Raises TypeError if the input is not a Tensor.
    """
    name = function.__name__.strip("_")
    signature = inspect.signature(function)
    first = next(iter(signature.parameters))
    renamed = first == "A"  # torch.det(input=...) and torch.linalg.det(A=...) are one function here

    @functools.wraps(function)
    def call(*args, **options):
        out = None
        if options:
            for theirs, ours in _ALIASES.items():
                if theirs in options:
                    if ours in options:
                        raise TypeError(f"{name}() got multiple values for argument {ours!r}")
                    options[ours] = options.pop(theirs)
            out = options.pop("out", None)
            if "input" in options and renamed:
                options[first] = options.pop("input")
        try:
            result = function(*args, **options)
        except AttributeError:
            given = args[0] if args else options.get(first)
            if not isinstance(given, Tensor):
                raise TypeError(
                    f"{name}(): argument {first!r} (position 1) must be Tensor, not {type(given).__name__}"
                ) from None
            raise
        return result if out is None else _store(out, result, name)

    parameters = list(signature.parameters.values())
    parameters.append(inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None))
    call.__signature__ = signature.replace(parameters=parameters)
    return call


def _store(out, result, name: str):
    """Write a result, or each of several, into the tensors the caller gave."""
    if isinstance(result, Tensor):
        return write_out(out, result, name)
    if len(out) != len(result):
        raise TypeError(f"{name}(): out has {len(out)} tensors, {len(result)} are needed")
    return type(result)(*(write_out(place, value, name) for place, value in zip(out, result, strict=True)))
