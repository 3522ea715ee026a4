"""What a recorded run says, in words: saturated and dead layers, updates out of proportion, losses.

Each rule names what it saw, with its figure, and what to do about it. The bounds are rules of thumb of the
lectures ("Building makemore part 3": tanh layers below 5 % saturation, update:data around 1e-3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .recording import Recording, Snapshot
from .statistics import SATURATION

__all__ = ["Finding", "findings", "loss_findings"]

_HALF_IS_NORMAL = {"ReLU", "ReLU6", "Hardswish", "GELU", "SiLU", "Mish", "ELU", "Softplus"}


@dataclass(frozen=True)
class Finding:
    """``level`` is "good", "warn" or "bad"; ``text`` says what was seen and what to do."""

    level: str
    text: str

    def __str__(self) -> str:
        return f"{self.level:<5}{self.text}"


def findings(recording: Recording) -> list[Finding]:
    """What the last snapshot of a recording (and the way to it) says, the worst first.

    Raises:
        ValueError: the recording is empty.
    """
    last = recording.at()
    found = [*_not_finite(last), *_saturation(last), *_gradients(last), *_updates(recording)]
    if not found:
        found = [
            Finding("good", "no layer is saturated or dead, gradients reach every parameter, updates are in proportion")
        ]
    return sorted(found, key=lambda each: ("bad", "warn", "good").index(each.level))


def _not_finite(last: Snapshot) -> list[Finding]:
    bad = [(name, layer.output["not_finite"]) for name, layer in last.layers.items() if layer.output["not_finite"]]
    return [
        Finding("bad", f"{name} gave out {count} numbers that are not finite at step {last.step}")
        for name, count in bad
    ]


def _saturation(last: Snapshot) -> list[Finding]:
    found = []
    for name, layer in last.layers.items():
        share, units = layer.output["saturated"], layer.output["units"]
        if layer.kind not in SATURATION or share is None:
            continue
        what = f"{name}'s {layer.kind.lower()}"
        one_sided = layer.kind in _HALF_IS_NORMAL
        if share > (0.9 if one_sided else 0.2):
            do = "raise its input's bias or lower the learning rate" if one_sided else "lower its gain"
            found.append(Finding("bad" if share > 0.4 else "warn", f"{what} is {100 * share:.0f} % saturated: {do}"))
        if units is not None:
            dead = sum(unit >= 1 for unit in units)
            if dead:
                level = "bad" if dead > 0.2 * len(units) else "warn"
                text = f"{dead} of {len(units)} units of {what} are dead: no example of the batch moves them"
                found.append(Finding(level, text))
    return found


def _gradients(last: Snapshot) -> list[Finding]:
    found = []
    none = [name for name, w in last.weights.items() if w.gradient is None]
    zero = [
        name
        for name, w in last.weights.items()
        if w.gradient is not None and w.gradient["std"] == 0 == w.gradient["mean"]
    ]
    if none and len(none) < len(last.weights):
        found.append(Finding("warn", f"no gradient reached {_listed(none)}: not used in the loss, or frozen"))
    if zero:
        found.append(Finding("bad", f"the gradient of {_listed(zero)} is exactly zero"))
    sizes = [(name, layer.gradient["std"]) for name, layer in last.layers.items() if layer.gradient is not None]
    sizes = [(name, std) for name, std in sizes if std > 0 and math.isfinite(std)]
    if len(sizes) >= 4:
        # From the second layer: an embedding's gradient is spread thin over its many rows' uses.
        (first, early), (end, late) = sizes[1], sizes[-1]
        if early < 1e-3 * late:
            found.append(
                Finding(
                    "warn", f"the gradient shrinks {late / early:.0f} times from {end} back to {first}: it vanishes"
                )
            )
        if early > 1e3 * late:
            found.append(
                Finding("warn", f"the gradient grows {early / late:.0f} times from {end} back to {first}: it explodes")
            )
    return found


def _updates(recording: Recording) -> list[Finding]:
    found = []
    last = recording.at()
    ratios = {}
    for name, w in last.weights.items():
        if len(w.shape) < 2:
            continue
        seen = [s.weights[name].update_ratio for s in recording.snapshots[-5:] if name in s.weights]
        seen = [ratio for ratio in seen if math.isfinite(ratio)]
        if seen:
            ratios[name] = float(np.median(seen))
    if not ratios:
        return []
    middle = float(np.median(list(ratios.values())))
    for name, ratio in ratios.items():
        others = float(np.median([r for other, r in ratios.items() if other != name] or [ratio]))
        if others > 0 and ratio > 10 * others:
            found.append(
                Finding(
                    "warn",
                    f"update:data of {name} is {ratio / others:.0f} times the others'; its learning rate is high",
                )
            )
        elif ratio > 0 and others > 30 * ratio:
            found.append(
                Finding(
                    "warn", f"update:data of {name} is {others / ratio:.0f} times below the others'; it hardly learns"
                )
            )
    if middle > 1e-2:
        found.append(
            Finding(
                "warn",
                f"update:data is {middle:.1e} in the middle, ten times the 1e-3 that is usual: lower the learning rate",
            )
        )
    elif middle < 1e-5:
        found.append(
            Finding(
                "warn",
                f"update:data is {middle:.1e} in the middle, far below 1e-3: raise the learning rate, or training is over",
            )
        )
    else:
        found.append(
            Finding(
                "good", f"update:data is {middle:.1e} in the middle (1e-3 is usual, less once the rate has decayed)"
            )
        )
    return found


def loss_findings(
    train: list[tuple[float, float]], val: list[tuple[float, float]], classes: int | None = None
) -> list[Finding]:
    """What the curves say: (step, loss) of training and validation, either may be empty."""
    found = []
    for name, points in (("training", train), ("validation", val)):
        bad = [step for step, loss in points if not math.isfinite(loss)]
        if bad:
            found.append(Finding("bad", f"the {name} loss is not finite from step {bad[0]:.0f} on"))
    first = val[0] if val and val[0][0] == 0 else train[0] if train and train[0][0] <= 1 else None
    if classes and classes > 1 and first is not None and math.isfinite(first[1]):
        guess = math.log(classes)
        if first[1] > guess + 0.5:
            found.append(
                Finding(
                    "warn",
                    f"the loss starts at {first[1]:.2f}, guessing gives {guess:.2f}: the first layers' or the last layer's weights start too large",
                )
            )
        else:
            found.append(
                Finding("good", f"the loss starts at {first[1]:.2f}; guessing among {classes} gives {guess:.2f}")
            )
    good = [(step, loss) for step, loss in val if math.isfinite(loss)]
    if len(good) >= 3:
        best = min(good, key=lambda point: point[1])
        end = good[-1]
        if end[1] > best[1] + 0.02 * abs(best[1]) and end[0] > best[0]:
            found.append(
                Finding(
                    "warn",
                    f"validation was best ({best[1]:.3f}) at step {best[0]:.0f} and is {end[1]:.3f} now: it overfits since",
                )
            )
        else:
            tail = good[-3][1] - end[1]
            whole = good[0][1] - best[1]
            if whole > 0 and tail > 0.03 * whole:
                found.append(
                    Finding(
                        "warn",
                        f"validation still falls at the end ({good[-3][1]:.3f} to {end[1]:.3f} over the last evaluations): train longer",
                    )
                )
    if train and good:
        last = float(np.mean([loss for _, loss in train[-5:] if math.isfinite(loss)] or [math.nan]))
        gap = good[-1][1] - last
        if math.isfinite(gap):
            level = "warn" if gap > 0.15 * abs(good[-1][1]) else "good"
            found.append(
                Finding(
                    level,
                    f"validation {good[-1][1]:.3f} against training {last:.3f}: a gap of {gap:.3f}"
                    + (": it learns by heart; more data or more dropout" if level == "warn" else ""),
                )
            )
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
