"""Where the benchmarks leave what they found: a line of JSON, a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["append_json", "save_chart"]


def append_json(path: Path, record: dict[str, Any]) -> None:
    """Add ``record`` to the file, as a line."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def save_chart(figure: Any, path: Path) -> None:
    """Write the matplotlib figure as PNG, to a temporary name first."""
    temporary = path.with_name(path.stem + ".tmp.png")
    figure.savefig(temporary, dpi=120)
    temporary.replace(path)
