"""How PyTorch's functions may be called, said once: NumPy's names for arguments, and ``out=``.

Any function of PyTorch with a ``dim`` also answers to ``axis``, any with a ``keepdim`` to
``keepdims``, and most can store their result in tensors of the caller's. A room writes the plain
function and decorates it.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from ..device import CPU
from ..graph import extra_of, tick
from ..inplace import write_out
from ..refusal import on_host, on_several_devices
from ..tensor import Tensor

__all__ = ["by_host", "shown_as", "torch_call", "wrong_size"]

Function = TypeVar("Function", bound=Callable[..., Any])
_ALIASES = {"axis": "dim", "keepdims": "keepdim"}


def torch_call(function: Function) -> Function:
    """``function`` of a Tensor, called as PyTorch's: ``axis=``, ``keepdims=`` and ``out=`` too.

    Raises TypeError if the input is not a Tensor.
    """
    name = function.__name__.strip("_")
    signature = inspect.signature(function)
    first = next(iter(signature.parameters))
    tensors = list(
        itertools.takewhile(
            lambda p: p == first or signature.parameters[p].annotation == "Tensor", signature.parameters
        )
    )
    renamed = first == "A"  # torch.det(input=...) and torch.linalg.det(A=...) are one function here

    others = {*_ALIASES, "out", "input"} - ({*signature.parameters} - {"out"})

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        out = None
        if options and not others.isdisjoint(options):
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
            for at, parameter in enumerate(tensors):
                given = args[at] if at < len(args) else options.get(parameter)
                if not isinstance(given, Tensor):
                    raise TypeError(
                        f"{name}(): argument {parameter!r} (position {at + 1}) must be Tensor, not {type(given).__name__}"
                    ) from None
            raise
        return result if out is None else _store(out, result, name)

    parameters = list(signature.parameters.values())
    kind = "Tensor | None" if signature.return_annotation == "Tensor" else "tuple[Tensor, ...] | None"
    place = inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
    parameters.insert(len(parameters) - any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters), place)
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return cast(Function, call)


def shown_as(name: str | Callable[..., str]) -> Callable[[Function], Function]:
    """A decorator for a composition that is one function in PyTorch: the result's ``grad_fn`` is printed as ``name``.

    ``name`` may be a function of the call's arguments.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            before = tick()
            result = function(*args, **options)
            for t in result if isinstance(result, tuple) else (result,):
                node = t._node
                if node is not None and node.seq > before and node.op is not None:  # made here
                    extra_of(node).shown = name if isinstance(name, str) else name(*args, **options)
            return result

        return cast(Function, call)

    return decorate


def wrong_size(name: str, size: tuple[Any, ...]) -> TypeError:
    """PyTorch's error for sizes that are no integers."""
    if len(size) == 1 and not isinstance(size[0], (tuple, list)):
        return TypeError(f"{name}(): argument 'size' (position 1) must be tuple of ints, not {type(size[0]).__name__}")
    sizes = size[0] if len(size) == 1 else size
    at = next((i for i, n in enumerate(sizes) if not hasattr(n, "__index__")), 0)
    return TypeError(
        f"{name}(): argument 'size' failed to unpack the object at pos {at + 1} with error "
        f'"type must be tuple of ints,but got {type(sizes[at]).__name__}"'
    )


def by_host(function: Function, one_device: bool = True) -> Function:
    """``function`` computed by the host, wherever its tensors are: they are copied there, and the results back.

    For what needs LAPACK, or makes a result whose size depends on the data. The copies are recorded, so that
    gradients go through them. With ``one_device``, tensors of two are refused (numbers, 0-d on the host, are not).
    """
    name = function.__name__.strip("_")

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        tensors = list(_tensors((*args, *options.values())))
        where = next((t.device for t in tensors if not on_host(t)), None)
        if where is None:
            return function(*args, **options)
        if one_device:
            apart = on_several_devices(name, [t._array for t in tensors if t._array.ndim or not on_host(t)])
            if apart:
                raise apart
        result = function(*(_moved(a, CPU) for a in args), **{k: _moved(a, CPU) for k, a in options.items()})
        return _moved(result, where)

    return cast(Function, call)


def _tensors(values: Any) -> Iterator[Tensor]:
    """The tensors among values, and in their tuples and lists."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)


def _moved(value: Any, where: Any) -> Any:
    """Tensors, and those in a tuple or a list, brought to a device."""
    if isinstance(value, Tensor):
        return value.to(where)
    if isinstance(value, tuple | list):
        parts = [_moved(v, where) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _store(out: Any, result: Any, name: str) -> Any:
    """Write a result, or each of several, into the tensors the caller gave."""
    if isinstance(result, Tensor):
        return write_out(out, result, name)
    if len(out) != len(result):
        raise TypeError(f"{name}(): out has {len(out)} tensors, {len(result)} are needed")
    return type(result)(*(write_out(place, value, name) for place, value in zip(out, result, strict=True)))
