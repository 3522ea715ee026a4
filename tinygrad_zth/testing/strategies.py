"""Hypothesis strategies for tensors: shapes, elements at the edges, layouts of memory, every legal index.

    from hypothesis import given
    from tinygrad_zth import testing

    @given(testing.tensors(elements=testing.elements("float64", -5, 5)))
    def test_relu(x):
        assert (x.relu() >= 0).all()

Hypothesis (MacIver et al., "Hypothesis: a new approach to property-based testing", JOSS 2019) is an
optional dependency: this file is imported when one of its names is first asked of ``testing``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..dtypes import to_numpy
from ..tensor import Tensor, from_array
from .memory import LAYOUTS, laid_out

__all__ = ["axes", "broadcastable", "elements", "indices", "layouts", "shapes", "tensors"]

_FLOATS = ("float32", "float64")
_TIES = (0, 1, -1, 2, 0.5)  # few values, so that equal elements are common


def _numpy_dtype(dtype: Any) -> np.dtype:
    """A NumPy dtype from a name, a NumPy dtype or one of the framework's."""
    try:
        result: np.dtype = np.dtype(dtype)
        return result
    except TypeError:
        return np.dtype(to_numpy(dtype))


def shapes(
    min_dims: int = 0, max_dims: int = 4, min_side: int = 0, max_side: int = 4, max_size: int = 64
) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes, 0-d and without elements included, of at most ``max_size`` elements."""
    sides = st.integers(min_side, max_side)
    return st.lists(sides, min_size=min_dims, max_size=max_dims).map(tuple).filter(lambda s: math.prod(s) <= max_size)


@st.composite
def broadcastable(
    draw: st.DrawFn, n: int = 2, *, max_dims: int = 4, min_side: int = 0, max_side: int = 4, max_size: int = 64
) -> tuple[tuple[int, ...], ...]:
    """``n`` shapes that broadcast together: leading dimensions missing, others of size 1."""
    whole = draw(shapes(0, max_dims, min_side, max_side, max_size))
    found = []
    for _ in range(n):
        kept = whole[draw(st.integers(0, len(whole))) :]
        found.append(tuple(1 if draw(st.booleans()) else side for side in kept))
    if n:  # one of them has all dimensions, or leading ones would often be lost
        found[draw(st.integers(0, n - 1))] = whole
    return tuple(found)


def axes(shape: Sequence[int], *, many: bool = False, none: bool = False) -> st.SearchStrategy[Any]:
    """A dimension of ``shape``, counted from either end (of a 0-d tensor: 0 or -1).

    With ``many`` also tuples of distinct dimensions, the empty one included; with ``none`` also None.
    """
    n = len(shape)
    one = st.integers(-max(n, 1), max(n, 1) - 1)
    choices: list[st.SearchStrategy[Any]] = [one]
    if many:
        sides = st.lists(st.booleans(), min_size=n, max_size=n)
        chosen = st.lists(st.integers(0, max(n - 1, 0)), unique=True, max_size=n) if n else st.just([])
        choices.append(st.builds(lambda d, back: tuple(i - n if back[i] else i for i in d), chosen, sides))
    if none:
        choices.append(st.none())
    return st.one_of(choices)


def layouts(*, writable: bool = False, reversed: bool = True) -> st.SearchStrategy[str]:
    """A name of :data:`LAYOUTS`. ``writable`` leaves out "expanded"; ``reversed=False`` negative strides."""
    leave_out = {"expanded"} if writable else set()
    if not reversed:
        leave_out.add("reversed")
    return st.sampled_from([name for name in LAYOUTS if name not in leave_out])


def elements(
    dtype: Any = "float32",
    min_value: float | None = None,
    max_value: float | None = None,
    *,
    finite: bool = False,
    subnormal: bool = True,
) -> st.SearchStrategy[Any]:
    """Numbers of ``dtype``, biased to its edges.

    For floating types: 0, -0, the smallest subnormal and normal numbers, 1 and its neighbours, the
    extremes, infinities and NaN (not with ``finite``), numbers that tie, and any number between
    ``min_value`` and ``max_value``. A bound makes them finite. For integers: the extremes, small
    numbers, any number.
    """
    kind = _numpy_dtype(dtype)
    if kind.kind == "b":
        return st.booleans()
    if kind.kind in "iu":
        info: Any = np.iinfo(kind)
        low: Any = info.min if min_value is None else max(int(math.ceil(min_value)), info.min)
        high: Any = info.max if max_value is None else min(int(math.floor(max_value)), info.max)
        edges: list[Any] = [v for v in (0, 1, -1, 2, 7, info.min, info.max, low, high) if low <= v <= high]
        near = st.integers(max(low, -4), min(high, 4)) if max(low, -4) <= min(high, 4) else st.sampled_from(edges)
        return st.one_of(near, st.sampled_from(edges), st.integers(low, high))
    if kind.kind != "f":
        raise TypeError(f"elements: no numbers of dtype {dtype}")
    info = np.finfo(kind)
    bounded = min_value is not None or max_value is not None
    low = -float(info.max) if min_value is None else float(min_value)
    high = float(info.max) if max_value is None else float(max_value)
    one = float(np.nextafter(kind.type(1), kind.type(2)))
    edges = [0.0, -0.0, *_TIES, one, float(info.tiny), -float(info.tiny), float(info.max), -float(info.max), low, high]
    if subnormal:
        edges += [float(info.smallest_subnormal), -float(info.smallest_subnormal)]
    if not bounded and not finite:
        edges += [math.inf, -math.inf, math.nan]
    edges = [v for v in edges if math.isnan(v) or math.isinf(v) or low <= v <= high]
    width = kind.itemsize * 8

    def rounded(v: float, up: bool) -> float:  # Hypothesis wants bounds that the width can hold
        w = kind.type(v)
        if (float(w) < v) if up else (float(w) > v):
            w = np.nextafter(w, kind.type(math.inf if up else -math.inf))
        return float(w)

    wide = st.floats(
        rounded(low, True), rounded(high, False), width=width, allow_nan=False, allow_infinity=False,
        allow_subnormal=None if subnormal else False,
    )  # fmt: skip
    return st.one_of(st.sampled_from(edges), wide)


@st.composite
def _arrays(draw: st.DrawFn, shape: tuple[int, ...], kind: np.dtype, numbers: st.SearchStrategy[Any]) -> np.ndarray:
    size = math.prod(shape)
    found = draw(st.lists(numbers, min_size=size, max_size=size))
    with np.errstate(all="ignore"):
        return np.array(found, dtype=kind).reshape(shape)


@st.composite
def tensors(
    draw: st.DrawFn,
    shape: Any = None,
    dtype: Any = None,
    layout: Any = None,
    elements: st.SearchStrategy[Any] | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Tensors of any shape, dtype and layout in memory.

    Args:
        shape: a shape or a strategy for shapes; default, :func:`shapes`.
        dtype: a dtype (of the framework, of NumPy, or its name) or a strategy; default, float32
            or float64.
        layout: a name of :data:`LAYOUTS` or a strategy; default, :func:`layouts`. Under
            "expanded" elements repeat, and the tensor cannot be written to.
        elements: a strategy for the numbers; default, :func:`elements` of the dtype, with its edges.
        requires_grad: make it a leaf that requires grad (floating types only).
    """

    def chosen(what: Any, default: st.SearchStrategy[Any]) -> Any:
        if what is None:
            return draw(default)
        return draw(what) if isinstance(what, st.SearchStrategy) else what

    size = tuple(chosen(shape, shapes()))
    kind = _numpy_dtype(chosen(dtype, st.sampled_from(_FLOATS)))
    values = draw(_arrays(size, kind, edge_elements(kind) if elements is None else elements))
    t = laid_out(values, chosen(layout, layouts()))
    return t.requires_grad_() if requires_grad else t


