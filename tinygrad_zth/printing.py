"""How a tensor prints: PyTorch's text, to the character.

Everything here takes arrays and strings, so that the Tensor class needs one call and
this file needs no Tensor. A printed tensor is made in three steps:

1. *choose what is shown*: an array of more than ``threshold`` elements keeps
   ``edgeitems`` at both ends of each axis;
2. *choose one number format for all that is shown*: whole numbers (``1.``), decimals
   (``1.2346``) or scientific (``1.2346e+05``), and from it one column width;
3. *lay the cells out* in nested brackets, then hang the suffixes (dtype, grad_fn, ...)
   behind them, on a new line where ``linewidth`` would be passed.

Numbers are formatted as Python floats, i.e. in double precision, whatever their dtype.

Source: PyTorch 2.13, ``torch.set_printoptions`` and the text ``repr`` gives there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = [
    "get_printoptions",
    "parameter_repr",
    "printoptions",
    "set_printoptions",
    "tensor_repr",
]

# A float tensor turns to scientific notation when its magnitudes are further apart than
# this, or lie outside these bounds (zeros, infinities and nans have no say).
_MAX_RATIO = 1000.0
_MAX_PLAIN = 1.0e8
_MIN_PLAIN = 1.0e-4


@dataclass
class _PrintOptions:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_options = _PrintOptions()

_PROFILES: dict[str, dict[str, float]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print from now on.

    precision: digits after the point (4).
    threshold: tensors of more elements than this are summarised (1000).
    edgeitems: how many items a summary keeps at both ends of each axis (3).
    linewidth: characters a line may take (80).
    profile: ``"default"``, ``"short"`` or ``"full"``: a set of the four above, which
        the arguments given beside it override; any other name changes nothing.
    sci_mode: True or False forces scientific notation on or off; None, also when the
        argument is left out, lets each tensor decide.

    As in PyTorch the values are not looked at until something is printed: a precision
    that makes no format (``-1``) raises ValueError there.
    """
    if profile is not None:
        _assign(_PROFILES.get(profile, {}))
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    _assign({name: value for name, value in given.items() if value is not None})
    _options.sci_mode = sci_mode


