"""A recorded run: what its layers and parameters looked like at some of its steps, as plain values.

It is made by :func:`recorder.record`, kept as one JSON file, and read by every picture.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["FILE", "LayerFigures", "Recording", "Snapshot", "WeightFigures"]

FILE = "diagnosis.json"  # its name in a run's folder
_BULKY = ("counts", "units", "map")


@dataclass
class LayerFigures:
    """One layer at one step: what it gave out, and the gradient that came back to that.

    ``output`` and ``gradient`` are the figures of :class:`statistics.Gathered`; ``gradient`` is None
    where no backward pass reached the layer. ``kind`` is the module's class.
    """

    kind: str
    output: dict[str, Any]
    gradient: dict[str, Any] | None = None


@dataclass
class WeightFigures:
    """One parameter at one step, before the update.

    ``gradient``: the figures of its gradient, None where there was none. ``update_std``: the std of
    what the optimiser added to it, None where nothing was.
    """

    shape: list[int]
    mean: float
    std: float
    gradient: dict[str, Any] | None = None
    update_std: float | None = None

    @property
    def grad_ratio(self) -> float:
        """std of the gradient over std of the data; nan where either is missing or constant."""
        return math.nan if self.gradient is None else _ratio(self.gradient["std"], self.std)

    @property
    def update_ratio(self) -> float:
        """std of the update over std of the data; nan where either is missing or constant."""
        return _ratio(self.update_std, self.std)


def _ratio(above: float | None, below: float) -> float:
    return above / below if above is not None and below > 0 else math.nan


@dataclass
class Snapshot:
    """All layers and parameters at one step."""

    step: int
    loss: float | None = None
    layers: dict[str, LayerFigures] = field(default_factory=dict)
    weights: dict[str, WeightFigures] = field(default_factory=dict)


class Recording:
    """The snapshots of a run, its losses and samples.

    Attributes:
        about: the model's class and size, the distance between snapshots.
        snapshots: in order of their steps. Histograms and maps are kept for the first and the last.
        losses: (step, loss) of every step whose loss was seen.
        samples: (step, text) of what the model wrote.
    """

    def __init__(self, about: dict[str, Any] | None = None) -> None:
        self.about: dict[str, Any] = about or {}
        self.snapshots: list[Snapshot] = []
        self.losses: list[tuple[int, float]] = []
        self.samples: list[tuple[int, str]] = []

    def add(self, snapshot: Snapshot) -> None:
        """Append a snapshot; the one before it, unless it is the first, gives up what is bulky."""
        if len(self.snapshots) > 1:
            before = self.snapshots[-1]
            for figures in _figures_of(before):
                for name in _BULKY:
                    figures[name] = None
        self.snapshots.append(snapshot)

    def note(self, *, step: int, loss: float | None = None, sample: str | None = None) -> None:
        """Add a loss or a sample that no hook can see."""
        if loss is not None:
            self.losses.append((step, float(loss)))
        if sample is not None:
            self.samples.append((step, sample))

    def at(self, step: int = -1) -> Snapshot:
        """The snapshot of ``step``; the last one for -1.

        Raises:
            ValueError: nothing was recorded, or not at that step; those recorded are named.
        """
        if not self.snapshots:
            raise ValueError("the recording is empty: no step in training mode went through the model")
        if step == -1:
            return self.snapshots[-1]
        for snapshot in self.snapshots:
            if snapshot.step == step:
                return snapshot
        known = ", ".join(str(s.step) for s in self.snapshots[:20])
        raise ValueError(f"step {step} was not recorded; these were: {known}{' ...' * (len(self.snapshots) > 20)}")

    # ---- files ----------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the recording as JSON to ``path`` (into it, as diagnosis.json, if it is a folder).

        The file appears whole or not at all. Returns its path.
        """
        target = Path(path)
        target = target / FILE if target.is_dir() else target
        value = {
            "about": self.about,
            "snapshots": [asdict(snapshot) for snapshot in self.snapshots],
            "losses": self.losses,
            "samples": self.samples,
        }
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            temporary.write_text(json.dumps(value), encoding="utf-8")
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recording:
        """A recording that :meth:`save` wrote: the file, or the folder that has it.

        Raises:
            FileNotFoundError: there is none. ValueError: the file is not a whole recording.
        """
        source = Path(path)
        source = source / FILE if source.is_dir() else source
        try:
            value = json.loads(source.read_text(encoding="utf-8"))
            return cls._from_plain(value)
        except (UnicodeDecodeError, KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"{source} is not a whole recording: {error!r}") from error

    @classmethod
    def _from_plain(cls, value: Mapping[str, Any]) -> Recording:
        made = cls(dict(value["about"]))
        for each in value["snapshots"]:
            layers = {name: LayerFigures(**figures) for name, figures in each["layers"].items()}
            weights = {name: WeightFigures(**figures) for name, figures in each["weights"].items()}
            made.snapshots.append(Snapshot(each["step"], each["loss"], layers, weights))
        made.losses = [(int(step), float(loss)) for step, loss in value["losses"]]
        made.samples = [(int(step), str(text)) for step, text in value["samples"]]
        return made


def _figures_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    of_layers = [f for layer in snapshot.layers.values() for f in (layer.output, layer.gradient)]
    return [f for f in [*of_layers, *(w.gradient for w in snapshot.weights.values())] if f is not None]