edge_elements = elements  # the parameter ``elements`` of ``tensors`` hides the strategy's name


# ---------------------------------------------------------------------------- index expressions


@st.composite
def _slices(draw: st.DrawFn, n: int) -> slice:
    bound = st.none() | st.integers(-n - 2, n + 2)
    return slice(draw(bound), draw(bound), draw(st.none() | st.integers(1, 3)))


def _places(draw: st.DrawFn, n: int, shape: tuple[int, ...]) -> np.ndarray:
    size = math.prod(shape)
    found = draw(st.lists(st.integers(-n, n - 1), min_size=size, max_size=size))
    return np.array(found, np.int64).reshape(shape)


@st.composite
def indices(draw: st.DrawFn, shape: Sequence[int], *, basic: bool = False, writable: bool = False) -> Any:
    """An index expression that is legal for a tensor of ``shape``, in any form PyTorch takes.

    Integers from either end, slices with positive steps, ``...``, None, and, unless ``basic``,
    bools, 0-d and n-d integer tensors that broadcast together, lists of integers, and bool masks
    over one or more dimensions. ``writable`` makes no integer tensor name a place twice, so that
    assigning through the index has one meaning.
    """
    shape = tuple(shape)
    parts: list[Any] = []
    d, used_ellipsis = 0, False
    common = draw(shapes(1, 2, 0, 3, 6)) if not basic else ()
    advanced = False
    while d < len(shape) or draw(st.integers(0, 3)) == 0:
        if len(parts) > len(shape) + 3:
            break
        kinds = ["none"] if not used_ellipsis else ["none", "none"]
        if not used_ellipsis:
            kinds.append("ellipsis")
        if d < len(shape):
            kinds += ["slice", "slice", "stop"]
            if shape[d]:
                kinds += ["int", "int"]
            if not basic:
                kinds += ["mask", "flag"]
                if shape[d] and not (writable and advanced):
                    kinds += ["tensor", "tensor", "list", "scalar"]
        kind = draw(st.sampled_from(kinds))
        n = shape[d] if d < len(shape) else 0
        if kind == "stop":  # the dimensions that are left are taken whole
            break
        if kind == "none":
            parts.append(None)
            continue
        if kind == "flag":
            parts.append(advanced or draw(st.booleans()))
            if parts[-1]:
                continue
            while d < len(shape):  # False selects nothing, which broadcasts with no other tensor
                parts.append(draw(_slices(shape[d])))
                d += 1
            break
        if kind == "ellipsis":
            used_ellipsis = True
            rest = draw(st.integers(0, len(shape) - d))
            parts.append(Ellipsis)
            d += rest
            # what follows must reach the end: an ellipsis takes whatever others leave
            for m in shape[d:]:
                parts.append(draw(_slices(m)) if not m or draw(st.booleans()) else draw(st.integers(-m, m - 1)))
            d = len(shape)
            break
        if kind == "mask":
            over = shape[d : d + draw(st.integers(1, len(shape) - d))]
            if advanced:  # how many a mask selects would have to fit the other tensors
                parts.append(draw(_slices(n)))
                d += 1
                continue
            bits = draw(st.lists(st.booleans(), min_size=math.prod(over), max_size=math.prod(over)))
            parts.append(from_array(np.array(bits, bool).reshape(over)))
            d += len(over)
            while d < len(shape):
                parts.append(draw(_slices(shape[d])))
                d += 1
            break
        if kind == "int":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            parts.append(draw(_slices(n)))
        elif kind == "scalar":
            parts.append(from_array(np.asarray(draw(st.integers(-n, n - 1)), np.int64)))
        elif kind == "list":
            length = common[-1] if common and not writable else draw(st.integers(0, n))
            wanted = st.integers(-n, n - 1)
            if writable:
                found = draw(st.lists(st.integers(0, n - 1), unique=True, max_size=n))
            else:
                found = draw(st.lists(wanted, min_size=length, max_size=length))
            parts.append(found)
            advanced = True
        else:
            if writable:
                found = draw(st.lists(st.integers(0, n - 1), unique=True, max_size=n))
                parts.append(from_array(np.array(found, np.int64)))
            else:
                one = tuple(1 if draw(st.integers(0, 4)) == 0 else side for side in common)
                parts.append(from_array(_places(draw, n, one)))
            advanced = True
        d += 1
    if len(parts) == 1 and draw(st.booleans()):
        return parts[0]
    return tuple(parts)
