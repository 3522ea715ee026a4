"""The folder of a training run: settings, figures, checkpoints, a sample, a picture.

    config.json      the settings, to be read by people
    metrics.csv      a row each time figures are logged
    last.npz         the whole state, to go on from
    best.npz         the weights with the lowest validation loss
    summary.json     how it ended
    sample.txt       what it writes
    loss.png         the curves (where matplotlib is there)

Every file is written whole under another name and renamed, but metrics.csv, which grows by lines.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import tinygrad_zth as torch
from data.fetch import write_atomically

from .pictures import have_matplotlib, save_figure

COLUMNS = ("step", "train_loss", "val_loss", "lr", "grad_norm", "tokens_per_s", "memory_mb", "seconds")
LAST, BEST = "last.npz", "best.npz"


class RunFolder:
    """A run's folder, made if need be.

    Raises:
        OSError: it cannot be made or written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            # Better now than after an hour of training. Its own name, for others may look at the folder too.
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            why = error.strerror or error
            raise OSError(f"the run's folder {path} cannot be written to: {why}") from error

    def has_run(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return (self.path / LAST).is_file()

    def write_config(self, settings: dict[str, Any]) -> None:
        """Keep the settings as config.json."""
        self._write_json("config.json", settings)

    def write_summary(self, figures: dict[str, Any]) -> None:
        """Keep the last figures as summary.json."""
        self._write_json("summary.json", figures)

    def write_sample(self, text: str) -> None:
        """Keep a sample as sample.txt."""
        write_atomically(self.path / "sample.txt", text.encode())

    def _write_json(self, name: str, value: dict[str, Any]) -> None:
        write_atomically(self.path / name, (json.dumps(value, indent=2) + "\n").encode())

    def save(self, checkpoint: dict[str, Any], name: str = LAST) -> None:
        """Keep a checkpoint. Raises RuntimeError where it cannot be written."""
        torch.save(checkpoint, self.path / name)

    def begin_metrics(self, after_step: int) -> None:
        """Start metrics.csv; of an earlier run's rows, keep those up to ``after_step``.

        A row that a killed run left half written goes too. ``after_step=-1`` keeps none.
        """
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in self.metrics() if float(row["step"]) <= after_step)
        write_atomically(self.path / "metrics.csv", out.getvalue().encode())

    def add_metrics(self, row: dict[str, Any]) -> None:
        """Append a row; None is left empty."""
        with open(self.path / "metrics.csv", "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(row)

    def metrics(self) -> list[dict[str, str]]:
        """The rows of metrics.csv that are whole; none where there is no such file."""
        try:
            with open(self.path / "metrics.csv", newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except FileNotFoundError:
            return []
        return [row for row in rows if set(row) == set(COLUMNS) and row["seconds"]]

    def draw_losses(self) -> bool:
        """Draw loss.png of metrics.csv. False where matplotlib is not installed."""
        if not have_matplotlib():
            return False
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.subplots()
        for name, style in (("train_loss", "-"), ("val_loss", "o-")):
            points = [(int(row["step"]), float(row[name])) for row in self.metrics() if row[name]]
            if points:
                axes.plot(*zip(*points), style, markersize=3, linewidth=1, label=name)
        axes.set(xlabel="step", ylabel="loss (nats per token)", title=self.path.name)
        axes.grid(alpha=0.3)
        axes.legend()
        save_figure(figure, self.path / "loss.png")
        return True
