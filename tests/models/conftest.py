"""Short trainings: a model learns a little from a fixed seed; a text, and a GPT that is done in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

import tinygrad_zth as torch
from data.texts import python_reference
from models.shared.settings import preset_named
from models.shared.spec import ModelSpec
from models.shared.trainer import Trainer, TrainSettings
from tinygrad_zth import nn


class Learned(NamedTuple):
    """What came of it: the model, its trainer, its data, the loss before and after on batches of "val"."""

    model: nn.Module
    trainer: Trainer
    corpus: Any
    before: float
    after: float


def learn(spec: ModelSpec, steps: int, preset: str | None = None, *, model: dict[str, Any] | None = None, **train):
    """``steps`` steps of a preset, with these settings of the model and of the training changed."""
    chosen = preset_named(spec.presets, preset or spec.preset)
    corpus = spec.task.load(None)
    config = spec.config.from_dict({**chosen.model, **(model or {}), **corpus.sizes()})
    settings = {**chosen.train, "warmup_iters": steps // 10, "eval_iters": 5, "eval_interval": steps, **train}
    settings = TrainSettings.from_dict(settings | {"max_iters": steps})
    torch.manual_seed(settings.seed)
    made = spec.build(config)
    trainer = Trainer(made, corpus.batches(config, settings.batch_size), settings)
    before = trainer.evaluate()
    for _ in range(steps):
        trainer.train_step()
    return Learned(made, trainer, corpus, before, trainer.evaluate())


@pytest.fixture(name="learn")
def _learn():
    return learn


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    """Some 6,000 characters of English."""
    path = tmp_path / "text.txt"
    path.write_text(python_reference()[:6000], encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def small_flags() -> dict[str, str]:
    """The size and the training of a GPT that is done in a second."""
    return {
        "--n-layer": "2", "--n-head": "2", "--n-embd": "16", "--block-size": "16", "--batch-size": "4",
        "--max-iters": "20", "--warmup-iters": "2", "--eval-interval": "5", "--eval-iters": "2", "--log-interval": "2",
        "--dropout": "0.1", "--seed": "7", "--device": "cpu",
    }  # fmt: skip


@pytest.fixture
def small(text_file: Path, tmp_path: Path, small_flags: dict[str, str]):
    """The arguments of ``train`` for a small GPT, with changes: ``small("run", max_iters=3)``."""

    def arguments(out: str = "run", **changes: object) -> list[str]:
        flags = {**small_flags, **{f"--{name.replace('_', '-')}": str(value) for name, value in changes.items()}}
        flat = [part for flag, value in flags.items() for part in (flag, value)]
        return ["train", "--data", str(text_file), "--out", str(tmp_path / out), *flat]

    return arguments
