"""The paper that every picture is drawn on: matplotlib, asked for when it is needed, and one style.

The colours are those of Okabe and Ito ("Color Universal Design", 2008), told apart by all common
kinds of colour vision; lines differ in their dashes and marks as well, and maps of numbers go from
light to dark, so that a picture printed in grey says the same.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from ..tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["array_of", "finish", "finite_part", "line_style", "new_figure", "picture", "shown_labels"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7f7f7f")
DASHES = ("-", "--", "-.", ":", (0, (6, 2, 1, 2, 1, 2)))
MARKS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT = "#1a1a1a", "#8a8a8a"
MAP = "Blues"  # of numbers from nothing up: its lightness falls all the way
STYLE = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "svg.fonttype": "none",  # words stay words: they can be searched, and take the reader's font
    "svg.hashsalt": "tinygrad_zth",  # the same picture gives the same file
}


@contextlib.contextmanager
def _style() -> Iterator[Any]:
    try:
        import matplotlib
    except ImportError:
        raise ImportError(
            "tinygrad_zth.viz draws with matplotlib, which is not installed. It comes with the extra 'plot': "
            "pip install 'tinygrad_zth[plot]'"
        ) from None
    with matplotlib.rc_context(STYLE):
        yield matplotlib


def picture(draw: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """``draw`` under the style of this file; the user's own settings are as before afterwards."""

    @functools.wraps(draw)
    def styled(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with _style():
            return draw(*args, **kwargs)

    return styled


def new_figure(
    rows: int = 1, columns: int = 1, *, width: float = 7.0, height: float = 3.8, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A Figure of its own (pyplot and its window are not touched) and its axes, row by row.

    Args:
        width, height: of the whole, in inches.
        options: for ``Figure.subplots``.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
    """
    figure = empty_figure(width, height)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.ravel())


def empty_figure(width: float, height: float) -> Figure:
    """A Figure without axes. Raises ImportError where matplotlib is missing; the message names the extra."""
    with _style():
        from matplotlib.figure import Figure

        return Figure(figsize=(width, height), dpi=110, layout="constrained")


def finish(figure: Figure, path: str | os.PathLike[str] | None) -> Figure:
    """Write ``figure`` to ``path`` (if there is one; its suffix is the format) and return it.

    The file appears whole or not at all.

    Raises:
        ValueError: the suffix is none of matplotlib's formats. OSError: the file cannot be written.
    """
    if path is None:
        return figure
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".") or "png"
    if not target.suffix:
        target = target.with_suffix(".png")
    if kind not in figure.canvas.get_supported_filetypes():
        raise ValueError(f"path: expected a name ending in .png, .svg or .pdf, got {os.fspath(path)!r}")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    # Without a date in it, the same picture is the same file.
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    try:
        with _style():
            figure.savefig(temporary, format=kind, metadata=undated)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return figure


def line_style(number: int, *, marks: bool = False) -> dict[str, Any]:
    """How the ``number``-th line of a picture looks: no two of the first thirty are alike."""
    style: dict[str, Any] = {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
        "linewidth": 1.5,
    }
    if marks:
        style |= {"marker": MARKS[number % len(MARKS)], "markersize": 4}
    return style


def array_of(x: Any, name: str = "x") -> np.ndarray:
    """``x`` (a Tensor on any device, an array, a list of numbers) as a NumPy array.

    Raises:
        TypeError: it is nothing of the kind.
    """
    if isinstance(x, Tensor):
        return x.numpy(force=True)
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected a Tensor or numbers, got {type(x).__name__}")
    return array


def finite_part(values: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The finite elements of a series, flat, and the places of the others.

    Raises:
        ValueError: the series is empty, or none of its elements is finite.
    """
    flat = array_of(values, name).ravel()
    if flat.size == 0:
        raise ValueError(f"{name}: there is nothing to draw: the series is empty")
    good = np.isfinite(flat)
    if not good.any():
        raise ValueError(f"{name}: there is nothing to draw: none of its {flat.size} values is finite")
    return flat[good], np.flatnonzero(~good)


def short_names(names: Sequence[str]) -> list[str]:
    """Dotted names without the leading parts that all of them share: what is left tells them apart."""
    parts = [name.split(".") for name in names]
    shared = 0
    while len(parts) > 1 and all(len(p) > shared + 1 for p in parts) and len({p[shared] for p in parts}) == 1:
        shared += 1
    return [".".join(p[shared:]) for p in parts]


def legend_below(figure: Figure, ax: Any, *, most: int = 6) -> None:
    """The legend inside, or where it has more than ``most`` lines, under the whole picture."""
    handles, labels = ax.get_legend_handles_labels()
    if len(labels) <= most:
        ax.legend(fontsize=7.5)
    elif labels:
        columns = max(1, min(4, int(110 / (max(map(len, labels)) + 8))))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=7.5)


def shown_labels(labels: Sequence[Any] | None, count: int, what: str) -> list[str]:
    """``count`` labels as text; their numbers where none are given.

    Raises:
        ValueError: there are more or fewer labels than things to label.
    """
    if labels is None:
        return [str(i) for i in range(count)]
    if len(labels) != count:
        raise ValueError(f"labels: expected {count}, one for each {what}, got {len(labels)}")
    return [visible(str(label)) for label in labels]


def visible(text: str) -> str:
    """``text`` with its blanks made to be seen: what a character model's labels need."""
    return text.replace("\n", "\\n").replace("\t", "\\t") if text.strip(" ") else text.replace(" ", "␣")
