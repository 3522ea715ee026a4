"""The two functions that an operation is written out into.

An entry of an operation table says what is computed. What users call, and what the backward pass
calls, is written out from the texts here: one straight line of code each, without loops over
arguments, since a loop costs about as much as a whole small operation and is paid at every call.

``forward_text`` unwraps the Tensors, calls the kernel, wraps the result and, if an input requires
grad, leaves a :class:`graph.Node` behind. ``backward_text`` unwraps what the node saved, refuses what
was written over since, and calls the gradient formula of each input that needs one.

A function is written out when it is first called: there are hundreds, and a program calls a few. To see
what an entry became, ``written(operation.apply)`` or ``written(operation.gradients)``, and
``inspect.getsource`` of that.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .operation import Operation

__all__ = ["backward_text", "forward_text", "on_first_call", "written"]


def on_first_call(text: Callable[[], str], namespace: dict[str, Any], name: str, title: str) -> Any:
    """A function that becomes, when it is first called, the one that ``text()`` defines.

    ``namespace`` are its globals; tracebacks show its text under ``<title>``. It stays the same object,
    so whoever holds it holds what it became.
    """

    def become() -> Callable[..., Any]:
        source, filename = text(), f"<{title}>"
        local: dict[str, Any] = {}
        exec(compile(source, filename, "exec"), namespace, local)
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        (real,) = local.values()
        # Another thread may be in the middle of a first call: it still needs `_become`.
        function.__defaults__ = real.__defaults__
        function.__kwdefaults__ = {**(real.__kwdefaults__ or {}), "_become": become}
        function.__code__ = real.__code__
        return function

    function = FunctionType(_stand_in.__code__, namespace, name)
    function.__kwdefaults__ = {"_become": become}
    function.__qualname__ = name  # what Python's own errors call it
    return function


def _stand_in(*args: Any, _become: Callable[..., Any], **options: Any) -> Any:
    return _become()(*args, **options)


def written(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` itself, written out by now if it is one of :func:`on_first_call`."""
    if isinstance(function, FunctionType) and function.__code__ is _stand_in.__code__:
        (function.__kwdefaults__ or {})["_become"]()
    return function


# ---------------------------------------------------------------------------- forward

_INPUT = """\
    if isinstance({p}, Tensor):
        {p}_array = {p}._array
        {p}_node = {p}._node if {p}._view is None else current_node({p})
    else:
        {p}_array = {p}
        {p}_node = None
"""

# Of two that may be Tensors: raw arrays alone, what gradient formulas compute with, are handed to the kernel as they are.
_INPUTS = """\
    if {p}.__class__ is Tensor or isinstance({p}, Tensor):
        {p}_array = {p}._array
        {p}_node = {p}._node if {p}._view is None else current_node({p})
        if {q}.__class__ is Tensor or isinstance({q}, Tensor):
            {q}_array = {q}._array
            {q}_node = {q}._node if {q}._view is None else current_node({q})
        else:
            {q}_array = {q}
            {q}_node = None
    elif {p}.__class__ is {q}.__class__ is ndarray:
        return kernels.host({arguments})
    elif isinstance({q}, Tensor):
        {p}_array = {p}
        {p}_node = None
        {q}_array = {q}._array
        {q}_node = {q}._node if {q}._view is None else current_node({q})
    else:
        return {kernel}({arguments})
"""

_ONE_INPUT = """\
    if {p}.__class__ is not Tensor and not isinstance({p}, Tensor):
        return {kernel}({arguments})
    {p}_array = {p}._array
    {p}_node = {p}._node if {p}._view is None else current_node({p})
"""

_KERNEL = "(kernels.host if {first}.__class__ is ndarray else kernels[{first}.__class__])"

_TEMPLATE = """\
def {name}({signature}):
{unwrap}\
    try:
        {results} = {kernel}({arrays})
{composed}\
    except (TypeError, ValueError, AttributeError) as error:
{beside}\
        raise refused(op, error, {able}) from None
{raw}\
    if r.__class__ is not ndarray and r.__class__ not in array_types:
        r = asarray(r)  # NumPy gives a scalar where the result has no dimensions
{ordered}\
    t = blank()
    t._array = r
    t._grad = None
{window}\
{record}\
    return t
"""

_COMPOSED = """\
    except Composed:  # no kernel for these arrays' backend
        return op.plain({arguments})
"""

_BESIDE = """\
        same = beside({able})
        if same is not None:
            return apply(*same, out=out)
"""

_ORDERED = """\
    if not r.flags.c_contiguous:
        r = r.copy("C")
"""

_RAW = """\
    if {all_raw}:
        return r
"""

_RECORD = """\
    if {no_node} or not mode.recording:
        t._node = None
        return t
    n = t._node = Node()
    n.op = op
    n.edges = ({edges})
    n.saved = ({saved})
    n.stamps = ({stamps})
    n.shape = r.shape
    n.dtype = r.dtype
    n.seq = tick()
    n.extra = None
    if graph.anomaly:
        remember_place(n)
"""

