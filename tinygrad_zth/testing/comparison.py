"""``assert_close``: two results are equal up to rounding, or the message says how they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np

from ..tensor import Tensor

# (rtol, atol) by dtype, PyTorch's; integers and bools have to be equal.
TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """``|actual - expected| <= atol + rtol * |expected|``, element by element; equal infinities are close.

    actual, expected: Tensors, arrays or numbers, or sequences or mappings of them, of any depth.
    rtol, atol: both or neither; by default those of the dtype (the larger of two), 0 for integers.
    check_device, check_dtype, check_stride: whether these have to agree too; shapes always have to.
    msg: what the error says, or a function that makes it of the usual message.

    Raises:
        AssertionError: they are not close; the message has how many elements differ, and by how much.
        TypeError: they are of kinds that cannot be compared.
        ValueError: only one of ``rtol`` and ``atol`` is given.
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {'rtol' if rtol is None else 'atol'}."
        )
    found = _difference(actual, expected, rtol, atol, equal_nan, check_device, check_dtype, check_stride, "")
    if found is not None:
        raise AssertionError(msg(found) if callable(msg) else found if msg is None else msg)


def _difference(actual: Any, expected: Any, *how: Any) -> str | None:
    """What is wrong, or None. ``how`` is what :func:`_of_arrays` takes, the place among containers last."""
    place, rest = how[-1], how[:-1]
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            missing = sorted(expected.keys() - actual.keys(), key=str)
            additional = sorted(actual.keys() - expected.keys(), key=str)
            return (
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {missing}\nAdditional keys in the actual mapping: {additional}"
            )
        pairs = [(key, actual[key], expected[key]) for key in actual]
    elif _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
        pairs = [(i, a, b) for i, (a, b) in enumerate(zip(actual, expected))]
    else:
        return _of_arrays(actual, expected, *how)
    for key, a, b in pairs:
        if (found := _difference(a, b, *rest, f"{place}[{key!r}]")) is not None:
            return found
    return None


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _of_arrays(
    actual: Any,
    expected: Any,
    rtol: float | None,
    atol: float | None,
    equal_nan: bool,
    check_device: bool,
    check_dtype: bool,
    check_stride: bool,
    place: str,
) -> str | None:
    kinds = [_kind(actual), _kind(expected)]
    if None in kinds or kinds[0] != kinds[1]:
        raise TypeError(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.")
    where = f"\n\nThe failure occurred for item {place}" if place else ""
    a, b = _array(actual), _array(expected)
    attributes: list[tuple[Any, ...]] = [("shape", tuple(a.shape), tuple(b.shape), True)]
    if kinds[0] == "tensor":
        attributes = [
            ("shape", actual.shape, expected.shape, True),
            ("device", actual.device, expected.device, check_device),
            ("dtype", actual.dtype, expected.dtype, check_dtype),
            ("stride()", actual.stride(), expected.stride(), check_stride),
        ]
    elif kinds[0] == "array":
        attributes.append(("dtype", a.dtype, b.dtype, check_dtype))
    for name, one, other, wanted in attributes:
        if wanted and one != other:
            return f"The values for attribute '{name}' do not match: {one} != {other}.{where}"
    if rtol is None or atol is None:
        both = [TOLERANCES.get(x.dtype.name, (0.0, 0.0)) for x in (a, b)]
        rtol, atol = (max(pair) for pair in zip(*both))
    if a.dtype == bool:
        a, b = a.astype(np.int8), b.astype(np.int8)
    exact = a.dtype.kind in "iu" and b.dtype.kind in "iu" and not rtol and not atol
    wide = a.dtype if exact else np.result_type(a, b, np.float64)
    a, b = a.astype(wide), b.astype(wide)
    with np.errstate(all="ignore"):
        distance = np.abs(a - b)
        close = (a == b) | (np.isfinite(a) & np.isfinite(b) & (distance <= atol + rtol * np.abs(b)))
        if equal_nan and not exact:
            close |= np.isnan(a) & np.isnan(b)
        if close.all():
            return None
        relative = np.where(close, 0, distance / np.abs(b))
        distance = np.where(close, 0, distance)
    word = "close" if rtol or atol else "equal"
    allowed = [f" (up to {t:g} allowed)" if word == "close" else "" for t in (atol, rtol)]
    if close.ndim == 0:
        return (
            f"Scalars are not {word}!\n\nExpected {_array(expected).item()} but got {_array(actual).item()}.\n"
            f"Absolute difference: {distance.item()}{allowed[0]}\n"
            f"Relative difference: {relative.item()}{allowed[1]}{where}"
        )
    lines = [f"Tensor-likes are not {word}!\n"]
    wrong = int((~close).sum())
    lines.append(f"Mismatched elements: {wrong} / {close.size} ({100 * wrong / close.size:.1f}%)")
    for name, size, bound in (("absolute", distance, allowed[0]), ("relative", relative, allowed[1])):
        index = np.unravel_index(int(np.argmax(size)), size.shape)
        at = tuple(int(i) for i in index)
        lines.append(f"Greatest {name} difference: {size[index].item()} at index {at}{bound}")
    return "\n".join(lines) + where


def _kind(value: Any) -> str | None:
    if isinstance(value, Tensor):
        return "tensor"
    if isinstance(value, np.ndarray | np.generic):
        return "array"
    return "number" if isinstance(value, Number) else None


def _array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
