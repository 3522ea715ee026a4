"""Observers that flags of ``train`` ask for: ``--diagnose`` and ``--tensorboard``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tinygrad_zth as torch
from tinygrad_zth import viz

from .observer import Observer
from .trainer import Trainer

SNAPSHOTS = 40  # in a whole run, about


class Diagnosis(Observer):
    """Records layers, gradients and updates (``viz.record``) and a sample at each evaluation.

    They are kept as diagnosis.json in the run's folder, which :func:`tinygrad_zth.viz.report` and every
    picture of ``viz`` read. A resumed run goes on with those of before.

    write: a sample of the model as it is, or None.
    """

    def __init__(self, write: Callable[[Trainer], str] | None = None) -> None:
        self.write = write
        self.recorder: viz.Recorder | None = None

    def begin(self, trainer: Trainer) -> None:
        every = max(1, trainer.settings.max_iters // SNAPSHOTS)
        self.recorder = viz.record(trainer.model, every, optimizer=trainer.optimizer, start=trainer.step)
        if trainer.step and trainer.run is not None:
            self._go_on(trainer.run.path, trainer.step)
        self.recorder.__enter__()

    def _go_on(self, path: Any, step: int) -> None:
        assert self.recorder is not None
        try:
            before = viz.Recording.load(path)
        except (FileNotFoundError, ValueError):
            return
        self.recorder.snapshots = [s for s in before.snapshots if s.step < step]
        self.recorder.losses = [each for each in before.losses if each[0] < step]
        self.recorder.samples = [each for each in before.samples if each[0] <= step]

    def after_step(self, trainer: Trainer, figures: dict[str, Any]) -> None:
        assert self.recorder is not None
        if trainer.step == trainer.settings.max_iters - 1:
            self.recorder.record_next()

    def evaluation(self, trainer: Trainer, figures: dict[str, Any]) -> None:
        assert self.recorder is not None
        if self.write is not None:
            # A sample is drawn from a stream of its own; what dropout draws from stays where it was.
            with torch.random.fork_rng():
                self.recorder.note(step=trainer.step, sample=self.write(trainer))
        self._save(trainer)

    def end(self, trainer: Trainer) -> None:
        if self.recorder is not None:
            self.recorder.__exit__(None, None, None)
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        if trainer.run is not None and self.recorder is not None:
            self.recorder.save(trainer.run.path)


class Board(Observer):
    """Writes the figures as TensorBoard's event files, into ``tensorboard`` in the run's folder.

    Raises:
        ImportError: tensorboardX, which writes them, is not installed; the message names the extra.
    """

    def __init__(self) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise ImportError(
                "--tensorboard writes with tensorboardX, which is not installed. It comes with the extra "
                "'tensorboard': pip install 'tinygrad_zth[tensorboard]'"
            ) from None
        self._make = SummaryWriter
        self._writer: Any = None

    def begin(self, trainer: Trainer) -> None:
        if trainer.run is not None:
            # Of a resumed run, what an interrupted one wrote beyond this step is taken back.
            purge = trainer.step + 1 if trainer.step else None
            self._writer = self._make(str(trainer.run.path / "tensorboard"), purge_step=purge)

    def after_step(self, trainer: Trainer, figures: dict[str, Any]) -> None:
        if self._writer is not None and trainer.step % trainer.settings.log_interval == 0:
            self._add(trainer, figures, ("train_loss", "lr", "grad_norm", "tokens_per_s"))

    def evaluation(self, trainer: Trainer, figures: dict[str, Any]) -> None:
        if self._writer is not None:
            self._add(trainer, figures, ("val_loss",))
            self._writer.flush()

    def _add(self, trainer: Trainer, figures: dict[str, Any], names: tuple[str, ...]) -> None:
        for name in names:
            if figures.get(name) is not None:
                self._writer.add_scalar(name, figures[name], trainer.step)

    def end(self, trainer: Trainer) -> None:
        if self._writer is not None:
            self._writer.close()
