"""Checks that a person would run before he trusts a training run, each with a verdict.

They are those of A. Karpathy, "A Recipe for Training Neural Networks" (2019), and work on any Module. A
batch is a tuple, the targets last. A model whose ``forward(*batch)`` returns a loss (alone or in a tuple)
needs nothing more; another is called without the targets, and ``loss(output, targets)`` makes the loss.

What a check trains is a copy; the model, its gradients and the default random stream stay as they are.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..generator import manual_seed
from ..graph import enable_grad, no_grad
from ..nn.module import Module
from ..ops.random import get_rng_state, set_rng_state
from ..optim import AdamW
from ..tensor import Tensor, from_array
from .attention_maps import tensors_in
from .curves import loss_of

__all__ = [
    "CheckResults",
    "Verdict",
    "batch_independence",
    "causality",
    "check",
    "gradient_flow",
    "initial_loss",
    "input_dependence",
    "overfit_one_batch",
    "seed_reproducibility",
]

Batch = Sequence[Any]
Loss = Callable[[Any, Any], Tensor] | None


@dataclass(frozen=True)
class Verdict:
    """What a check found: ``passed`` is None where it does not apply; ``why`` says it in words, with figures."""

    name: str
    passed: bool | None
    why: str

    def __str__(self) -> str:
        word = "does not apply" if self.passed is None else "passed" if self.passed else "FAILED"
        return f"{self.name:<20} {word:<14} {self.why}"

    def __bool__(self) -> bool:
        return self.passed is not False


class CheckResults(list[Verdict]):
    """Verdicts, printed one a line."""

    @property
    def passed(self) -> bool:
        """Whether none failed."""
        return all(self)

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def __getattr__(self, name: str) -> Verdict:
        for verdict in self:
            if verdict.name.replace(" ", "_") == name:
                return verdict
        raise AttributeError(f"there is no verdict {name!r}")


# ---- the checks --------------------------------------------------------------------------------


def initial_loss(
    model: Module, batch: Batch, *, classes: int | None = None, loss: Loss = None, tolerance: float = 0.25
) -> Verdict:
    """An untrained model should be guessing: its loss is about log(classes).

    Far above, it is confidently wrong: its last layer's weights are too large at the start, and the first
    steps of training go into making them smaller.

    Args:
        classes: how many there are; default, the last dimension of the logits that the model returns.
        tolerance: in nats.
    """
    name = "initial loss"
    with _untouched(model) as twin, no_grad():
        twin.eval()
        count = classes or _classes(twin, batch, loss)
        if count is None:
            return Verdict(name, None, "the number of classes is not known: give classes=")
        value = float(loss_of(twin, batch, loss).detach())
    wanted = math.log(count)
    figures = f"{value:.3f}, guessing among {count} classes gives log({count}) = {wanted:.3f}"
    if not math.isfinite(value):
        return Verdict(name, False, f"the loss is {value}")
    if value > wanted + tolerance:
        return Verdict(name, False, f"{figures}: confidently wrong; make the last layer's weights smaller")
    if value < wanted - tolerance:
        return Verdict(name, False, f"{figures}: better than guessing before any training: trained already, or a leak")
    return Verdict(name, True, figures)


RATES = (3e-3, 3e-2, 3e-1)  # tried in this order, until one does


def overfit_one_batch(
    model: Module, batch: Batch, *, loss: Loss = None, steps: int = 200, lr: float | None = None, share: float = 0.3
) -> Verdict:
    """A model that learns at all learns a single batch by heart.

    Args:
        steps: of AdamW without weight decay. lr: its learning rate; default, the first of 3e-3, 3e-2
            and 3e-1 that does.
        share: of the way from the loss at the start down to the best that is possible (equal inputs
            may have different targets), what may be left.

    Dropout is off meanwhile: it keeps from learning by heart, as it should.
    """
    name = "overfit one batch"
    if not _learns(model):
        return Verdict(name, None, "no parameter requires a gradient")
    start, best = math.nan, math.inf
    floor = _least_loss(batch)
    for rate in RATES if lr is None else (lr,):
        with _untouched(model) as twin:
            _without_dropout(twin)
            start, end = _trained(twin, batch, loss, steps, rate)
        limit = floor + share * (start - floor)
        if math.isfinite(end) and end <= limit:
            return Verdict(name, True, f"{start:.3f} to {end:.3f} in {steps} steps on one batch")
        best = min(best, end if math.isfinite(end) else math.inf)
    figures = f"{start:.3f} to {best:.3f} in {steps} steps on one batch"
    pairs = _best_of_pairs(batch)
    if pairs is not None and abs(best - pairs) <= 0.05 * start:
        why = f"{figures}: as good as a table of pairs, {pairs:.3f}: right for a model that sees one token, else it loses its context"
        return Verdict(name, None, why)
    return Verdict(
        name, False, f"{figures}: does not learn it by heart; expected below {floor + share * (start - floor):.3f}"
    )


def input_dependence(
    model: Module, batch: Batch, *, loss: Loss = None, steps: int = 60, lr: float | None = None
) -> Verdict:
    """With its inputs zeroed a model should do worse; if it does not, it never looks at them.

    Two copies are trained alike, one on the batch, one on the batch with its inputs zeroed. ``steps``,
    ``lr``: as in :func:`overfit_one_batch`.
    """
    name = "input dependence"
    if not _learns(model):
        return Verdict(name, None, "no parameter requires a gradient")
    zeroed = [_zeros(x) for x in batch[:-1]] + [batch[-1]]
    if all(_equal(x, z) for x, z in zip(batch, zeroed)):
        return Verdict(name, None, "the inputs are all zero, or none is a tensor")
    figures = ""
    for rate in RATES if lr is None else (lr,):
        ends = []
        for inputs in (batch, zeroed):
            with _untouched(model) as twin:
                _without_dropout(twin)
                ends.append(_trained(twin, inputs, loss, steps, rate)[1])
        real, blind = ends
        figures = f"after {steps} steps {real:.3f}, with zeroed inputs {blind:.3f}"
        if real < blind - 0.01 * abs(blind):
            return Verdict(name, True, figures)
    return Verdict(name, False, f"{figures}: the inputs make no difference")


def causality(model: Module, batch: Batch, *, loss: Loss = None) -> Verdict:
    """What a sequence model says at a position must not depend on what comes after it.

    The inputs are changed from a position on; the outputs before it must not move. It applies to a model
    with an input (B, T) of integers or (B, T, C), and an output (B, T, ...); of several such inputs the
    last is taken (that of a decoder). A model that may look ahead (an encoder) fails it by design.
    """
    name = "causality"
    with _untouched(model) as twin, no_grad():
        twin.eval()
        place, before = _sequence_in_and_out(twin, batch, loss)
        if before is None:
            return Verdict(name, None, "no output (B, T, ...) is as long as an input (B, T) or (B, T, C), T at least 2")
        x = batch[place]
        tokens, T = x.numpy(force=True), x.shape[1]
        for cut in sorted({1, T // 2, T - 1}):
            changed = tokens.copy()
            changed[:, cut:] = _different(tokens, changed[:, cut:])
            inputs = [*batch[:place], _like(changed, x), *batch[place + 1 :]]
            after = _sequence(_output(twin, inputs, loss), x)
            assert after is not None
            moved = (
                np.abs(after[:, :cut].astype(np.float64) - before[:, :cut]).reshape(len(before), cut, -1).max((0, 2))
            )
            if float(moved.max()) > 1e-5 * (1 + float(np.abs(before).max())):
                at = int(moved.argmax())
                why = f"changing the input from position {cut} on moves the output at {at} by {moved.max():.2g}: it sees the future"
                return Verdict(name, False, why)
    return Verdict(name, True, f"outputs before a change stay as they are ({T} positions)")


def gradient_flow(model: Module, batch: Batch, *, loss: Loss = None) -> Verdict:
    """Every parameter that asks for a gradient should get one that is finite and not all zero.

    A branch may be shut at the start (its last weights zero, as is good for residual networks), so that no
    gradient passes: what is zero at first is looked at again after three steps of training.
    """
    name = "gradient flow"
    if not _learns(model):
        return Verdict(name, None, "no parameter requires a gradient")
    with _untouched(model) as twin, enable_grad():
        twin.train()
        parameters = [(n, p) for n, p in twin.named_parameters() if p.requires_grad]
        optimizer = AdamW([p for _, p in parameters], lr=1e-3)
        for step in range(4):
            optimizer.zero_grad()
            value = loss_of(twin, batch, loss)
            if not value.requires_grad:
                return Verdict(name, False, "the loss does not depend on any parameter: it is detached")
            value.backward()
            wrong, only_zero = _wrong_gradients(parameters)
            if not wrong:
                later = f", some of them only after step {step} (a branch that starts shut)" if step else ""
                return Verdict(name, True, f"all {len(parameters)} parameters get one{later}")
            if not only_zero:
                break
            optimizer.step()
    more = f", and {len(wrong) - 4} more" if len(wrong) > 4 else ""
    return Verdict(name, False, f"gradients: {'; '.join(wrong[:4])}{more}")


def _wrong_gradients(parameters: list[tuple[str, Any]]) -> tuple[list[str], bool]:
    """What is wrong with the gradients, and whether it is only that some are zero."""
    wrong, only_zero = [], True
    for name, p in parameters:
        if p.grad is None:
            wrong.append(f"{name} gets none")
            only_zero = False
            continue
        g = p.grad.numpy(force=True)
        if not np.isfinite(g).all():
            wrong.append(f"that of {name} is not finite")
            only_zero = False
        elif not g.any():
            wrong.append(f"that of {name} is zero")
    return wrong, only_zero


def batch_independence(model: Module, batch: Batch, *, loss: Loss = None) -> Verdict:
    """In evaluation mode, what a model says of an example must not depend on the others in its batch.

    The examples but the first are replaced by each other in turn; the output for the first must not move.
    """
    name = "batch independence"
    tensors = [x for x in batch if isinstance(x, Tensor) and x.ndim]
    size = len(tensors[0]) if tensors else 0
    if size < 2:
        return Verdict(name, None, "the batch has fewer than two examples")
    others = [0, *range(2, size), 1] if size > 2 else [0, 0]
    with _untouched(model) as twin, no_grad():
        twin.eval()
        whole = _first_example(twin, batch, loss, size)
        mixed = [_rows(x, others, size) for x in batch]
        other = _first_example(twin, mixed, loss, size)
        halved = [_rows(x, [0, 0], size) for x in batch]
        alone = _first_example(twin, halved, loss, 2)
    if whole is None or other is None or alone is None:
        return Verdict(name, None, "the output has no row for each example")
    moved = max(float(np.abs(whole - x).max()) if x.size else 0.0 for x in (other, alone))
    if moved > 1e-4 * (1 + float(np.abs(whole).max())):
        return Verdict(name, False, f"in other company an example's output moves by {moved:.2g}: the batch leaks in")
    return Verdict(name, True, f"in other company an example's output stays (moves by {moved:.1g})")


def seed_reproducibility(
    model: Module, batch: Batch, *, loss: Loss = None, steps: int = 3, build: Callable[[], Module] | None = None
) -> Verdict:
    """The same seed gives the same run, to the bit.

    Args:
        build: makes the model anew, so that its initialisation is checked as well.
    """
    name = "seed reproducibility"
    ends = []
    for _ in range(2):
        with _untouched(model) as twin:
            manual_seed(1234)
            if build is not None:
                twin = build()
            _trained(twin, batch, loss, steps, 1e-3)
            ends.append([p.numpy(force=True).copy() for p in twin.parameters()])
    differing = sum(not np.array_equal(a, b, equal_nan=True) for a, b in zip(*ends))
    if differing or len(ends[0]) != len(ends[1]):
        return Verdict(
            name,
            False,
            f"{differing} of {len(ends[0])} parameters differ after {steps} steps from one seed: other randomness is at work",
        )
    return Verdict(name, True, f"{steps} steps from one seed, twice: equal to the bit")


def check(
    model: Module,
    batch: Batch,
    *,
    loss: Loss = None,
    classes: int | None = None,
    steps: int = 200,
    lr: float | None = None,
    share: float = 0.3,
    build: Callable[[], Module] | None = None,
) -> CheckResults:
    """All checks on an untrained ``model``; ``print(check(...))`` shows them, ``.passed`` sums them up.

    Args:
        batch: a tuple of arguments, targets last.
        loss: of (output, targets), for a model that returns none.
        classes: for the initial loss, where the logits do not show it.
        steps, lr, share: for overfitting one batch; the input-dependence check takes a third of the steps.
        build: makes the model anew, for the check of the seed.

    Raises:
        TypeError: ``model`` is no Module. ValueError: the batch is empty, or there is no loss. What the model
            itself raises comes through.
    """
    if not isinstance(model, Module):
        raise TypeError(f"check: expected an nn.Module, got {type(model).__name__}")
    batch = tuple(batch)
    if not batch:
        raise ValueError("check: the batch is empty: expected a tuple of arguments, targets last")
    return CheckResults(
        [
            initial_loss(model, batch, classes=classes, loss=loss),
            gradient_flow(model, batch, loss=loss),
            causality(model, batch, loss=loss),
            batch_independence(model, batch, loss=loss),
            seed_reproducibility(model, batch, loss=loss, build=build),
            input_dependence(model, batch, loss=loss, steps=max(1, steps // 3), lr=lr),
            overfit_one_batch(model, batch, loss=loss, steps=steps, lr=lr, share=share),
        ]
    )


# ---- how they work -----------------------------------------------------------------------------


@contextmanager
def _untouched(model: Module) -> Iterator[Module]:
    """A copy of the model to do anything with; afterwards the random stream is as it was."""
    state = get_rng_state()
    try:
        twin = copy.deepcopy(model)
        twin.zero_grad()
        yield twin
    finally:
        set_rng_state(state)


def _trained(twin: Module, batch: Batch, loss: Loss, steps: int, lr: float) -> tuple[float, float]:
    """Train on the one batch; the loss at the start and (in training mode, too) at the end."""
    twin.train()
    parameters = [p for p in twin.parameters() if p.requires_grad]
    with enable_grad():
        value = loss_of(twin, batch, loss)
        start = float(value.detach())
        if not parameters or not value.requires_grad:
            return start, start
        optimizer = AdamW(parameters, lr=lr, weight_decay=0.0)
        for step in range(steps):
            for group in optimizer.param_groups:  # warmed up, then down to a tenth
                group["lr"] = lr * min(1.0, (step + 1) / 10) * (1 - 0.9 * step / steps)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            value = loss_of(twin, batch, loss)
    return start, float(value.detach())


def _output(twin: Module, batch: Batch, loss: Loss) -> list[Tensor]:
    """The model's tensors that are no loss."""
    output = twin(*batch) if loss is None else twin(*batch[:-1])
    return [t for t in tensors_in(output) if t.ndim]


