"""Short trainings: a model learns a little, by the shared trainer, from a fixed seed."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

import tinygrad_zth as torch
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
