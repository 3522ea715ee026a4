"""One call in two libraries: value, dtype, shape, gradient, warning and error type must be equal.

A table of calls is a dict from a name to a :class:`Row`; the row draws the arguments. ``agree`` runs the
call with tinygrad_zth and with torch and compares what comes back, or what is raised.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from tests.device_mode import settle

TOLERANCE = {"float16": (2e-3, 2e-3), "float32": (2e-5, 2e-5), "float64": (1e-9, 1e-10)}


class Row(NamedTuple):
    """How a name is called.

    Attributes:
        arguments: a strategy for (positional, keyword) arguments; arrays in them become tensors.
        grad: whether gradients of floating inputs are compared.
        seeded: whether the random streams start from one seed before the call.
        scale: a factor on the tolerance, for what accumulates rounding differently.
        constant: keywords and positions whose tensors do not require grad.
    """

    arguments: st.SearchStrategy
    grad: bool = True
    seeded: bool = False
    scale: float = 1.0
    constant: tuple[str | int, ...] = ()


class Result(NamedTuple):
    """What a call came to: tensors as arrays, or the error's type."""

    error: str | None
    message: str
    outputs: list
    grads: list
    warned: bool


def _tensors(lib, value: Any, leaves: list, grad: bool) -> Any:
    if isinstance(value, np.ndarray):
        t = lib.tensor(value)
        if grad and value.dtype.kind == "f":
            t.requires_grad_(True)
            leaves.append(t)
        return t
    if isinstance(value, (tuple, list)) and any(isinstance(v, np.ndarray) for v in value):
        return type(value)(_tensors(lib, v, leaves, grad) for v in value)
    return value


def _flat(lib, out: Any) -> list:
    if isinstance(out, (tuple, list)):
        return [t for o in out for t in _flat(lib, o)]
    return [out]


def run(lib, call: Callable, args: tuple, kwargs: dict, row: Row) -> Result:
    """``call(lib)`` is the function; it is applied to the arguments, arrays turned into lib's tensors."""
    leaves: list = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        a = tuple(_tensors(lib, v, leaves, row.grad and i not in row.constant) for i, v in enumerate(args))
        k = {n: _tensors(lib, v, leaves, row.grad and n not in row.constant) for n, v in kwargs.items()}
        if row.seeded:
            lib.manual_seed(7)
        try:
            out = call(lib)(*a, **k)
            settle()  # on a device, what was out of range is said now
        except Exception as error:
            return Result(type(error).__name__, str(error), [], [], False)
        outs = _flat(lib, out)
        tracked = [o for o in outs if getattr(o, "requires_grad", False)]
        if tracked and leaves:
            rng = np.random.default_rng(1)
            cotangents = [np.asarray(rng.standard_normal(tuple(o.shape)), str(o.dtype).split(".")[1]) for o in tracked]
            grads = lib.autograd.grad(tracked, leaves, [lib.tensor(c) for c in cotangents], allow_unused=True)
        else:
            grads = ()
    # torch says once in a process that an even kernel needs a copy for padding="same"; that is not compared.
    warned = any(issubclass(w.category, UserWarning) and "padding='same'" not in str(w.message) for w in caught)
    return Result(None, "", outs, list(grads), warned)


def _close(mine: Any, theirs: Any, coarsest: tuple[float, float], what: str) -> None:
    if not hasattr(theirs, "dtype"):
        assert mine == theirs, what
        return
    assert str(mine.dtype) == str(theirs.dtype), f"{what}: dtype {mine.dtype}, torch has {theirs.dtype}"
    assert tuple(mine.shape) == tuple(theirs.shape), f"{what}: shape {mine.shape}, torch has {theirs.shape}"
    a, b = mine.detach().numpy(), theirs.detach().numpy()
    rtol, atol = coarsest if b.dtype.kind == "f" else (0, 0)
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=what)


def _dtypes(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return [d for v in value for d in _dtypes(v)]
    return [str(value.dtype)] if isinstance(value, np.ndarray) else []


def agree(call: Callable, arguments: tuple, row: Row) -> None:
    """Raise AssertionError where the two libraries differ."""
    import torch

    import tinygrad_zth

    args, kwargs = arguments
    mine = run(tinygrad_zth, call, args, kwargs, row)
    theirs = run(torch, call, args, kwargs, row)
    assert mine.error == theirs.error, (
        f"{mine.error or 'no error'} ({mine.message}), torch: {theirs.error or 'no error'} ({theirs.message})"
    )
    if theirs.error:
        return
    assert mine.warned == theirs.warned, f"warned: {mine.warned}, torch: {theirs.warned}"
    floats = [str(o.dtype).split(".")[1] for o in theirs.outputs if hasattr(o, "dtype")] + _dtypes((args, kwargs))
    rtol, atol = max((TOLERANCE[d] for d in floats if d in TOLERANCE), default=(0, 0))
    coarsest = rtol * row.scale, atol * row.scale
    assert len(mine.outputs) == len(theirs.outputs)
    for a, b in zip(mine.outputs, theirs.outputs, strict=True):
        _close(a, b, coarsest, "value")
    assert len(mine.grads) == len(theirs.grads), "requires_grad differs"
    for a, b in zip(mine.grads, theirs.grads, strict=True):
        assert (a is None) == (b is None), "one gradient is None"
        if b is not None:
            _close(a, b, coarsest, "gradient")


# ---------------------------------------------------------------------------- arguments


def arrays(shape: Any, dtype: Any = "float32", low: float = -3.0, high: float = 3.0) -> st.SearchStrategy:
    """Arrays with distinct random values; ``shape`` and ``dtype`` may be strategies.

    Where low is -high the values are normal; integers are drawn between low and high.
    """
    shapes = shape if isinstance(shape, st.SearchStrategy) else st.just(tuple(shape))
    dtypes = dtype if isinstance(dtype, st.SearchStrategy) else st.just(dtype)

    def make(s: tuple, d: str, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        if d == "bool":
            return np.asarray(rng.random(s) < 0.5)
        if "int" in d:
            return np.asarray(rng.integers(int(low), int(high) + 1, s), d)
        if low == -high:
            return np.asarray(rng.standard_normal(s) * high / 2, d)
        return np.asarray(rng.uniform(low, high, s), d)

    return st.builds(make, shapes, dtypes, st.integers(0, 2**20))


def shapes(least: int = 0, most: int = 4, low: int = 0, high: int = 5) -> st.SearchStrategy:
    """Shapes of ``least`` to ``most`` dimensions."""
    return st.lists(st.integers(low, high), min_size=least, max_size=most).map(tuple)


def call(*positional: Any, **named: Any) -> st.SearchStrategy:
    """(args, kwargs) from strategies; anything that is no strategy is itself.

    A keyword is left out in half of the cases, so that defaults are tested, too.
    """
    args = st.tuples(*[p if isinstance(p, st.SearchStrategy) else st.just(p) for p in positional])
    kwargs = st.fixed_dictionaries(
        {}, optional={n: v if isinstance(v, st.SearchStrategy) else st.just(v) for n, v in named.items()}
    )
    return st.tuples(args, kwargs)
