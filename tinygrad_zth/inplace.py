"""Writing in place: safe, or refused.

A write goes to memory that other tensors may look at, so three things happen, here and nowhere else:

* the version that all windows on the memory share is raised; whoever saved the old value for a
  backward pass finds out when it is needed (``template.backward_text``);
* the tensor written to gets the node of what was written: it *is* that value now;
* if it is a view, its base gets a node that says "the old base, except for this window, which is the
  new value" (:data:`overwrite`), and every view of the base renews its own node from there when it is
  next asked for (``tensor.renewed_node``). So ``x[:, 0] = 0`` and ``h[1].relu_()`` are differentiable,
  for the base and for all its views.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np
from numpy import ndarray

from .backends import backend_of
from .backends.kept import as_operand
from .dtypes import can_cast, of
from .graph import mode
from .operation import Applied, cast, op, record
from .tensor import Tensor, current_node, new_tensor, replay, storage_of
from .types import Array, Namespace, Number

__all__ = ["apply_in_place", "overwrite", "twin", "write", "write_back", "write_out", "write_result"]


FLOAT32, FLOAT64 = np.dtype("float32"), np.dtype("float64")


def _set_window(array: Array, path: tuple[Any, ...], value: Array) -> None:
    """Write ``value`` into the window of ``array`` that ``path`` leads to."""
    if not path:
        array[...] = value
        return
    *before, (last, arguments) = path
    array = replay(array, before)
    if last.op.name == "index":  # an advanced index reads a copy: it is written by the index itself
        array[arguments[0]] = value
    else:
        last(array, *arguments)[...] = value


def _zero_window(xp: Namespace, x: Array, path: tuple[Any, ...]) -> Array:
    whole = xp.array(x)  # a gradient may be a NumPy scalar
    _set_window(whole, path, 0)
    return whole


def _overwrite(xp: Namespace, x: Array, value: Array, path: tuple[Any, ...]) -> Array:
    whole = xp.array(x)
    _set_window(whole, path, value)
    return whole


zero_window: Applied = op(_zero_window, x=lambda g, path: zero_window(g, path))
overwrite = op(
    _overwrite,
    grad_name="CopySlices",
    x=lambda g, path: zero_window(g, path),
    value=lambda g, path: replay(g, path),
)


def check_writeable(t: Tensor, name: str, path: tuple[Any, ...] = (), fills: bool = False) -> None:
    """Raise RuntimeError where PyTorch refuses to write into the window ``path`` of ``t``.

    With ``fills``, one number goes everywhere: then elements may share their place.
    """
    if mode.recording:
        node = current_node(t)
        if node is not None and node.op is None:
            of_it = "a view of a leaf" if path else "a leaf"
            raise RuntimeError(f"{of_it} Variable that requires grad is being used in an in-place operation.")
        if t._view is not None:
            base = current_node(t._view[0])
            if base is not None and base.op is None:
                raise RuntimeError(
                    "a view of a leaf Variable that requires grad is being used in an in-place operation."
                )
    backend = backend_of(t._array)
    if not backend.is_writeable(t._array):
        window: Any = replay(t._array, path[:-1] if path and path[-1][0].op.name == "index" else path)
        if backend.is_writeable(window) or (fills and getattr(window.flags, "writeable", True)):
            return
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to "
            "a single memory location. Please clone() the tensor before performing the operation."
        )


def write(t: Tensor, value: Tensor | Number, path: tuple[Any, ...] = (), name: str = "copy_") -> Tensor:
    """Write ``value`` (a Tensor or a number, broadcast and cast) into the window ``path`` of ``t``.

    Returns ``t``. Raises RuntimeError for a leaf that requires grad, or overlapping memory.
    """
    check_writeable(t, name, path, name in ("fill_", "zero_") and not isinstance(value, Tensor))
    if isinstance(value, Tensor) and value._array.__class__ is not t._array.__class__:
        value = value.to(t.device)  # from the host to a device, or back
    t_node = current_node(t)
    source = current_node(value) if isinstance(value, Tensor) and t._array.dtype.kind == "f" else None
    base = None if t._view is None else t._view[0]
    base_node = None if base is None else current_node(base)
    _set_window(t._array, path, value._array if isinstance(value, Tensor) else value)
    storage_of(t).version += 1
    if mode.recording and (t_node is not None or source is not None):
        if base is None:
            record(t, overwrite.op, (t_node, source), (path,))
        else:
            record(base, overwrite.op, (base_node, source), (t._view[1] + path,))
    return t


def write_result(t: Tensor, result: Tensor, name: str) -> Tensor:
    """Make ``t``, in place, what the operation ``name`` computed from it. Returns ``t``.

    Raises RuntimeError if the result's shape is not ``t``'s, or its dtype is of a higher category.
    """
    check_writeable(t, name)
    here, new = t._array, result._array
    if new.shape != here.shape:
        raise RuntimeError(
            f"{name}: output with shape {list(here.shape)} doesn't match the broadcast shape {list(new.shape)}"
        )
    if new.dtype is not here.dtype:
        if not can_cast(of(new.dtype), of(here.dtype)):
            raise RuntimeError(
                f"result type {of(new.dtype).legacy} can't be cast to the desired output type {of(here.dtype).legacy}"
            )
        result = cast(result, here.dtype)
    if t._view is not None or current_node(result) is None:
        return write(t, result, (), name)
    here[...] = result._array
    storage_of(t).version += 1
    t._node = result._node
    return t


def twin(apply: Callable[..., Any], name: str | None = None) -> Callable[..., Tensor]:
    """The in-place method of an operation or a composition of them: ``add`` -> ``add_``."""
    operation = getattr(apply, "op", None)
    name = name or (operation.name if operation else apply.__name__) + "_"

    def method(self: Tensor, *operands: Any, **options: Any) -> Tensor:
        return apply_in_place(apply, self, operands, options, name)

    if operation is not None and isinstance(operation.forward, np.ufunc) and operation.forward.nin == 2:
        return _in_place(_straight(operation.kernels, method), name, apply)
    return _in_place(method, name, apply)


def write_back(name: str, function: Callable[..., Any]) -> Callable[..., Tensor]:
    """The in-place method of a function that returns a changed copy: ``scatter`` -> ``scatter_``."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return apply_in_place(function, self, args, kwargs, name)

    return _in_place(method, name, function)


