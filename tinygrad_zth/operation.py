"""An operation is one entry: its forward, and beside it the gradient formula of each input.

    exp = op(np.exp, x=lambda g, out: g * out)
    mul = op(np.multiply, x=lambda g, y: g * y, y=lambda g, x: g * x)
    tril = op(_tril, x=lambda g, diagonal: tril(g, diagonal))        # _tril(xp, x, diagonal)

The kernel (``forward``) is a NumPy function, or a Python function of arrays whose first parameter
may be ``xp``, the arrays' own namespace. Its parameters name the inputs. A keyword of the entry with
an input's name is that input's gradient formula: a function of ``g``, the incoming gradient, and of
whatever it asks for by name, which is then kept for the backward pass, and nothing else is:

    x, y, ...          an input (or a plain argument) of the forward, by its own name
    out                the result
    x_shape            only the shape of an input
    an extra's name    something the kernel returned beside the result (``extras=("rstd",)``)

A formula returns the gradient as if nothing had been broadcast or cast: the engine undoes both, and
repeats what is the same all along a dimension and has size 1 there (``broadcasting.py``). In a normal
backward it is given arrays; under ``create_graph=True``, Tensors. So it is written with operators and
with other operations, which take either, and every primitive has gradients of all orders from the one
formula.

A fused operation gives one ``backward`` for all its inputs in place of formulas,
``backward(g, needs, ...)``, which returns a gradient (or None) per differentiable input and only
ever sees arrays; ``plain``, the same operation composed of primitives, is its specification and
what ``create_graph`` differentiates. Its differentiable inputs are named by ``inputs``.

``op`` writes out two functions, the one that applies the operation and the one that computes its
gradients (see template.py): straight lines of code without loops over arguments, since their
microseconds are paid at every call.
"""

from __future__ import annotations

import inspect
import warnings
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, overload

import numpy as np

from . import graph
from .backends import Composed, Kernels, array_types, backend_of, parameters_of
from .backends.kept import IN_FLOAT32
from .dtypes import get_default_dtype, of, of_number, result_of
from .graph import Node, mode, remember_place, tick
from .refusal import beside, refused
from .storage import order_of_copy
from .template import backward_text, forward_text, on_first_call
from .tensor import Tensor, current_node, from_array, new_tensor, storage_of
from .types import Array, Number, Value

__all__ = ["OPERATIONS", "Operation", "as_function", "as_tensor", "op", "promoted", "refused", "together"]

# log(0) is -inf and 0 / 0 is NaN, silently, as in PyTorch. This concerns warnings raised in modules of
# this package alone; NumPy's own settings stay as the user has them.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tinygrad_zth\b")

OPERATIONS: dict[str, Operation] = {}  # every entry, by name; the property suite walks it
JOINT: weakref.WeakSet[Operation] = weakref.WeakSet()  # and the operations on lists


class Output:
    """Stands in a graph for one of several results: ``edges`` is the producer, ``saved`` its place."""

    __slots__ = ("grad_name", "name")
    saves_out = False
    shown = gradients = None

    def __init__(self, name: str, grad_name: str) -> None:
        self.name, self.grad_name = name, grad_name


class Rule:
    """How the gradient of one input is computed: a formula, and where in ``saved`` it finds its needs."""

    __slots__ = ("formula", "input", "needs")

    def __init__(self, input: str, formula: Callable[..., Any], needs: tuple[int, ...]) -> None:
        self.input, self.formula, self.needs = input, formula, needs


class Applied(Protocol):
    """The function that ``op`` returns. What it makes of raw arrays is an array, which has no type of its own."""

    op: Operation
    __name__: str
    __qualname__: str
    __signature__: inspect.Signature

    @overload
    def __call__(self, input: Tensor, /, *operands: Any, **options: Any) -> Tensor: ...
    @overload
    def __call__(self, *operands: Any, **options: Any) -> Any: ...


