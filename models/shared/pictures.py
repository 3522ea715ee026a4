"""Pictures into files, where matplotlib is installed."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from data.fetch import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def have_matplotlib() -> bool:
    """Whether pictures can be drawn."""
    return find_spec("matplotlib") is not None


def save_figure(figure: Figure, path: Path) -> None:
    """``figure`` as a PNG that appears whole or not at all."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=120)
    write_atomically(path, png.getvalue())
