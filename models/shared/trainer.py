"""The training loop that all models share.

A model takes part by ``model(*batch) -> (logits, loss)``; its data by ``batch(split, generator)``,
``whole(split)`` and ``describe()`` (see :class:`models.tasks.task.Data`). A model that makes its
gradients in its own way overrides :meth:`Trainer.gradients`; one that learns without them,
:meth:`Trainer.train_step`.

Whoever wants to see a run (a live view, diagnostic pictures, a report) is an
:class:`models.shared.observer.Observer`: pass it in ``observers``, or append it to
``trainer.observers`` before :meth:`Trainer.fit`. It is called at fixed places with the trainer, which
has all there is to see: ``model``, ``optimizer``, ``step``, ``settings``, ``data``, ``run``. Observers
may not draw from the random streams or change the model: a run with them and one without are equal
to the bit.

Two runs from one seed are equal to the bit, and so is one that was stopped and resumed: a
checkpoint has the weights, the optimiser's state, and the random streams (that of the batches, that of devices, and
the default one, which dropout uses). Evaluation draws from a stream of its own, each time the same,
so that how often it is done changes nothing, and its figures can be compared.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import tinygrad_zth as torch
from tinygrad_zth import nn

from ..tasks.task import Batch, Data, device_of
from .diagnosis import NotFiniteError, first_not_finite
from .interrupt import StopRequest
from .memory import memory_mb
from .observer import Observer
from .progress import Progress
from .run_folder import BEST, RunFolder
from .sampling import evaluating
from .settings import Settings, setting


@dataclass(frozen=True)
class TrainSettings(Settings):
    """How a model is trained."""

    max_iters: int = setting(2000, "steps of the optimiser in all", at_least=1)
    batch_size: int = setting(12, "examples in a batch; 0: all there are", at_least=0)
    grad_accum: int = setting(1, "batches whose gradients make one step", at_least=1)
    optimizer: str = setting("adamw", "what makes the steps", choices=("adamw", "sgd"))
    lr: float = setting(1e-3, "learning rate, at its highest", at_least=0)
    schedule: str = setting("cosine", "how it falls after the warmup", choices=("cosine", "step", "constant"))
    min_lr: float = setting(1e-4, "learning rate at the end of the cosine, or after the step", at_least=0)
    decay_at: float = setting(0.5, "share of max_iters after which the step comes", at_least=0)
    warmup_iters: int = setting(100, "steps over which it rises from zero", at_least=0)
    beta1: float = setting(0.9, "AdamW: decay of the mean gradient", at_least=0, below=1)
    beta2: float = setting(0.99, "AdamW: decay of the mean square", at_least=0, below=1)
    momentum: float = setting(0.0, "SGD: momentum", at_least=0, below=1)
    weight_decay: float = setting(0.1, "on matrices, not on biases and gains", at_least=0)
    grad_clip: float = setting(1.0, "largest norm of the gradient; 0: no limit", at_least=0)
    eval_interval: int = setting(250, "steps between evaluations (and checkpoints)", at_least=1)
    eval_iters: int = setting(20, "batches of an evaluation; 0: all of the part", at_least=0)
    log_interval: int = setting(10, "steps between rows of metrics.csv", at_least=1)
    seed: int = setting(1337, "of the weights, the batches and the dropout", at_least=0)


def learning_rate(step: int, s: TrainSettings) -> float:
    """The learning rate of step ``step`` (from 0): linear warmup, then as ``schedule`` says.

    "cosine" is half a cosine (Loshchilov and Hutter, "SGDR", 2017); "step" goes to ``min_lr`` at once.
    """
    if step < s.warmup_iters:
        return s.lr * (step + 1) / (s.warmup_iters + 1)
    if s.schedule == "constant":
        return s.lr
    if s.schedule == "step":
        return s.lr if step < s.decay_at * s.max_iters else s.min_lr
    part = (step - s.warmup_iters) / max(1, s.max_iters - s.warmup_iters)
    return s.min_lr + 0.5 * (1.0 + math.cos(math.pi * min(part, 1.0))) * (s.lr - s.min_lr)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and embeddings, which decay; biases and gains, which do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def make_optimizer(model: nn.Module, s: TrainSettings) -> torch.optim.Optimizer | None:
    """The optimiser that the settings ask for, over :func:`parameter_groups`; None for a model without any."""
    groups = parameter_groups(model, s.weight_decay)
    if not groups:
        return None
    if s.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=s.lr, momentum=s.momentum)
    return torch.optim.AdamW(groups, lr=s.lr, betas=(s.beta1, s.beta2))


class Trainer:
    """Trains ``model`` on ``data``.

    run: the folder for checkpoints and figures; None keeps nothing.
    about: put into every checkpoint; what is needed to build the model again.
    observers: see the module's docstring.

    Attributes:
        step: updates done so far.
        best: the lowest validation loss so far.
        stop: true once Ctrl-C was pressed during :meth:`fit`.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Data,
        settings: TrainSettings,
        run: RunFolder | None = None,
        about: dict[str, Any] | None = None,
        *,
        quiet: bool = True,
        observers: Iterable[Observer] = (),
    ) -> None:
        self.model, self.data, self.settings, self.run = model, data, settings, run
        self.about, self.quiet = about or {}, quiet
        self.optimizer = make_optimizer(model, settings)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.step, self.best, self.seconds = 0, math.inf, 0.0
        self.stop = StopRequest()
        self.observers = list(observers)
        self.schedule: Callable[[int], float] = lambda step: learning_rate(step, settings)
        self._saved_at = -1
        self._since_log: list[float] = []  # losses of the steps since the last row
        self._due: dict[str, Any] | None = {}  # the row of an evaluation that is to be made; one comes first of all
        self._tokens = 0  # targets in the last step
        self._progress: Progress | None = None

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return device_of(self.model)

    @property
    def characters(self) -> list[str]:
        """The characters of the vocabulary of texts and names, for pictures; none where there is no vocabulary."""
        return list(json.loads(self.about.get("vocabulary") or "{}").get("characters", []))

    def say(self, text: str) -> None:
        """A line to the user, above the progress line; nothing where the run is quiet."""
        if self._progress is not None:
            self._progress.say(text)
        elif not self.quiet:
            print(text, flush=True)

    # ---- state ----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything that the steps to come depend on."""
        return {
            **self.about,
            "train": self.settings.to_dict(),
            "data": self.data.describe(),
            "step": self.step,
            "best": self.best,
            "seconds": self.seconds,
            "since_log": list(self._since_log),
            "due": self._due,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict() if self.optimizer else {},
            "random": self._random_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where :meth:`state_dict` was taken.

        Raises:
            ValueError: the data is not what it was.
            RuntimeError: the weights do not fit the model; every misfit is named.
        """
        then, now = state["data"], self.data.describe()
        if then != now:
            raise ValueError(
                "the checkpoint was trained on other data: "
                + "; ".join(f"{key} was {then.get(key)}, is {now[key]}" for key in now if then.get(key) != now[key])
            )
        self.model.load_state_dict(state["model"])
        if self.optimizer:
            self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best = state["step"], state["best"]
        self.seconds, self._since_log = state["seconds"], list(state["since_log"])
        self._due = state["due"]
        self._set_random_state(state["random"])
        self._saved_at = self.step

    def _random_state(self) -> dict[str, torch.Tensor]:
        return {
            "default": torch.get_rng_state(),
            "batches": self.generator.get_state(),
            "devices": torch.cuda.get_rng_state(),  # where dropout on a device draws from
        }

    def _set_random_state(self, state: dict[str, torch.Tensor]) -> None:
        torch.set_rng_state(state["default"])
        self.generator.set_state(state["batches"])
        if "devices" in state:  # a checkpoint of an older version has none
            torch.cuda.set_rng_state(state["devices"])

    # ---- one step -------------------------------------------------------------------------------

    def gradients(self, batch: Batch, share: float) -> torch.Tensor:
        """Adds ``share`` times the gradient of the loss on ``batch``; returns the loss."""
        loss: torch.Tensor = self.model(*batch)[1]
        (loss if share == 1.0 else loss * share).backward()
        return loss.detach()

    def _accumulate(self) -> torch.Tensor:
        """The mean loss of the step's batches; the gradient of it is left in the parameters.

        Each batch has the share of its targets: the result is that of one batch with all of them.
        """
        self.model.zero_grad()
        n = self.settings.grad_accum
        batches = [self.data.batch("train", self.generator) for _ in range(n)]
        self._tokens = sum(batch[-1].numel() for batch in batches)
        if n == 1:
            return self.gradients(batches[0], 1.0)
        counts = [targets_in(batch) for batch in batches]
        shares = [count / sum(counts) for count in counts]
        return torch.stack([self.gradients(batch, share) * share for batch, share in zip(batches, shares)]).sum()

    def train_step(self) -> tuple[float, float]:
        """One update. Returns the loss before it and the norm of its gradient before clipping.

        Raises:
            NotFiniteError: either is NaN or infinite. The weights are then as they were.
        """
        s, before = self.settings, self._random_state()
        loss = self._accumulate().item()
        norm = math.inf
        if math.isfinite(loss):
            norm = nn.utils.clip_grad_norm_(self.parameters, s.grad_clip or math.inf).item()
        if not math.isfinite(norm):
            # The same step again, from the same random numbers, this time watched.
            self._set_random_state(before)
            what = f"the loss is {loss}" if not math.isfinite(loss) else "the gradient is not finite"
            why = first_not_finite(self.model, self._accumulate)
            raise NotFiniteError(f"{what} at step {self.step}: {why}")
        self._tell("backward")
        if self.optimizer:
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule(self.step)
            self.optimizer.step()
        self.step += 1
        return loss, norm

    # ---- evaluation -----------------------------------------------------------------------------

    def evaluate(self, split: str = "val") -> float | None:
        """The mean loss on ``eval_iters`` batches, always the same ones; None if stopped."""
        n = self.settings.eval_iters
        if n == 0:
            return self.evaluate_whole(split)
        generator = torch.Generator().manual_seed(self.settings.seed + 1)
        return self._mean_loss(self.data.batch(split, generator) for _ in range(n))

    def evaluate_whole(self, split: str = "val") -> float | None:
        """The mean loss on all of ``split``; None if stopped by Ctrl-C."""
        return self._mean_loss(self.data.whole(split))

    def _mean_loss(self, batches: Iterator[Batch]) -> float | None:
        total, count = 0.0, 0
        with evaluating(self.model):
            for batch in batches:
                if self.stop:
                    return None
                targets = targets_in(batch)
                total += self.model(*batch)[1].item() * targets
                count += targets
        return total / count

    # ---- the loop -------------------------------------------------------------------------------

    def fit(self) -> float | None:
        """Train until ``max_iters`` or Ctrl-C, then save. Returns the loss on all of "val".

        After Ctrl-C (``self.stop`` is true) the whole state is saved and None is returned.

        Raises:
            NotFiniteError: the loss or the gradient is NaN or infinite; the message has the step,
                the operation, and the checkpoint that was kept.
        """
        s = self.settings
        if self.run is not None:
            self.run.begin_metrics(self.step if self.step else -1)
        self.stop = StopRequest()
        self.model.train()
        with Progress(s.max_iters, self.step, quiet=self.quiet) as self._progress, self.stop:
            self._tell("begin")
            try:
                if self._due is not None:  # the first of all, or one that Ctrl-C cut off
                    self._evaluate_and_keep(self._progress, self._due)
                while self.step < s.max_iters and not self.stop:
                    self._one_iteration(self._progress)
                if self.run is not None and self._saved_at != self.step:
                    self.run.save(self.state_dict())
                    self._saved_at = self.step
                return None if self.stop else self.evaluate_whole()
            except NotFiniteError as error:
                raise NotFiniteError(f"{error}. {self._what_was_kept()}") from None
            finally:
                self._tell("end")
                self._progress = None

    def _tell(self, event: str, *figures: dict[str, Any]) -> None:
        for observer in self.observers:
            getattr(observer, event)(self, *figures)

    def _one_iteration(self, progress: Progress) -> None:
        s, began = self.settings, time.perf_counter()
        rate = self.schedule(self.step)
        loss, norm = self.train_step()
        took = time.perf_counter() - began
        self.seconds += took
        self._since_log.append(loss)
        progress.see(loss)
        last = self.step == s.max_iters
        row = {
            "train_loss": sum(self._since_log) / len(self._since_log),
            "lr": rate,
            "grad_norm": norm,
            "tokens_per_s": round(self._tokens / took),
            "memory_mb": _rounded(memory_mb()) if last or self.step % s.log_interval == 0 else None,
        }
        self._tell("after_step", {**row, "train_loss": loss})
        if self.step % s.eval_interval == 0 or last:
            self._evaluate_and_keep(progress, row)
        elif self.step % s.log_interval == 0:
            self._log(progress, row)
        else:
            progress.show(self.step, _figures(row))

    def _evaluate_and_keep(self, progress: Progress, row: dict[str, Any]) -> None:
        self._due = row
        if (loss := self.evaluate()) is None:
            return
        self._due = None
        self._log(progress, {**row, "val_loss": loss}, keep=True)
        if not math.isfinite(loss):
            raise NotFiniteError(f"the validation loss is {loss} at step {self.step}")
        self._tell("evaluation", {**row, "val_loss": loss})
        improved, self.best = loss < self.best, min(loss, self.best)
        if self.run is not None:
            state = self.state_dict()
            if improved:
                self.run.save({k: v for k, v in state.items() if k != "optimizer"}, BEST)
            self.run.save(state)
            self._saved_at = self.step

    def _log(self, progress: Progress, row: dict[str, Any], *, keep: bool = False) -> None:
        self._since_log.clear()
        progress.show(self.step, _figures(row), keep=keep)
        if self.run is not None:
            self.run.add_metrics({"step": self.step, **row, "seconds": round(self.seconds, 3)})

    def _what_was_kept(self) -> str:
        if self.run is None or self._saved_at < 0:
            return "No checkpoint was kept"
        return f"The last good checkpoint, of step {self._saved_at}, is in {self.run.path}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def targets_in(batch: Batch) -> int:
    """How many targets a batch has: those that are not negative, which are ignored."""
    return int((batch[-1] >= 0).sum().item())


def _figures(row: dict[str, Any]) -> dict[str, str]:
    """The figures of a row as the progress line shows them."""
    known = {"loss": ("train_loss", ".4f"), "val": ("val_loss", ".4f"), "tok/s": ("tokens_per_s", ",")}
    return {name: format(row[key], form) for name, (key, form) in known.items() if row.get(key) is not None}