class Operation:
    """What the engine knows of an operation.

    Attributes:
        name: as in the table; ``grad_name`` is what PyTorch prints, e.g. ``MulBackward0``.
        shown: None, or how ``grad_name`` depends on the node where it does: a function of the node.
        kernels: forward, by array type.
        inputs: names of the differentiable inputs, in order.
        rules: one Rule per input, for an operation with formulas.
        backward, plain: for a fused operation; else None.
        saves: names of what is saved, in order; ``checked`` are the positions of those whose
            version is compared before use, ``saves_out`` whether the result is among them.
        view: whether the result is a window on the first input's memory.
        ordered: whether the result lies in C order where NumPy would give it the order of its inputs.
        holds: whether what is saved holds memory in other ways than as an array, and is let go with it.
        fresh: whether the gradients it returns (views aside) are buffers that nobody else holds.
        apply: the function that users call.
        gradients: ``gradients(node, g, keep)``, the gradient array for each edge of a node of this
            operation (None for an edge that needs none); unless ``keep``, what the node saved is
            let go. None for an operation that works on lists.
    """

    name: str
    grad_name: str
    forward: Any
    backward: Callable[..., Any] | None
    plain: Callable[..., Any] | None
    kernels: Any
    parameters: tuple[str, ...]
    inputs: tuple[str, ...]
    rules: tuple[Any, ...]
    wanted: dict[str, tuple[str, ...]]
    saves: tuple[str, ...]
    saves_out: bool
    checked: tuple[int, ...]
    view: bool
    ordered: bool
    holds: bool
    fresh: bool
    infix: bool
    refuses_bool: str | None
    shown: Any
    apply: Any
    gradients: Callable[..., Any] | None

    __slots__ = (
        "apply", "backward", "checked", "forward", "fresh", "grad_name", "gradients", "holds", "infix", "inputs", "kernels", "name",
        "ordered", "parameters", "plain", "refuses_bool", "rules", "saves", "saves_out", "shown", "view", "wanted", "__weakref__",
    )  # fmt: skip

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


def op(
    forward: Callable[..., Any],
    *,
    name: str | None = None,
    grad_name: str | None = None,
    promote: str | None = None,
    infix: bool = False,
    refuses_bool: str | None = None,
    view: bool = False,
    ordered: bool = False,
    extras: tuple[str, ...] = (),
    tensors: tuple[str, ...] = (),
    holds: bool = False,
    inputs: tuple[str, ...] = (),
    backward: Callable[..., Any] | None = None,
    plain: Callable[..., Any] | None = None,
    kernels: Mapping[str, Callable[..., Any] | str] | None = None,
    **formulas: Callable[..., Any],
) -> Applied:
    """Define an operation and return the function that applies it to Tensors (or to raw arrays).

    Args:
        forward: the kernel; see the module's docstring.
        name: default, the kernel's own.
        grad_name: default, the name in camel case with ``Backward0``.
        promote: None; "same": operands are brought to one dtype by PyTorch's rules, numbers stay
            weak; "float": also, integers become the default floating type. Such operations take
            ``(input[, other], *, out=None)``.
        infix: an operator of Python's: for an operand that is no number, ``NotImplemented`` is
            returned, so that Python asks the operand.
        refuses_bool: the error message if an operand is of dtype bool.
        view: the result shares the first input's memory.
        ordered: the result lies in C order, as that of PyTorch's reductions does, whatever order its inputs have.
        extras: names of what the kernel returns after the result.
        tensors: inputs that may be Tensors but have no gradient (indices, masks).
        holds: an option that is saved holds arrays (an index): it is let go after the backward pass, like a saved array.
        inputs: for a fused operation, its differentiable inputs.
        kernels: kernels for other backends, by backend name.
    """
    self = Operation()
    self.name = name or forward.__name__.strip("_")
    self.grad_name = grad_name or "".join(w.capitalize() for w in self.name.split("_")) + "Backward0"
    self.forward, self.backward, self.plain, self.view, self.ordered = forward, backward, plain, view, ordered
    self.infix, self.refuses_bool, self.holds = infix, refuses_bool, holds
    self.fresh, self.gradients, self.shown = True, None, None
    self.kernels = Kernels(forward, kernels)
    self.parameters = _parameters(forward)
    self.inputs = tuple(inputs) or tuple(p for p in self.parameters if p in formulas)
    unknown = set(formulas) - set(self.parameters)
    if unknown:
        raise TypeError(f"{self.name}: no input named {sorted(unknown)} in {self.parameters}")

    # What is saved: what some formula asks for. For a fused operation also all of its inputs, from
    # which `plain` can be differentiated again.
    if backward is not None:
        self.wanted = {p: parameters_of(backward)[2:] for p in self.inputs}
        asked = list(dict.fromkeys([*next(iter(self.wanted.values())), *self.parameters]))
    else:
        self.wanted = {p: parameters_of(f)[1:] for p, f in formulas.items()}
        asked = list(dict.fromkeys(n for p in self.inputs for n in self.wanted[p]))
    self.saves = tuple(asked)
    self.saves_out = "out" in asked
    needed = {n for names in self.wanted.values() for n in names}
    tensor_like = (*self.inputs, *tensors)
    self.checked = tuple(i for i, n in enumerate(asked) if n in tensor_like and n in needed)
    if backward is not None:
        self.rules = tuple(asked.index(n) for n in next(iter(self.wanted.values())))
    else:
        self.rules = tuple(Rule(p, formulas[p], tuple(asked.index(n) for n in self.wanted[p])) for p in self.inputs)
    apply = self.apply = _write_out(self, promote, extras, tensor_like)
    apply.op = self
    OPERATIONS[self.name] = self
    return apply