def _in_place(method: Any, name: str, of: Callable[..., Any]) -> Callable[..., Tensor]:
    """``method``, which does ``of`` in place, under its name; ``in_place_of`` says what it can be given."""
    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of ``{name[:-1]}``; returns the tensor itself."
    method.in_place_of = of
    named: Callable[..., Tensor] = method
    return named


def _straight(kernels: Any, general: Callable[..., Any]) -> Callable[..., Any]:
    """``general``, and for what need not be recorded the ufunc with ``out=`` the tensor itself."""

    def method(self: Tensor, other: Tensor | Number, **options: Any) -> Tensor:
        here = self._array
        d = here.dtype
        apart = self._node is None and self._view is None  # from any graph
        if isinstance(other, Tensor):
            operand = other._array
            fits = operand.dtype is d and operand.ndim <= here.ndim
            apart = apart and other._node is None and other._view is None
        else:
            fits = (other.__class__ is float or other.__class__ is int) and (d is FLOAT32 or d is FLOAT64)
            operand = as_operand(other, d) if fits else None  # of the host's, as what is written to
        if fits and (apart or not mode.recording) and not options and here.__class__ is ndarray:
            flags = here.flags
            if flags.forc and flags.writeable:
                try:
                    kernels.host(here, operand, here)
                except (ValueError, TypeError):
                    pass  # shapes or dtypes that do not fit: the general way says it in PyTorch's words
                else:
                    (self._storage or storage_of(self)).version += 1
                    return self
        result: Tensor = general(self, other, **options)
        return result

    return method


def apply_in_place(apply: Callable[..., Any], t: Tensor, operands: Any, options: Any, name: str) -> Tensor:
    """Make ``t``, in place, ``apply(t, *operands, **options)``, whatever of the old ``t`` the graph needs. Returns ``t``."""
    check_writeable(t, name)
    return write_result(t, _of_the_old(apply, t, operands, options), name)


def _of_the_old(apply: Callable[..., Any], t: Tensor, operands: Any, options: Any) -> Tensor:
    """The operation of ``t`` as it is now. If the graph needs this value later, it gets a copy."""
    if not mode.recording:
        result: Tensor = apply(t, *operands, **options)
        return result
    old: Any = new_tensor(t._array, node=current_node(t))
    result = apply(old, *operands, **options)
    kept = ref(old)
    del old
    old = kept()
    if old is not None and old is not result:
        old._array = old._array.copy()
    return result


def write_out(out: Tensor, result: Tensor, name: str) -> Tensor:
    """``out=``: store a result in a tensor of the user's, which takes on the result's shape.

    Raises RuntimeError if gradients were asked for, for a dtype of a lower category or on another device.
    """
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if out._array.__class__ is not result._array.__class__ and out.device != result.device:
        raise RuntimeError(f"Expected out tensor to have device {result.device}, but got {out.device} instead")
    if mode.recording and (current_node(result) is not None or current_node(out) is not None):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    if out._array.shape != result._array.shape:
        if out._array.size:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(out.shape)}, "
                f"which does not match the required output shape {list(result.shape)}.",
                UserWarning,
                stacklevel=3,
            )
        out._array = backend_of(out._array).xp.empty(result._array.shape, out._array.dtype)
        out._storage = out._view = None
    return write_result(out, result, name)
