"""How lectures 2 to 4 train on the names: what the presets of `mlp`, `mlp_bn` and `backprop` have in common."""

from __future__ import annotations

from typing import Any

NAMES_TRAINING: dict[str, Any] = {
    "eval_iters": 0,
    "eval_interval": 2500,
    "log_interval": 100,
    "weight_decay": 0.0,
    "grad_clip": 0.0,
}

LECTURE_TRAINING: dict[str, Any] = NAMES_TRAINING | {
    "batch_size": 32,
    "max_iters": 200_000,
    "optimizer": "sgd",
    "schedule": "step",
    "lr": 0.1,
    "min_lr": 0.01,
    "warmup_iters": 0,
    "eval_interval": 10_000,
}
