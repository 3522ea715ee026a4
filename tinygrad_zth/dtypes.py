"""The element types, PyTorch's names over NumPy's machine types, and PyTorch's promotion rules.

A NumPy dtype says how an array is stored; a ``dtype`` here is the name a PyTorch user sees for it.
The engine's hot paths compare NumPy dtypes by identity, so every array that enters the package
carries a canonical one (:func:`canonical`).

Promotion follows https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc:
types fall in three categories (bool < integer < floating); an operand decides the result's type
only if nothing of a higher standing is of an equal or higher category, where standing is
"has dimensions" over "0-d tensor" over "Python number".
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from .types import Array

__all__ = [
    "bfloat16",
    "bool",
    "can_cast",
    "double",
    "dtype",
    "float",
    "float16",
    "float32",
    "float64",
    "get_default_dtype",
    "half",
    "int",
    "int16",
    "int32",
    "int64",
    "int8",
    "long",
    "promote_types",
    "set_default_dtype",
    "short",
    "uint8",
]

BOOL, INTEGER, FLOATING = 0, 1, 2
_Bool: TypeAlias = bool  # the built-in types, whose names become dtypes below
_Int: TypeAlias = int
_builtin_bool, _builtin_int, _builtin_float = bool, int, float


class dtype:
    """A tensor's element type, e.g. ``torch.float32``. Compare with ``==`` or ``is``.

    Attributes:
        itemsize: bytes per element.
        is_floating_point: True for float16, bfloat16, float32 and float64.
        is_complex, is_signed: as in PyTorch (complex types are not offered).
    """

    __slots__ = ("category", "is_floating_point", "is_signed", "itemsize", "legacy", "name", "numpy")
    is_complex = False

    def __init__(self, name: str, legacy: str, numpy: str | None, category: _Int, itemsize: _Int) -> None:
        self.name = name
        self.legacy = legacy  # the name in PyTorch's error messages: "Float", "Long"
        self.numpy = None if numpy is None else np.dtype(numpy)
        self.category = category
        self.itemsize = itemsize
        self.is_floating_point = category == FLOATING
        self.is_signed = name not in ("uint8", "bool")

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> Any:
        return (_by_name, (self.name,))

    def to_complex(self) -> None:
        raise NotImplementedError("complex types are not supported by tinygrad_zth")


bool = dtype("bool", "Bool", "bool", BOOL, 1)
uint8 = dtype("uint8", "Byte", "uint8", INTEGER, 1)
int8 = dtype("int8", "Char", "int8", INTEGER, 1)
int16 = short = dtype("int16", "Short", "int16", INTEGER, 2)
int32 = int = dtype("int32", "Int", "int32", INTEGER, 4)
int64 = long = dtype("int64", "Long", "int64", INTEGER, 8)
float16 = half = dtype("float16", "Half", "float16", FLOATING, 2)
bfloat16 = dtype("bfloat16", "BFloat16", None, FLOATING, 2)
float32 = float = dtype("float32", "Float", "float32", FLOATING, 4)
float64 = double = dtype("float64", "Double", "float64", FLOATING, 8)

ALL = (bool, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64)
_names = {t.name: t for t in ALL}
_of_numpy = {t.numpy: t for t in ALL if t.numpy is not None}
_default = float32


def _by_name(name: str) -> dtype:
    return _names[name]


def of(numpy_dtype: np.dtype) -> dtype:
    """The ``dtype`` that names a NumPy dtype. Raises TypeError for one PyTorch users cannot have."""
    try:
        return _of_numpy[numpy_dtype]
    except KeyError:
        raise TypeError(
            f"can't convert np.ndarray of type {numpy_dtype}. The only supported types are: "
            + ", ".join(t.name for t in ALL if t.numpy is not None)
            + "."
        ) from None


def to_numpy(wanted: dtype | type) -> np.dtype:
    """The NumPy dtype behind ``wanted`` (Python's ``float``, ``int`` and ``bool`` are accepted).

    Raises:
        NotImplementedError: for bfloat16, which NumPy cannot store.
        TypeError: for anything that is not a dtype.
    """
    if isinstance(wanted, dtype):
        if wanted.numpy is None:
            raise NotImplementedError(f"{wanted} has no NumPy storage; use torch.float32 (or torch.float16)")
        return wanted.numpy
    for kind, mine in ((_builtin_float, float64), (_builtin_int, int64), (_builtin_bool, bool)):
        if wanted is kind and mine.numpy is not None:
            return mine.numpy
    raise TypeError(f"dtype must be a torch.dtype, not {type(wanted).__name__}: {wanted!r}")


def canonical(array: Array) -> Array:
    """``array`` itself, or a copy in the machine's own byte order and canonical dtype object."""
    mine = of(array.dtype if array.dtype.isnative else array.dtype.newbyteorder("=")).numpy
    return array if array.dtype is mine else array.astype(mine)


def get_default_dtype() -> dtype:
    """The type that Python floats take on in a new tensor (float32 unless set)."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Set the type that Python floats take on. Raises TypeError for a non-floating type."""
    global _default
    if not isinstance(d, dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    to_numpy(d)
    _default = d


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest type that both can be converted to, of PyTorch's table."""
    for at, t in enumerate((type1, type2)):
        if not isinstance(t, dtype):
            raise TypeError(
                f"promote_types(): argument 'type{at + 1}' (position {at + 1}) must be torch.dtype, not {type(t).__name__}"
            )
    if type1.category != type2.category:
        return type1 if type1.category > type2.category else type2
    if type1 is type2:
        return type1
    if bfloat16 in (type1, type2):
        other = type2 if type1 is bfloat16 else type1
        return float32 if other is float16 else other
    return of(np.promote_types(to_numpy(type1), to_numpy(type2)))


def can_cast(from_: dtype, to: dtype) -> _Bool:
    """Whether an in-place result of type ``from_`` may be stored in ``to`` (category never falls)."""
    return from_.category <= to.category


def of_number(number: Any) -> dtype:
    """The type a Python number brings to a promotion. Raises TypeError for what is no number."""
    if isinstance(number, (_builtin_bool, np.bool_)):
        return bool
    if isinstance(number, (_builtin_int, np.integer)):
        return int64
    if isinstance(number, (_builtin_float, np.floating)):
        return _default
    if isinstance(number, (complex, np.complexfloating)):
        raise NotImplementedError("complex numbers are not supported by tinygrad_zth")
    raise TypeError(f"expected a Tensor or a number, not {type(number).__name__}")


def result_of(dimensioned: list[Any], zero_dim: list[Any], numbers: list[Any]) -> dtype:
    """Promotion among the three standings; each argument is an iterable of ``dtype``."""
    best: dtype | None = None
    for standing in (dimensioned, zero_dim, numbers):
        here: dtype | None = None
        for t in standing:
            here = t if here is None else promote_types(here, t)
        if here is not None and (best is None or here.category > best.category):
            best = here
    if best is None:
        raise ValueError("result_type: at least one operand is expected")
    return best
