"""Raw bytes as NumPy elements, for every dtype PyTorch writes.

Types that NumPy lacks are widened to the next one that holds all their values: bfloat16 and the
8-bit floats to float32, complex32 to complex64.

Source of the 8-bit floats: P. Micikevicius et al., "FP8 Formats for Deep Learning", 2022; the
"uz" variants: B. Noune et al., "8-bit Numerical Formats for Deep Neural Networks", 2022.
"""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np

__all__ = ["ByteOrder", "itemsize", "read_elements"]

ByteOrder = Literal["<", ">"]

_NATIVE = {
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
}
# Bits of the fraction, bias of the exponent, and whether it is a "uz" type: one zero, one nan.
_FLOAT8 = {
    "float8_e4m3fn": (3, 7, False),
    "float8_e5m2": (2, 15, False),
    "float8_e4m3fnuz": (3, 8, True),
    "float8_e5m2fnuz": (2, 16, True),
}
_ITEMSIZE = {"bfloat16": 2, "complex32": 4, **dict.fromkeys(_FLOAT8, 1)}


def itemsize(dtype: str) -> int:
    """Bytes of an element as stored. Raises KeyError for a dtype that is not known."""
    return np.dtype(dtype).itemsize if dtype in _NATIVE else _ITEMSIZE[dtype]


def read_elements(raw: np.ndarray, dtype: str, order: ByteOrder) -> np.ndarray:
    """The 1-d array of elements in ``raw``, in the machine's byte order.

    raw: 1-d uint8, a whole number of elements; the result shares it where nothing is converted.
    dtype: PyTorch's name without ``torch.``; an unknown one raises KeyError.
    order: ``"<"`` or ``">"``, the byte order of ``raw``.
    """
    if dtype == "bfloat16":
        halves = _native(raw, "uint16", order).astype(np.uint32)
        return (halves << np.uint32(16)).view(np.float32)
    if dtype == "complex32":
        return _native(raw, "float16", order).astype(np.float32).view(np.complex64)
    if dtype in _FLOAT8:
        return _float8_table(dtype).take(raw)
    if dtype not in _NATIVE:
        raise KeyError(dtype)
    return _native(raw, dtype, order)


def _native(raw: np.ndarray, dtype: str, order: ByteOrder) -> np.ndarray:
    stored: np.ndarray = raw.view(np.dtype(dtype).newbyteorder(order))
    return stored.astype(dtype, copy=False)


@functools.cache
def _float8_table(dtype: str) -> np.ndarray:
    """The values of the 256 bit patterns, float32."""
    bits, bias, is_uz = _FLOAT8[dtype]
    code = np.arange(256)
    fraction, exponent = code & (1 << bits) - 1, (code & 0x7F) >> bits
    lead = (exponent > 0).astype(np.float64)  # subnormal numbers have no leading one
    values = (lead + fraction / (1 << bits)) * 2.0 ** (np.maximum(exponent, 1) - bias)
    if is_uz:
        values[0x80] = np.nan
    elif dtype == "float8_e4m3fn":
        values[(code & 0x7F) == 0x7F] = np.nan
    else:
        top = exponent == exponent.max()
        values[top] = np.where(fraction[top] == 0, np.inf, np.nan)
    table: np.ndarray = np.where(code & 0x80, -values, values).astype(np.float32)
    table.flags.writeable = False
    return table
