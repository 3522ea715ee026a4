"""What the command line has to know of a model: each model file says it once, as its ``SPEC``."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygrad_zth import nn

from ..tasks.task import Task
from . import checkpoint
from .observer import Observer
from .settings import Preset, Settings
from .trainer import Trainer


def _nobody() -> Iterable[Observer]:
    return ()


@dataclass(frozen=True)
class ModelSpec:
    """A model as ``python -m models.NAME`` offers it.

    name: NAME; kept in checkpoints.
    about: its module's docstring, for ``--help``.
    config: the class of its settings; which of them the data decides, the task says.
    build: makes the model of its settings. It has ``forward(*batch) -> (logits, loss)`` and ``config``.
    task: what it learns from.
    presets, preset: named sizes, and the one that is taken where none is named.
    trainer: a subclass of Trainer where the model learns in its own way.
    observers: makes those that the model itself wants at its training, for its pictures.
    """

    name: str
    about: str
    config: type[Settings]
    build: Callable[[Any], nn.Module]
    task: Task
    presets: Mapping[str, Preset]
    preset: str
    trainer: type[Trainer] = Trainer
    observers: Callable[[], Iterable[Observer]] = _nobody

    @property
    def prog(self) -> str:
        """How it is run."""
        return f"python -m models.{self.name}"

    def load(self, path: Path) -> dict[str, Any]:
        """A checkpoint of this model. Raises as :func:`models.shared.checkpoint.load`."""
        how = f"{self.prog} train --out {shlex.quote(str(path.parent))}"
        return checkpoint.load(path, self.name, how)

    def restore(self, path: Path, device: str = "cpu") -> tuple[nn.Module, dict[str, Any]]:
        """The model of a checkpoint, and all that the checkpoint has.

        Raises: as :meth:`load`, and
            RuntimeError: the weights do not fit the settings beside them; every misfit is named.
            ValueError, TypeError: the settings are none of this model's.
        """
        state = self.load(path)
        model = self.build(self.config.from_dict(state["config"]))
        try:
            model.load_state_dict(state["model"])
        except RuntimeError as error:
            raise RuntimeError(f"{path}: {error}") from None
        return model.to(device), state
