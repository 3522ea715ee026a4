"""The checkpoints of runs: found, looked through, and made into models again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tinygrad_zth as torch

KEYS = ("name", "config", "vocabulary", "train", "data", "step", "model")


def load(path: Path, name: str, how_to_make_one: str) -> dict[str, Any]:
    """The checkpoint of the model ``name`` at ``path``.

    Raises:
        FileNotFoundError: there is none; the message has ``how_to_make_one``.
        RuntimeError: the file is damaged.
        ValueError: it is something else, or of another kind of model.
    """
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint {path}; make one with: {how_to_make_one}")
    state: dict[str, Any] = torch.load(path, map_location="cpu")
    missing = [key for key in KEYS if not isinstance(state, dict) or key not in state]
    if missing:
        raise ValueError(f"{path} is not a checkpoint of a run: it has no {', '.join(missing)}")
    if state["name"] != name:
        raise ValueError(f"{path} is a checkpoint of {state['name']!r}, not of {name!r}")
    return state