def joint(name: str, saves: tuple[str, ...], backward: Callable[..., Any], grad_name: str | None = None) -> Operation:
    """An operation whose function is written by hand (it takes or gives a list of tensors).

    ``backward(g, needs, *saved)`` returns one gradient per edge; ``g`` is a list, one per output, for
    an operation with :class:`Output` nodes. It is polymorphic, like a formula.
    """
    self = Operation()
    self.name = name
    self.grad_name = grad_name or name.capitalize() + "Backward0"
    self.forward = self.plain = self.apply = self.gradients = self.kernels = self.shown = None
    self.backward, self.saves, self.rules = backward, saves, tuple(range(len(saves)))
    self.view = self.ordered = self.saves_out = self.fresh = self.holds = False
    self.checked = self.inputs = self.parameters = ()
    JOINT.add(self)
    return self


def _parameters(forward: Callable[..., Any]) -> tuple[str, ...]:
    if isinstance(forward, np.ufunc):
        return ("x", "y", "z")[: forward.nin]
    names = parameters_of(forward)
    return names[1:] if names[:1] == ("xp",) else names


# ---------------------------------------------------------------------------- the written-out functions


def _write_out(self: Operation, promote: str | None, extras: tuple[str, ...], tensor_like: tuple[str, ...]) -> Applied:
    """The function that applies ``self`` to Tensors, and ``self.gradients``; see template.py."""
    namespace = {
        "__name__": __name__, "Composed": Composed, "beside": beside, "FREED": FREED, "Node": Node, "Tensor": Tensor, "array_types": array_types,
        "asarray": np.asarray, "current_node": current_node, "float32": np.dtype("float32"),
        "float64": np.dtype("float64"), "int64": np.dtype("int64"), "graph": graph, "in_float32": IN_FLOAT32, "kernels": self.kernels, "ndarray": np.ndarray,
        "mode": mode, "blank": partial(object.__new__, Tensor), "op": self, "promoted": promoted, "raw_call": _raw_call,
        "refused": refused, "remember_place": remember_place, "overwritten": overwritten,
        "storage_of": storage_of, "tick": tick, "write_out": _write_to,
    }  # fmt: skip
    if self.inputs:
        namespace["backward"] = self.backward
        if self.backward is None:
            namespace |= {f"formula{i}": rule.formula for i, rule in enumerate(self.rules)}
        self.gradients = on_first_call(
            lambda: backward_text(self, extras, tensor_like),
            namespace,
            f"gradients_of_{self.name}",
            f"gradients of {self.name}",
        )
    apply: Applied = on_first_call(
        lambda: forward_text(self, promote, extras, tensor_like), namespace, self.name, f"operation {self.name}"
    )
    namespace["apply"] = apply
    apply.__module__ = __name__
    if promote:  # what `help` shows: the function itself is not written out before it is called
        apply.__signature__ = _SIGNATURES[len(self.parameters) - 1]
    return apply


def _unary(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    raise NotImplementedError


def _binary(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    raise NotImplementedError


_SIGNATURES = (inspect.signature(_unary), inspect.signature(_binary))


FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they "
    "have already been freed). Saved intermediate values of the graph are freed when you call "
    ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved tensors after calling backward."
)


def overwritten(operation: Operation, what: Array, version: int, stamp: int) -> RuntimeError:
    """The error for a saved value that was written over: now at ``version``, saved at ``stamp``."""
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: [{of(what.dtype).legacy}Tensor {list(what.shape)}], needed by "
        f"{operation.grad_name}, is at version {version}; expected version {stamp} instead. Hint: "
        "enable anomaly detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True)."
    )


# ---------------------------------------------------------------------------- dtypes


def promoted(operation: Operation, promote: str, input: Value, other: Value, out: Tensor | None) -> Any:
    """Apply ``operation`` to operands brought to one dtype by PyTorch's rules (a cast is recorded)."""
    operands = (input,) if len(operation.parameters) == 1 else (input, other)
    if operation.refuses_bool and any(_is_bool(t) for t in operands):
        raise RuntimeError(operation.refuses_bool)
    try:
        same = together(operation.name, operands, floating=promote == "float")
    except NotANumber as error:
        if operation.infix:
            return NotImplemented
        raise TypeError(*error.args) from None
    return operation.apply(*same, out=out)