_WINDOW = """\
    s = t._storage = {p}._storage or storage_of({p})
    v = {p}._view
    last = ((apply, ({arguments})),)
    t._view = ({p}, last, s.version) if v is None else (v[0], v[1] + last, s.version)
"""


_UNARY = """\
    if input.__class__ is Tensor or isinstance(input, Tensor):
        input_array = input._array
        input_node = input._node if input._view is None else current_node(input)
    else:
        return raw_call(op, input)
"""

_UNARY_FLOAT = """\
    if input_array.dtype.kind != "f":
        return promoted(op, "float", input, None, out)
"""

# A number as the ufunc is given it (``backends.kept.Numbers``), beside a tensor of dtype d.
_NUMBER = "in_float32[{p}] if d is float32 and array.__class__ is ndarray else {p}"

# Of a number of class c beside a tensor of dtype d: whether it does not simply take on that dtype.
_MISFIT = "not (((c is float or c is int) and (d is float32 or d is float64)) or (c is int and d is int64))"

_BINARY = """\
    if input.__class__ is Tensor or isinstance(input, Tensor):
        array = input_array = input._array
        input_node = input._node if input._view is None else current_node(input)
        c = other.__class__
        if c is Tensor or (c is not float and isinstance(other, Tensor)):
            other_array = other._array
            other_node = other._node if other._view is None else current_node(other)
            if array.dtype is not other_array.dtype:
                return promoted(op, {promote!r}, input, other, out)
        else:  # a Python number takes on the tensor's dtype, if that can hold it
            d = array.dtype
            if {misfit}:
                return promoted(op, {promote!r}, input, other, out)
            other_array = {other}
            other_node = None
    elif isinstance(other, Tensor):
        array = other_array = other._array
        c, d = input.__class__, array.dtype
        if {misfit}:
            return promoted(op, {promote!r}, input, other, out)
        input_array = {input}
        input_node = None
        other_node = other._node if other._view is None else current_node(other)
    else:
        return raw_call(op, input, other)
"""

_OUT = """\
    if out is not None:
        return write_out(apply, out, {operands})
"""

_BINARY_FLOAT = """\
    if array.dtype.kind != "f":
        return promoted(op, "float", input, other, out)
"""


def forward_text(self: Operation, promote: str | None, extras: tuple[str, ...], tensor_like: tuple[str, ...]) -> str:
    """The function that applies the operation ``self``."""
    taken = {"r", "t", "n"} | ({"s", "v", "last"} if self.view else set()) | ({"c", "d"} if promote else set())
    if taken & set(self.parameters):
        raise TypeError(
            f"{self.name}: the written-out function has variables named {sorted(taken)}; rename a parameter"
        )
    names = dict(zip(self.parameters, ("input", "other"), strict=False)) if promote else {}
    called = {p: names.get(p, p) for p in self.parameters}  # a parameter's name in the signature
    ins = [called[p] for p in self.inputs]
    able = [called[p] for p in self.parameters if p in tensor_like or promote]
    able = able or [called[self.parameters[0]]]
    arrays = [f"{p}_array" if p in able else p for p in called.values()]
    signature = arguments = ", ".join(called.values())
    early = not extras and self.plain is None and len(able) < 3  # whether raw arrays are done with at once
    if promote:
        unwrap = _promotion(promote, able, isinstance(self.forward, np.ufunc))
        # An operator is only ever given `out` by the function around it, by name; a keyword-only parameter costs a call
        # of Python's 30 ns.
        signature += ", out=None" if self.infix else ", *, out=None"
    elif early:
        p, q = able[0], able[-1]
        text = _INPUTS if len(able) == 2 else _ONE_INPUT
        unwrap = text.format(p=p, q=q, kernel=_KERNEL.format(first=p), arguments=arguments)
    else:
        unwrap = "".join(_INPUT.format(p=p) for p in able)
    if not promote:  # what has no gradient has no node
        nodeless = [f"{p}_node = " for p in able if p not in ins]
        unwrap = "".join(line for line in unwrap.splitlines(True) if not line.strip().startswith(tuple(nodeless)))

    record = "    t._node = None\n"
    if ins:
        tracked = [f"{p}_node" for p in ins]
        saved = []
        for n in self.saves:
            users = [called[p] for p in self.inputs if n in self.wanted[p]]
            if n == "out":
                value = "r"
            elif n.endswith("_shape") and n not in called:
                value = f"{called[n.removesuffix('_shape')]}_array.shape"
            else:
                value = called.get(n, n)
            # An input that nobody's gradient asks for need not be kept, and may be a number without a shape.
            if users and len(users) < len(ins) and (n in tensor_like or value.endswith("_array.shape")):
                value = f"{value} if {' or '.join(f'{u}_node is not None' for u in users)} else None"
            saved.append(value)
        stamps = [called[self.saves[i]] for i in self.checked]
        is_tensor = "isinstance({p}, Tensor)" if promote else "{p} is not {p}_array"  # what was unwrapped is one
        record = _RECORD.format(
            no_node="(" + " and ".join(f"{n} is None" for n in tracked) + ")",
            edges=_tuple(tracked),
            saved=_tuple(saved),
            stamps=_tuple([f"{p}._storage.version if {is_tensor.format(p=p)} and {p}._storage else 0" for p in stamps]),
        )
    if self.view:
        window = _WINDOW.format(p=able[0], arguments=_tuple(list(called.values())[1:]))
    else:
        window = "    t._view = t._storage = None\n"
    return _TEMPLATE.format(
        name=self.name,
        signature=signature,
        unwrap=unwrap,
        results=", ".join(("r", *extras)),
        composed="" if self.plain is None else _COMPOSED.format(arguments=arguments),
        beside=_BESIDE.format(able=", ".join(able)) if promote and len(able) == 2 else "",
        kernel=_KERNEL.format(first="array" if promote and len(able) == 2 else f"{able[0]}_array"),
        arrays=", ".join(arrays),
        raw="" if promote or early else _RAW.format(all_raw=" and ".join(f"{p}_array is {p}" for p in able)),
        ordered=_ORDERED if self.ordered else "",
        window=window,
        record=record,
        able=", ".join(f"{p}_array" for p in able),
    )


