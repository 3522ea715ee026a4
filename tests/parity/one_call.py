"""One call, made in both libraries on the same arguments, and everything about the results compared.

A row of a table (``table_*.py``) is a function of a :class:`Draw`, which hypothesis stands behind; it returns the
arguments as a :class:`Case`. A tensor among them is a :class:`T`: an array, a memory layout and whether it requires
grad, so that each library makes its own from it. ``check`` makes the call as ``torch.<name>``, as ``Tensor.<name>`` and,
where there is one, in place as ``Tensor.<name>_``, and compares value, dtype, shape, whether memory is shared with an
argument, named tuple, requires_grad, the gradients, and, if it raises, the kind of the exception.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

import tinygrad_zth as zth
from tests.device_mode import settle

torch.set_num_threads(1)  # small tensors, and other tests beside this one
LIBRARIES = (torch, zth)
FLOATS, INTS = ("float32", "float64"), ("int64", "int32", "uint8")
EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, float("inf"), float("-inf"), float("nan"))


@dataclass
class T:
    """A tensor to be: ``array``, laid out as ``layout`` says ("C", "transposed", "stepped")."""

    array: np.ndarray
    layout: str = "C"
    grad: bool = False

    def made(self, t: Any) -> Any:
        """The tensor of one library, over memory of its own."""
        a = self.array
        if self.layout == "transposed" and a.ndim > 1:
            x = t.tensor(np.ascontiguousarray(a.T)).permute(*range(a.ndim)[::-1])
        elif self.layout == "stepped" and a.ndim:
            wide = np.zeros((*a.shape[:-1], a.shape[-1] * 2), a.dtype)
            wide[..., ::2] = a
            x = t.tensor(wide)[..., ::2]
        else:
            x = t.tensor(a)
        return x.detach().requires_grad_() if self.grad and a.dtype.kind == "f" else x

    def __repr__(self) -> str:
        return f"T({self.array.tolist()}, {self.array.dtype}, {self.layout}{', grad' if self.grad else ''})"


@dataclass
class D:
    """A dtype (or another attribute of the library) among the arguments, by name."""

    name: str

    def made(self, t: Any) -> Any:
        return getattr(t, self.name)


@dataclass
class Case:
    """The arguments of one call, and what is not to be compared in it."""

    args: tuple
    kwargs: dict = field(default_factory=dict)
    tolerance: float = 1.0


class Draw:
    """What a row draws its arguments with."""

    def __init__(self, draw: Callable):
        self.draw = draw

    def choice(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def int(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def bool(self) -> bool:
        return self.draw(st.booleans())

    def shape(self, least: int = 0, most: int = 3, side: int = 3, empty: bool = True) -> tuple[int, ...]:
        ndim = self.int(least, most)
        return tuple(self.int(0 if empty and self.int(0, 5) == 0 else 1, side) for _ in range(ndim))

    def array(
        self, shape: tuple[int, ...], dtype: str, low: float = -3, high: float = 3, edges: bool = False
    ) -> np.ndarray:
        rng = np.random.default_rng(self.int(0, 2**16))
        kind = np.dtype(dtype).kind
        if kind == "b":
            return rng.random(shape) < 0.5
        if kind in "iu":
            return rng.integers(max(low, 0) if kind == "u" else low, int(high) + 1, shape).astype(dtype)
        values = rng.uniform(low, high, shape)
        if edges:
            values = np.where(rng.random(shape) < 0.3, rng.choice(EDGES, shape), values)
        return np.asarray(values, dtype)

    def tensor(
        self, shape: tuple[int, ...] | None = None, dtype: str = "f", low: float = -3, high: float = 3,
        edges: bool = False, grad: bool = True,
    ) -> T:  # fmt: skip
        """``dtype``: "f" one of the floating types, "i" of the integers, "any" also bool, "n" all but bool; or a name."""
        pools = {"f": FLOATS, "i": INTS, "n": FLOATS + INTS, "any": (*FLOATS, *INTS, "bool")}
        dtype = self.choice(*pools[dtype]) if dtype in pools else dtype
        shape = self.shape() if shape is None else shape
        with_edges = edges and self.bool()
        array = self.array(shape, dtype, low, high, with_edges)
        return T(array, self.choice("C", "C", "transposed", "stepped"), grad and not with_edges and self.bool())

    def dim(self, t: T) -> int:
        """A dimension of ``t``, from either end."""
        n = max(t.array.ndim, 1)
        return self.int(-n, n - 1)

    def broadcastable(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape that broadcasts with ``shape``."""
        kept = shape[self.int(0, len(shape)) :]
        return tuple(1 if self.int(0, 3) == 0 else n for n in kept)