def _classes(twin: Module, batch: Batch, loss: Loss) -> int | None:
    target = batch[-1]
    if not isinstance(target, Tensor) or target.is_floating_point():
        return None
    found = [t for t in _output(twin, batch, loss) if t.ndim > 1 and t.is_floating_point()]
    return found[0].shape[-1] if found else None


def _sequence_in_and_out(twin: Module, batch: Batch, loss: Loss) -> tuple[int, np.ndarray | None]:
    """The place of the input that is a sequence, and the output that goes along with it."""
    output = _output(twin, batch, loss)
    for place in range(len(batch) - 2, -1, -1):
        x = batch[place]
        if not isinstance(x, Tensor) or x.ndim not in (2, 3) or x.shape[1] < 2:
            continue
        if x.ndim == 2 and x.is_floating_point():  # features, no sequence
            continue
        found = _sequence(output, x)
        if found is not None:
            return place, found
    return 0, None


def _sequence(output: list[Tensor], x: Tensor) -> np.ndarray | None:
    for t in output:
        if t.ndim >= 2 and t.shape[:2] == x.shape[:2] and t.is_floating_point():
            return t.numpy(force=True).copy()
    return None


def _learns(model: Module) -> bool:
    return any(p.requires_grad for p in model.parameters())


def _without_dropout(twin: Module) -> None:
    """Switch it off, whether it is a module or a share that a module passes on to a function."""
    for module in twin.modules():
        for name in ("p", "dropout"):
            if type(getattr(module, name, None)) is float:
                setattr(module, name, 0.0)