def _promotion(promote: str, able: list[str], ufunc: bool) -> str:
    text = _UNARY
    if len(able) == 2:
        numbers = {p: _NUMBER.format(p=p) if ufunc else p for p in able}
        text = _BINARY.format(promote=promote, misfit=_MISFIT, **numbers)
    if promote == "float":
        text += _UNARY_FLOAT if len(able) == 1 else _BINARY_FLOAT
    return text + _OUT.format(operands=", ".join(able))


def _tuple(items: list[str]) -> str:
    return ", ".join(items) + ("," if len(items) == 1 else "")


# ---------------------------------------------------------------------------- backward

_BACKWARD = """\
def gradients_of_{name}(node, g, keep):
    saved = node.saved
    if saved is None:
        raise RuntimeError(FREED)
{out}\
{unpack}\
{free}\
{edges}\
    return {gradients}
"""

_CHECK_OUT = """\
    if node.extra is not None and node.extra.out_storage is not None and node.extra.out_storage.version:
        raise overwritten(op, node, node.extra.out_storage.version, 0)
"""

_CHECKED = """\
    if isinstance({s}, Tensor):
        if {s}._storage is not None and {s}._storage.version != {stamp}:
            raise overwritten(op, {s}._array, {s}._storage.version, {stamp})
        {s} = {s}._array
"""

_UNCHECKED = """\
    if isinstance({s}, Tensor):
        {s} = {s}._array
"""


def backward_text(self: Operation, extras: tuple[str, ...], tensor_like: tuple[str, ...]) -> str:
    """The function ``gradients(node, g, keep)`` of the operation ``self``."""
    names = [f"s{i}" for i in range(len(self.saves))]
    used = set(self.rules) if self.backward else {i for rule in self.rules for i in rule.needs}
    stamps = {i: f"v{i}" for i in self.checked}
    unpack = f"    {_tuple(names)} = saved\n" if names else ""
    if stamps:
        unpack += f"    {_tuple(list(stamps.values()))} = node.stamps\n"
    for i, name in enumerate(self.saves):
        if i in stamps:
            unpack += _CHECKED.format(s=names[i], stamp=stamps[i])
        elif i in used and name in tensor_like:  # the result and what came with it are kept as arrays
            unpack += _UNCHECKED.format(s=names[i])
    # What holds memory is let go, and operands (`x * 2` too, as in PyTorch); shapes and options can be passed again.
    free = ""
    if "out" in self.saves or self.holds:
        free = "    if not keep:\n        node.saved = None\n"
    elif any(_may_hold(name, self, extras) for name in self.saves):
        held = " or ".join(
            f"{s} is not None"
            if i in stamps
            else f"{s}.__class__ in array_types"
            if i in used
            else f"isinstance({s}, Tensor)"
            for i, (s, name) in enumerate(zip(names, self.saves, strict=True))
            if _may_hold(name, self, extras)
        )
        free = f"    if not keep and ({held}):\n        node.saved = None\n"
    edges = [f"e{i}" for i in range(len(self.inputs))]
    if self.backward:
        gradients = (
            f"backward(g, ({_tuple([f'{e} is not None' for e in edges])}), "
            + ", ".join(names[i] for i in self.rules)
            + ")"
        )
    else:
        parts = []
        for i, (e, rule) in enumerate(zip(edges, self.rules, strict=True)):
            call = f"formula{i}({', '.join(['g', *[names[j] for j in rule.needs]])})"
            # The only edge of a recorded node leads somewhere.
            parts.append(call if len(edges) == 1 else f"None if {e} is None else {call}")
        gradients = f"({_tuple(parts)})"
    needs_edges = len(edges) > 1 or self.backward
    return _BACKWARD.format(
        name=self.name,
        out=_CHECK_OUT if self.saves_out else "",
        unpack=unpack,
        free=free,
        edges=f"    {_tuple(edges)} = node.edges\n" if needs_edges else "",
        gradients=gradients,
    )


def _may_hold(name: str, self: Operation, extras: tuple[str, ...]) -> bool:
    """Whether what is saved under ``name`` may be an array or a Tensor."""
    return name in self.parameters or name in extras or name == "out"