@st.composite
def cases(draw: Callable, row: Callable[[Draw], Case | tuple]) -> Case:
    """The arguments that ``row`` draws."""
    drawn = row(Draw(draw))
    return drawn if isinstance(drawn, Case) else Case(drawn)


# ---------------------------------------------------------------------------- running


def made(value: Any, t: Any) -> Any:
    """``value`` with its T's and D's as one library's objects."""
    if isinstance(value, (T, D)):
        return value.made(t)
    if isinstance(value, (tuple, list)):
        return type(value)(made(v, t) for v in value)
    if isinstance(value, dict):
        return {k: made(v, t) for k, v in value.items()}
    return value


def flat(value: Any) -> Iterator[Any]:
    """The leaves of tuples, lists and dicts."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)) and not isinstance(value, (torch.Size, zth.Size)):
        for v in value:
            yield from flat(v)
    else:
        yield value


def is_tensor(x: Any) -> bool:
    return isinstance(x, (torch.Tensor, zth.Tensor))


def shares(result: Any, arguments: list) -> bool:
    """Whether a result lies in the memory of a tensor among the arguments."""
    if isinstance(result, torch.Tensor):
        place = result.untyped_storage().data_ptr()
        return any(isinstance(a, torch.Tensor) and a.untyped_storage().data_ptr() == place for a in arguments)
    ours = [a._array for a in arguments if isinstance(a, zth.Tensor) and type(a._array) is type(result._array)]
    return any(np.shares_memory(a, result._array) for a in ours)


def base_of(error: BaseException) -> type:
    """The built-in exception that an exception is a kind of."""
    return next(c for c in type(error).__mro__ if c.__module__ == builtins.__name__)


PRECISION = {"float16": 4e-3, "float32": 3e-5, "float64": 1e-9}


def precision(*values: Any) -> float:
    """How close results can be that were made of these: the coarsest floating type among tensors, T's and D's."""
    names = [
        str(v.array.dtype)
        if isinstance(v, T)
        else v.name
        if isinstance(v, D)
        else str(getattr(v, "dtype", "")).removeprefix("torch.")
        for v in flat(values)
    ]
    return max((PRECISION.get(name, 0.0) for name in names), default=0.0)


def same_tensor(theirs: Any, ours: Any, tolerance: float, where: str) -> None:
    """Assert dtype, shape and values equal; NaN equals NaN."""
    assert isinstance(ours, zth.Tensor), f"{where}: {type(ours)} for a Tensor"
    assert str(theirs.dtype) == str(ours.dtype), f"{where}: dtype {ours.dtype}, torch's is {theirs.dtype}"
    assert tuple(theirs.shape) == tuple(ours.shape), f"{where}: shape {ours.shape}, torch's is {theirs.shape}"
    a, b = theirs.detach().numpy(force=True), ours.detach().numpy()
    rtol = tolerance if a.dtype.kind == "f" else 0
    if a.tobytes() != b.tobytes():
        np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol, equal_nan=True, err_msg=where)


def same(theirs: Any, ours: Any, arguments: tuple[list, list], tolerance: float, where: str) -> None:
    """Assert two results equal in everything that a program can see."""
    if is_tensor(theirs):
        same_tensor(theirs, ours, tolerance, where)
        assert theirs.requires_grad == ours.requires_grad, f"{where}: requires_grad is {ours.requires_grad}"
        if theirs.numel():
            mine, yours = shares(ours, arguments[1]), shares(theirs, arguments[0])
            assert mine == yours, f"{where}: {'a view' if mine else 'a copy'}, torch gives the other"
    elif isinstance(theirs, (tuple, list)) and not isinstance(theirs, torch.Size):
        assert len(theirs) == len(ours), f"{where}: {len(ours)} results, torch gives {len(theirs)}"
        fields = [n for n in dir(type(theirs)) if not n.startswith(("_", "n_")) and n not in ("count", "index")]
        if type(theirs).__module__ == "torch.return_types":
            for name in fields:
                assert hasattr(ours, name), f"{where}: no field {name!r}"
        for i, (a, b) in enumerate(zip(theirs, ours, strict=True)):
            same(a, b, arguments, tolerance, f"{where}[{i}]")
    elif isinstance(theirs, float):
        assert isinstance(ours, float), f"{where}: {type(ours)} for a float"
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, equal_nan=True, err_msg=where)
    elif isinstance(theirs, torch.dtype):
        assert str(theirs) == str(ours), where
    else:
        assert theirs == ours and type(theirs).__name__ == type(ours).__name__, (
            f"{where}: {ours!r}, torch gives {theirs!r}"
        )


def attempt(call: Callable, args: tuple, kwargs: dict) -> tuple[Any, BaseException | None]:
    try:
        result = call(*args, **kwargs)
        settle()  # on a device, what was out of range is said now
        return result, None
    except Exception as error:
        return None, error


def gradients(t: Any, result: Any, leaves: list) -> list | None:
    """The gradients of a weighted sum of the floating results; None where nothing is connected."""
    parts = [r for r in flat(result) if is_tensor(r) and r.requires_grad]
    if not parts or not leaves:
        return None
    total = sum((p * t.linspace(0.5, 1.5, p.numel(), dtype=p.dtype).reshape(p.shape)).sum().double() for p in parts)
    return list(t.autograd.grad(total, leaves, allow_unused=True))


def same_call(calls: tuple[Callable, Callable], case: Case, where: str, in_place: bool = False) -> None:
    """Make the call in torch and in this package, and compare."""
    outcomes = []
    for t, call in zip(LIBRARIES, calls, strict=True):
        t.manual_seed(7)
        args, kwargs = made(case.args, t), made(case.kwargs, t)
        leaves = [x for x in flat((args, kwargs)) if is_tensor(x) and x.requires_grad]
        if in_place and args[0].requires_grad:
            args = (args[0].clone(), *args[1:])
        before = list(flat((args, kwargs)))
        outcomes.append((*attempt(call, args, kwargs), before, leaves, args))
    (theirs, their_error, their_args, their_leaves, _), (ours, our_error, our_args, our_leaves, our_all) = outcomes
    if their_error is not None or our_error is not None:
        assert their_error is not None, f"{where} raises {our_error!r}; torch does not"
        assert our_error is not None, f"{where} does not raise; torch: {their_error!r}"
        assert base_of(their_error) is base_of(our_error), f"{where} raises {our_error!r}; torch: {their_error!r}"
        return
    tolerance = case.tolerance * precision(case.args, case.kwargs, theirs)
    if in_place:
        assert ours is our_all[0], f"{where} does not return the tensor itself"
    same(theirs, ours, ([], []) if in_place else (their_args, our_args), tolerance, where)
    try:
        wanted = gradients(torch, theirs, their_leaves)
    except (NotImplementedError, RuntimeError):  # torch has no derivative for it; more than torch is no difference
        return
    if wanted is None:
        return
    for i, (a, b) in enumerate(zip(wanted, gradients(zth, ours, our_leaves), strict=True)):
        if a is None or b is None:  # no path and a gradient of zeros are one and the same
            assert (a if a is not None else zth.zeros(1) if b is None else b).abs().sum() == 0, f"{where}: gradient {i}"
        else:
            same_tensor(a.detach(), b.detach(), tolerance * 10, f"{where}: gradient {i}")


def variants(name: str) -> Iterator[tuple[str, Callable, Callable | None, bool]]:
    """The ways to call ``name`` in torch: (what, torch's, ours or None, whether in place)."""
    theirs, ours = torch, zth
    *path, last = name.split(".")
    for part in path:
        theirs, ours = getattr(theirs, part), getattr(ours, part, None)
    if hasattr(theirs, last):
        yield f"torch.{name}", getattr(theirs, last), getattr(ours, last, None), False
    if path:
        return
    if hasattr(torch.Tensor, last):
        yield f"Tensor.{last}", getattr(torch.Tensor, last), getattr(zth.Tensor, last, None), False
    if hasattr(torch.Tensor, last + "_") and not last.endswith("_"):
        yield f"Tensor.{last}_", getattr(torch.Tensor, last + "_"), getattr(zth.Tensor, last + "_", None), True


def without_gradients(value: Any) -> Any:
    """``value`` with its T's not requiring grad: what stores its result elsewhere cannot be differentiated."""
    if isinstance(value, T):
        return T(value.array, value.layout, False)
    if isinstance(value, (tuple, list)):
        return type(value)(without_gradients(v) for v in value)
    if isinstance(value, dict):
        return {k: without_gradients(v) for k, v in value.items()}
    return value


def same_with_out(calls: tuple[Callable, Callable], case: Case, where: str) -> None:
    """Make the call once more with ``out=``: tensors of the result's shape, and empty ones, which take it on."""
    if not {"out", "requires_grad"}.isdisjoint(case.kwargs):
        return
    args, kwargs = without_gradients(case.args), without_gradients(case.kwargs)
    torch.manual_seed(7)
    result, error = attempt(calls[0], made(args, torch), made(kwargs, torch))
    parts = list(result) if isinstance(result, tuple) else [result]
    if error is not None or not all(is_tensor(p) for p in parts):
        return
    for fits in (True, False):
        stored = []
        for t, call in zip(LIBRARIES, calls, strict=True):
            t.manual_seed(7)
            outs = [
                t.zeros(
                    tuple(p.shape) if fits else (0,),
                    dtype=getattr(t, str(p.dtype).removeprefix("torch.")),
                    device=case.kwargs.get("device"),
                )
                for p in parts
            ]
            out = tuple(outs) if isinstance(result, tuple) else outs[0]
            got, error = attempt(call, made(args, t), {**made(kwargs, t), "out": out})
            if t is torch and isinstance(error, TypeError):
                return  # a function without out=
            stored.append((got, error, outs))
        (_, theirs, wanted), (got, ours, found) = stored
        assert (theirs is None) == (ours is None), f"{where}, out=: {ours!r}; torch: {theirs!r}"
        if theirs is None:
            for a, b in zip(wanted, found, strict=True):
                same_tensor(a, b, case.tolerance * precision(args, kwargs, wanted), f"{where}, out=")
            returned = list(got) if isinstance(got, tuple) else [got]
            assert all(a is b for a, b in zip(returned, found, strict=True)), f"{where} does not return out"


def check(name: str, case: Case, skip: tuple[str, ...] = ()) -> None:
    """All variants of ``name`` on one case. ``skip``: "function", "method", "in_place"."""
    for what, theirs, ours, in_place in variants(name):
        kind = "in_place" if in_place else "method" if what.startswith("Tensor") else "function"
        if kind in skip or (kind != "function" and not isinstance(case.args[0], T)):
            continue
        assert ours is not None, f"{what} is missing"
        same_call((theirs, ours), case, f"{what}{case.args}{case.kwargs or ''}", in_place)
        if kind == "function":
            same_with_out((theirs, ours), case, f"{what}{case.args}{case.kwargs or ''}")