def _least_loss(batch: Batch) -> float:
    """The least mean cross-entropy on the batch of any model: above 0 where equal inputs differ in their targets."""
    x, y = batch[-2] if len(batch) > 1 else None, batch[-1]
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)) or y.is_floating_point() or y.ndim != 1 or len(batch) > 2:
        return 0.0
    return _conditional_entropy(x.numpy(force=True).reshape(len(y), -1), y.numpy(force=True))


def _best_of_pairs(batch: Batch) -> float | None:
    """The least mean loss on the batch of a model that sees, at each target, only the token at its place."""
    x, y = batch[-2] if len(batch) > 1 else None, batch[-1]
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)) or x.is_floating_point() or y.is_floating_point():
        return None
    if x.shape != y.shape or not x.numel():
        return None
    return _conditional_entropy(x.numpy(force=True).reshape(-1, 1), y.numpy(force=True).ravel())


def _conditional_entropy(given: np.ndarray, targets: np.ndarray) -> float:
    """The mean surprise, in nats, at ``targets`` (N,) for one who knows ``given`` (N, D); negative targets do not count."""
    kept = targets >= 0
    if not kept.any():
        return 0.0
    _, known = np.unique(given[kept], axis=0, return_inverse=True)
    known = known.ravel()
    _, pairs = np.unique(np.stack([known, targets[kept]]), axis=1, return_counts=True)
    alone = np.bincount(known)
    return float((alone * np.log(alone)).sum() - (pairs * np.log(pairs)).sum()) / int(kept.sum())