class NotANumber(TypeError):
    """An operand is neither a Tensor nor a number."""


def together(
    name: str,
    operands: Any,
    floating: bool = False,
    names: tuple[str, ...] = ("input", "other"),
    like: Tensor | None = None,
) -> list[Tensor]:
    """The operands (Tensors, arrays and numbers) as Tensors of one dtype, PyTorch's choice.

    With ``floating``, integers become the default floating type. Where all are numbers, they go where ``like`` is. Raises TypeError, for the
    operation ``name``, for an operand that is no number.
    """
    kinds: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    tensors = []
    for position, t in enumerate(operands):
        if not isinstance(t, Tensor) and t.__class__ in array_types:
            t = from_array(t)
        if isinstance(t, Tensor):
            kinds[0 if t._array.ndim else 1].append(of(t._array.dtype))
        else:
            try:
                kinds[2].append(of_number(t))
            except TypeError:
                raise NotANumber(
                    f"{name}(): argument {names[position]!r} (position {position + 1}) must be "
                    f"Tensor or number, not {type(t).__name__}"
                ) from None
        tensors.append(t)
    kind = result_of(*kinds)
    if floating and not kind.is_floating_point:
        kind = get_default_dtype()
    xp = next((backend_of(t._array).xp for t in (*tensors, like) if isinstance(t, Tensor)), np)
    return [
        _cast_to(t, kind.numpy) if isinstance(t, Tensor) else new_tensor(xp.asarray(_number(t).astype(kind.numpy)))
        for t in tensors
    ]


def _number(t: Number) -> Any:
    """A number as a 0-d array of NumPy's; one that no dtype holds as an object, for ``astype`` to wrap or refuse."""
    return np.asarray(t, object if isinstance(t, int) and not -(2**63) <= t < 2**63 else None)


def _is_bool(t: Value) -> bool:
    return (t._array.dtype.kind == "b") if isinstance(t, Tensor) else isinstance(t, bool | np.bool_)


def _raw_call(operation: Operation, *operands: Any) -> Array:
    """An operation on raw arrays gives a raw array: how gradient formulas compute."""
    for x in operands:
        if x.__class__ in array_types or isinstance(x, np.generic):
            return operation.kernels[x.__class__](*operands)
    raise TypeError(
        f"{operation.name}(): argument 'input' (position 1) must be Tensor, not {type(operands[0]).__name__}"
    )


def _cast_to(t: Tensor, numpy_dtype: np.dtype[Any] | None) -> Tensor:
    return t if t._array.dtype is numpy_dtype else cast(t, numpy_dtype)


def as_function(function: Any, operation: Operation, doc: str | None = None) -> Applied:
    """``function``, written around ``operation``, as its public face: its name, and its ``op``."""
    applied: Applied = function
    applied.__name__ = applied.__qualname__ = operation.name
    applied.op = operation
    if doc is not None:
        applied.__doc__ = doc
    return applied


def as_tensor(x: Any) -> Tensor:
    """``x`` if it is a Tensor, else a new one over the array or number ``x``."""
    return x if isinstance(x, Tensor) else from_array(np.asarray(x))


def _write_to(apply: Applied, out: Tensor, *operands: Any) -> Any:
    """``out=``: the result is written into ``out``."""
    from .inplace import write_out

    return write_out(out, apply(*operands), apply.op.name)


def record(
    t: Tensor,
    operation: Operation | Output,
    edges: tuple[Any, ...],
    saved: tuple[Any, ...],
    stamps: tuple[Any, ...] = (),
) -> Node:
    """Give ``t`` a node by hand, for what the template does not cover (lists of inputs, writes)."""
    n = t._node = object.__new__(Node)
    n.op, n.edges, n.saved, n.stamps = operation, edges, saved, stamps
    n.shape, n.dtype = t._array.shape, t._array.dtype
    n.seq, n.extra = tick(), None
    if graph.anomaly:
        remember_place(n)
    return n


# The one operation that the engine itself is in need of: dtypes are undone by casts.
def _cast(x: Array, dtype: np.dtype[Any]) -> Array:
    return x.astype(dtype, order_of_copy(x))


cast = op(_cast, name="to", grad_name="ToCopyBackward0", x=lambda g: g)
