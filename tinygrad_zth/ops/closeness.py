"""What a value is (NaN, infinite), and whether two are equal or close."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import backend_of
from ..dtypes import of
from ..operation import Applied, op
from ..refusal import beside, on_one_device
from ..tensor import Tensor, new_tensor
from ..types import Array, Namespace, Number
from .calling import by_host

__all__ = ["FUNCTIONS", "METHODS", "allclose", "equal", "isclose", "isnan"]


def _question(name: str, of_floats: Callable[..., Any], of_integers: bool) -> Applied:
    """A bool per element; for integers the answer is known."""

    def kernel(xp: Namespace, x: Array) -> Array:
        return of_floats(xp, x) if x.dtype.kind == "f" else xp.full(x.shape, of_integers)

    return op(kernel, name=name, promote="same")


isnan = _question("isnan", lambda xp, x: xp.isnan(x), False)
isinf = _question("isinf", lambda xp, x: xp.isinf(x), False)
isfinite = _question("isfinite", lambda xp, x: xp.isfinite(x), True)
isposinf = _question("isposinf", lambda xp, x: x == xp.inf, False)
isneginf = _question("isneginf", lambda xp, x: x == -xp.inf, False)
isreal = _question("isreal", lambda xp, x: xp.full(x.shape, True), True)


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """|input - other| <= atol + rtol * |other|, elementwise; equal infinities are close.

    Raises RuntimeError for different dtypes or negative tolerances.
    """
    a, b = input._array, other._array
    if a.__class__ is not b.__class__:
        a, b = (t._array for t in beside(input, other) or (input, other))
        on_one_device("isclose", a, b)
    if a.dtype is not b.dtype:
        raise RuntimeError(f"{of(a.dtype).legacy} did not match {of(b.dtype).legacy}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"{'rtol' if rtol < 0 else 'atol'} must be greater than or equal to zero")
    xp = backend_of(a).xp
    close = a == b
    if equal_nan and a.dtype.kind == "f":
        close = close | (xp.isnan(a) & xp.isnan(b))
    if a.dtype.kind != "b" and (rtol or atol):
        if a.dtype.kind != "f":
            a, b = a.astype("float64"), b.astype("float64")
        gap = abs(a - b)
        close = close | (xp.isfinite(gap) & (gap <= atol + abs(rtol * b)))
    return new_tensor(xp.asarray(close))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether ``isclose`` holds everywhere."""
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have one shape and equal elements (a NaN equals nothing)."""
    if not isinstance(other, Tensor):
        raise TypeError(f"equal(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}")
    on_one_device("equal", input._array, other._array)
    if input._array.shape != other._array.shape:
        return False
    return bool((input._array == other._array).all())


@by_host
def isin(
    elements: Tensor | Number, test_elements: Tensor | Number, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each element is among ``test_elements`` (either may be a number)."""
    a, b = (x._array if isinstance(x, Tensor) else np.asarray(x) for x in (elements, test_elements))
    return new_tensor(np.asarray(np.isin(a, b, assume_unique=assume_unique, invert=invert)))


FUNCTIONS = {
    "allclose": allclose, "equal": equal, "isclose": isclose, "isfinite": isfinite, "isin": isin, "isinf": isinf,
    "isnan": isnan, "isneginf": isneginf, "isposinf": isposinf, "isreal": isreal,
}  # fmt: skip
METHODS = {name: f for name, f in FUNCTIONS.items() if name != "isin"}