def _first_example(twin: Module, batch: Batch, loss: Loss, size: int) -> np.ndarray | None:
    for t in _output(twin, batch, loss):
        if t.is_floating_point() and len(t) % size == 0 and len(t):
            return t.numpy(force=True)[: len(t) // size].astype(np.float64)
    return None


def _different(pool: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Something else of the same kind: the other tokens that occur, or the numbers and one more."""
    if pool.dtype.kind == "f":
        return part + 1.0
    known = np.unique(pool)
    if len(known) < 2:
        return part + 1 if known[0] == 0 else part - 1
    return known[(np.searchsorted(known, part) + 1) % len(known)].astype(part.dtype)


def _rows(x: Any, order: list[int], size: int) -> Any:
    if isinstance(x, Tensor) and x.ndim and len(x) == size:
        return _like(x.numpy(force=True)[order], x)
    return x


def _zeros(x: Any) -> Any:
    return _like(np.zeros_like(x.numpy(force=True)), x) if isinstance(x, Tensor) else x


def _equal(a: Any, b: Any) -> bool:
    return a is b or np.array_equal(a.numpy(force=True), b.numpy(force=True))


def _like(array: np.ndarray, x: Tensor) -> Tensor:
    return from_array(np.ascontiguousarray(array)).to(x.device)
