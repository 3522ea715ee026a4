"""Watching a model while it trains: ``with viz.record(model, every=100) as rec:``.

Hooks do the watching. On a step that is recorded they sit on every layer and parameter; on the
others there is one, on the model itself, which counts; outside the block there is none, and the
model runs as if it had never been watched.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import enable_grad, is_grad_enabled
from ..nn.module import Module
from ..tensor import Tensor
from .recording import LayerFigures, Recording, Snapshot, WeightFigures
from .statistics import Gathered

if TYPE_CHECKING:
    from ..optim.optimizer import Optimizer

__all__ = ["Recorder", "first_loss", "record", "recording_of"]

_PASSING_ON = {"Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "Identity", "Flatten", "Unflatten"}


def record(
    model: Module,
    every: int = 100,
    *,
    optimizer: Optimizer | None = None,
    layers: Sequence[str] | None = None,
    start: int = 0,
) -> Recorder:
    """Records ``model`` at every ``every``-th step of the training inside a ``with`` block.

    A step is one forward pass in training mode with gradients on; with ``optimizer`` it is one
    ``optimizer.step()``, however many forward passes make it. A loss that ``forward`` returns (its
    only 0-d floating tensor) is noted at every step; one computed outside is told by
    ``rec.note(loss=...)``.

    Args:
        layers: names (of ``named_modules``) of what to watch; default, every module without children
            that computes something, and the model itself where it has none.
        start: the number of the first step (a resumed run's).

    Raises:
        TypeError: ``model`` is no Module. ValueError: ``every`` is below 1, or there is no such layer.

    >>> from tinygrad_zth import nn, optim, randn, viz
    >>> model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    >>> sgd = optim.SGD(model.parameters(), lr=0.1)
    >>> with viz.record(model, every=10) as rec:
    ...     for _ in range(21):
    ...         loss = model(randn(4, 3)).pow(2).mean()
    ...         sgd.zero_grad()
    ...         loss.backward()
    ...         sgd.step()
    >>> [snapshot.step for snapshot in rec.snapshots]
    [0, 10, 20]
    """
    return Recorder(model, every, optimizer=optimizer, layers=layers, start=start)


class Recorder(Recording):
    """A :class:`Recording` in the making; see :func:`record`.

    Attributes:
        step: the number of the step that is under way or comes next.
    """

    def __init__(
        self,
        model: Module,
        every: int = 100,
        *,
        optimizer: Optimizer | None = None,
        layers: Sequence[str] | None = None,
        start: int = 0,
    ) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"record: expected an nn.Module, got {type(model).__name__}")
        if every < 1:
            raise ValueError(f"record: every: expected an integer from 1 up, got {every}")
        size = sum(p.numel() for p in model.parameters())
        super().__init__({"model": type(model).__name__, "parameters": size, "every": every})
        self.model, self.every, self.optimizer, self.step = model, every, optimizer, start
        self.layers = dict(_layers_of(model, layers))
        self._always: list[Any] = []  # handles of the hooks of the whole block
        self._now: _Watched | None = None
        self._wanted = False
        self._passes = 0  # forward passes in training mode since the last step

    # ---- the block ------------------------------------------------------------------------------

    def __enter__(self) -> Recorder:
        if self._always:
            raise RuntimeError("record: this recorder is attached already")
        self._always = [
            self.model.register_forward_pre_hook(self._before_forward),
            self.model.register_forward_hook(self._after_forward),
        ]
        if self.optimizer is not None:
            self._always.append(self.optimizer.register_step_post_hook(self._after_step))
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()
        if self.optimizer is None and self._passes:
            self.step, self._passes = self.step + 1, 0
        for handle in self._always:
            handle.remove()
        self._always = []

    def record_next(self) -> None:
        """Record the next step whatever its number (the last one of a run, say)."""
        self._wanted = True

    def note(self, *, step: int | None = None, loss: float | None = None, sample: str | None = None) -> None:
        """Add a loss or a sample that no hook can see; ``step`` is by default the one under way."""
        super().note(step=self.step if step is None else step, loss=loss, sample=sample)

    # ---- the hooks of the whole block -----------------------------------------------------------

    def _before_forward(self, module: Module, args: Any) -> None:
        if not (module.training and is_grad_enabled()):
            return
        if self.optimizer is None and self._passes:
            self._close()
            self.step, self._passes = self.step + 1, 0
        if self._now is None and (self._wanted or self.step % self.every == 0) and not self._passes:
            self._wanted = False
            self._now = _Watched(self.model, self.layers, self.step)
        self._passes += 1

    def _after_forward(self, module: Module, args: Any, output: Any) -> None:
        if not (module.training and is_grad_enabled()):
            return
        loss = first_loss(output)
        if loss is not None:
            value = float(loss.detach())
            self.losses.append((self.step, value))
            if self._now is not None:
                self._now.snapshot.loss = value

    def _after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        self._close()
        self.step, self._passes = self.step + 1, 0

    def _close(self) -> None:
        if self._now is not None:
            self.add(self._now.finish())
            self._now = None


class _Watched:
    """One step under the eye: its hooks, and what they have seen so far."""

    def __init__(self, model: Module, layers: dict[str, Module], step: int) -> None:
        self.model = model
        self.snapshot = Snapshot(step)
        self.outputs = {name: Gathered(type(layer).__name__) for name, layer in layers.items()}
        self.gradients = {name: Gathered() for name in layers}
        self.before: dict[str, np.ndarray] = {}
        self.handles: list[Any] = []
        for name, layer in layers.items():
            self.handles.append(layer.register_forward_hook(self._on_output(name)))
        for name, p in model.named_parameters():
            self.before[name] = data = p.numpy(force=True).copy()
            self.snapshot.weights[name] = WeightFigures(list(data.shape), _mean(data), _std(data))
            if p.requires_grad and p.is_leaf:
                self.handles.append(p.register_post_accumulate_grad_hook(self._on_gradient(name)))

    def _on_output(self, name: str) -> Callable[[Module, Any, Any], None]:
        def see_gradient(g: Tensor) -> None:
            self.gradients[name].add(g.numpy(force=True))

        def see(layer: Module, args: Any, output: Any) -> None:
            if not layer.training:
                return
            t = _first_tensor(output)
            if t is None or not t.is_floating_point() or t.ndim == 0:
                return
            source = _first_tensor(args)
            self.outputs[name].add(t.numpy(force=True), None if source is None else source.numpy(force=True))
            if t.requires_grad:
                t.register_hook(see_gradient)

        return see

    def _on_gradient(self, name: str) -> Callable[[Tensor], None]:
        def see(p: Tensor) -> None:
            if p.grad is not None:
                gathered = Gathered()  # of several batches that make one step the last has the sum
                gathered.add(p.grad.numpy(force=True))
                self.snapshot.weights[name].gradient = gathered.figures()

        return see

    def finish(self) -> Snapshot:
        """Take the hooks off and see what the update has done."""
        for handle in self.handles:
            handle.remove()
        for name, output in self.outputs.items():
            if output.count or output.not_finite:
                g = self.gradients[name]
                seen = g.figures() if g.count or g.not_finite else None
                self.snapshot.layers[name] = LayerFigures(output.kind, output.figures(), seen)
        after = {name: p.numpy(force=True) for name, p in self.model.named_parameters()}
        updates = {name: after[name] - data for name, data in self.before.items() if name in after}
        if any(update.any() for update in updates.values()):
            for name, update in updates.items():
                self.snapshot.weights[name].update_std = _std(update)
        return self.snapshot


def _layers_of(model: Module, names: Sequence[str] | None) -> Iterator[tuple[str, Module]]:
    known = dict(model.named_modules())
    if names is not None:
        for name in names:
            if name not in known:
                raise ValueError(f"record: the model has no layer {name!r}; it has {', '.join(filter(None, known))}")
            yield name or type(model).__name__, known[name]
        return
    leaves = [
        (name, module)
        for name, module in known.items()
        if name and not any(True for _ in module.children()) and type(module).__name__ not in _PASSING_ON
    ]
    yield from leaves or [(type(model).__name__, model)]


def _first_tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (tuple, list)):
        return next((found for each in value if (found := _first_tensor(each)) is not None), None)
    return None


def first_loss(output: Any) -> Tensor | None:
    """The 0-d floating tensor in what a model returned, if there is just one."""
    values = output if isinstance(output, (tuple, list)) else (output,)
    found = [t for t in values if isinstance(t, Tensor) and t.ndim == 0 and t.is_floating_point()]
    return found[0] if len(found) == 1 else None


def _mean(data: np.ndarray) -> float:
    return float(data.mean(dtype=np.float64)) if data.size else float("nan")


def _std(data: np.ndarray) -> float:
    return float(data.std(dtype=np.float64)) if data.size else float("nan")


# ---- what pictures are given -------------------------------------------------------------------


def recording_of(run: Any, inputs: tuple[Any, ...] = (), loss: Callable[[Any], Tensor] | None = None) -> Recording:
    """The recording that ``run`` is or has: itself, that of a run's folder, or one step of a Module.

    A Module is run once on ``inputs``, in training mode and, where it (or ``loss`` of its output)
    gives a loss, backwards. That happens to a copy: parameters, gradients and buffers stay as they
    are, and so does the default random stream.

    Raises:
        TypeError: ``run`` is none of these. ValueError: a Module without inputs.
    """
    if isinstance(run, Recording):
        return run
    if isinstance(run, (str, os.PathLike)):
        return Recording.load(run)
    if not isinstance(run, Module):
        raise TypeError(f"expected an nn.Module, a recording or a run's folder, got {type(run).__name__}")
    if not inputs:
        raise ValueError(f"{type(run).__name__}: a model is looked at while it works: give it inputs, too")
    from ..ops.random import get_rng_state, set_rng_state

    twin, state = copy.deepcopy(run), get_rng_state()
    try:
        twin.train()
        twin.zero_grad()
        with enable_grad(), Recorder(twin, 1) as rec:
            output = twin(*inputs)
            found = first_loss(output) if loss is None else loss(output)
            if found is not None and found.requires_grad:
                found.backward()
    finally:
        set_rng_state(state)
    return rec
