"""Training that can be seen: pictures, recordings, explanations, checks, reports.

Every picture takes a model or a recorded run, returns a matplotlib Figure, and writes it to ``path=`` on
request; each docstring says how to read it. matplotlib (the extra ``plot``) is imported when the first one
is drawn.

>>> import tinygrad_zth as torch
>>> from tinygrad_zth import nn, viz
>>> model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
>>> with viz.record(model, every=10) as rec:
...     loss = model(torch.randn(16, 3)).pow(2).mean()
...     loss.backward()
>>> sorted(rec.at().layers)
['0', '1', '2']

After A. Karpathy, "Neural Networks: Zero to Hero" (2022), whose plots these are, for any model.
"""

from __future__ import annotations

from .checks import (
    CheckResults,
    Verdict,
    batch_independence,
    causality,
    check,
    gradient_flow,
    initial_loss,
    input_dependence,
    overfit_one_batch,
    seed_reproducibility,
)
from .classes import confusion, samples
from .curves import Sweep, learning_rate_sweep, losses, smoothed, sweep
from .drawing import draw_dot
from .explanation import Explanation, explain
from .layers import activations, dead_units, gradients
from .parameters import parameter_gradients, update_ratios
from .recorder import Recorder, record
from .recording import Recording
from .reporting import compare, environment, report
from .textcurve import sparkline
from .tokens import attention, bigrams, embedding
from .verdicts import Finding, findings

__all__ = [
    "CheckResults",
    "Explanation",
    "Finding",
    "Recorder",
    "Recording",
    "Sweep",
    "Verdict",
    "activations",
    "attention",
    "batch_independence",
    "bigrams",
    "causality",
    "check",
    "compare",
    "confusion",
    "dead_units",
    "draw_dot",
    "embedding",
    "environment",
    "explain",
    "findings",
    "gradient_flow",
    "gradients",
    "initial_loss",
    "input_dependence",
    "learning_rate_sweep",
    "losses",
    "overfit_one_batch",
    "parameter_gradients",
    "record",
    "report",
    "samples",
    "seed_reproducibility",
    "smoothed",
    "sparkline",
    "sweep",
    "update_ratios",
]