def _assign(values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(_options, name, value)


def get_printoptions() -> dict[str, Any]:
    """The options in force, as keyword arguments for :func:`set_printoptions`."""
    return asdict(_options)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Print with other options inside a ``with`` block.

    Takes the arguments of :func:`set_printoptions`; an unknown one raises TypeError.
    """
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def tensor_repr(
    array: Any,
    *,
    dtype: str | None = None,
    default_dtype: str = "torch.float32",
    device: str | None = None,
    grad_fn: str | None = None,
    requires_grad: bool = False,
    class_name: str = "tensor",
    to_host: Callable[[Any], np.ndarray] = np.asarray,
) -> str:
    """The text ``repr(tensor)`` gives in PyTorch.

    array: the values, of any shape; bool, integer, float or complex.
    dtype: the tensor's dtype as PyTorch writes it (``"torch.float32"``); None reads it
        off ``array``. It is printed where the values do not imply it: when it is neither
        int64, bool nor the default dtype, or, for an empty tensor, not the default dtype.
    default_dtype: what ``torch.get_default_dtype()`` is at the moment.
    device: printed as ``device='...'`` unless None (the default device).
    grad_fn: class name of the backward node (``"TanhBackward0"``), None for a leaf.
    requires_grad: printed for a leaf only.
    class_name: name of the Tensor subclass, in place of ``tensor``.
    to_host: makes a NumPy array of an array from another backend; it is called with only
        that part of ``array`` which is going to be printed.
    """
    if dtype is None:
        dtype = f"torch.{array.dtype.name}"
    prefix = f"{class_name}("
    suffixes = []
    if device is not None:
        suffixes.append(f"device='{device}'")

    is_empty = array.size == 0
    if (is_empty and array.ndim != 1) or (not is_empty and not _options.edgeitems):
        suffixes.append(f"size={tuple(array.shape)}")
    implied = {default_dtype} if is_empty else _implied_dtypes(default_dtype)
    if dtype not in implied:
        suffixes.append(f"dtype={dtype}")
    if grad_fn is not None:
        suffixes.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")

    contents = "[]" if is_empty else _contents(array, len(prefix), to_host)
    return _with_suffixes(prefix + contents, suffixes, len(prefix)) + ")"


def _implied_dtypes(default_dtype: str) -> set[str]:
    complex_default = "complex128" if default_dtype == "torch.float64" else "complex64"
    return {default_dtype, f"torch.{complex_default}", "torch.int64", "torch.bool"}


def _with_suffixes(text: str, suffixes: Sequence[str], indent: int) -> str:
    # PyTorch counts the last line of the values two characters longer than it is, and
    # where a line breaks depends on it.
    column = len(text.rpartition("\n")[2]) + 2
    for suffix in suffixes:
        if column + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text


# -- step 1: what is shown -----------------------------------------------------------


def _contents(array: Any, indent: int, to_host: Callable[[Any], np.ndarray]) -> str:
    summarize = array.size > _options.threshold
    gaps = [summarize and length > 2 * _options.edgeitems for length in array.shape]
    for axis, gap in enumerate(gaps):
        if gap:
            array = array.take(_edges(array.shape[axis]), axis=axis)
    shown = to_host(array)

    if shown.dtype.kind == "c":
        real, real_width = _cells(shown.real)
        imag, imag_width = _cells(shown.imag)
        cells = [_complex_cell(r, i, real_width) for r, i in zip(real, imag, strict=True)]
        width = real_width + imag_width + 1
    else:
        plain, width = _cells(shown)
        cells = [cell.rjust(width) for cell in plain]

    if shown.ndim == 0:
        return cells[0]
    return _brackets(cells, shown.shape, gaps, width, indent)


def _edges(length: int) -> list[int]:
    keep = _options.edgeitems
    places = range(length)
    return [*places[:keep], *places[-keep:]] if keep else []


# -- step 2: one format, one width ---------------------------------------------------


def _cells(values: np.ndarray) -> tuple[list[str], int]:
    """The text of each value, in row-major order, and the width of their column."""
    flat = values.reshape(-1)
    if flat.dtype.kind != "f":
        cells = [str(value) for value in flat.tolist()]
        return cells, max(map(len, cells), default=1)

    # Zeros and non-finite values are written in the format the others choose, and the
    # column is as wide as the others need: "nan" or "-0.0000" may stick out of it.
    deciding = np.isfinite(flat) & (flat != 0)
    to_text = _float_format(flat[deciding])
    cells = [to_text(value) for value in flat.tolist()]
    decided = (len(cell) for cell, counts in zip(cells, deciding.tolist(), strict=True) if counts)
    return cells, max(decided, default=1)


def _float_format(values: np.ndarray) -> Callable[[float], str]:
    """The format for a tensor whose finite, nonzero values are these."""
    if values.size == 0:
        return _whole_number
    # In double precision: float16 has no 1e8.
    magnitudes = np.abs(values.astype(np.float64))
    low, high = float(magnitudes.min()), float(magnitudes.max())
    scientific = _options.sci_mode
    if scientific is None:
        scientific = high / low > _MAX_RATIO or high > _MAX_PLAIN or low < _MIN_PLAIN
    if scientific:
        return f"{{:.{_options.precision}e}}".format
    if bool(np.all(values == np.ceil(values))):
        return _whole_number
    return f"{{:.{_options.precision}f}}".format


def _whole_number(value: float) -> str:
    return f"{value:.0f}." if math.isfinite(value) else str(value)


def _complex_cell(real: str, imag: str, real_width: int) -> str:
    sign = "" if imag.startswith(("+", "-")) else "+"
    return f"{real.rjust(real_width)}{sign}{imag}j"


# -- step 3: brackets and lines ------------------------------------------------------


def _brackets(cells: list[str], shape: tuple[int, ...], gaps: list[bool], width: int, indent: int) -> str:
    """``cells`` in nested brackets; ``gaps`` says which axes get an ellipsis."""
    if len(shape) == 1:
        # PyTorch pads the ellipsis of a row by one blank, save where it stands alone.
        items = _with_ellipsis(cells, gaps[0], " ..." if cells else "...")
        per_line = max(1, math.floor((_options.linewidth - indent) / (width + 2)))
        lines = [", ".join(items[at : at + per_line]) for at in range(0, len(items), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"

    step = len(cells) // shape[0] if shape[0] else 0
    rows = [
        _brackets(cells[at * step : (at + 1) * step], shape[1:], gaps[1:], width, indent + 1) for at in range(shape[0])
    ]
    separator = "," + "\n" * (len(shape) - 1) + " " * (indent + 1)
    return "[" + separator.join(_with_ellipsis(rows, gaps[0], "...")) + "]"


def _with_ellipsis(items: list[str], gap: bool, ellipsis: str) -> list[str]:
    if not gap:
        return items
    middle = len(items) // 2
    return [*items[:middle], ellipsis, *items[middle:]]


# -- Parameters ----------------------------------------------------------------------


def parameter_repr(text: str, subclass: bool = False) -> str:
    """The ``repr`` of a Parameter whose tensor text (:func:`tensor_repr`) is ``text``.

    subclass: whether it is of a class derived from Parameter; such a text names the
        class, and PyTorch wraps it once more.
    """
    return "Parameter containing:\n" + (f"Parameter({text})" if subclass else text)
