"""A line search for the strong Wolfe conditions (Nocedal & Wright, "Numerical optimization", 2006,
algorithms 3.5 and 3.6; the interpolation is their equation 3.59)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..tensor import Tensor

__all__ = ["cubic_minimum", "strong_wolfe"]


class Point(NamedTuple):
    """A step along the direction: its length, the loss there, the gradient and its part along it."""

    t: Any
    loss: Any
    gradient: Tensor
    slope: Any


def cubic_minimum(a: Point, b: Point, bounds: tuple[Any, Any] | None = None) -> Any:
    """Where the cubic through both losses and slopes has its minimum, within ``bounds`` (default,
    between both); the middle of them if it has none."""
    low, high = (min(a.t, b.t), max(a.t, b.t)) if bounds is None else bounds
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    d2 = square**0.5
    near, far = (a, b) if a.t <= b.t else (b, a)
    at = far.t - (far.t - near.t) * ((far.slope + d2 - d1) / (far.slope - near.slope + 2 * d2))
    return min(max(at, low), high)


def strong_wolfe(
    evaluate: Callable[[Any], Point], start: Point, t: Any, largest: Any, most: int,
    tolerance_change: float = 1e-9, c1: float = 1e-4, c2: float = 0.9,
) -> tuple[Point, int]:  # fmt: skip
    """A step that lowers the loss by ``c1`` of what the slope promises and the slope to ``c2`` of itself.

    Args:
        evaluate: the point at a step.
        start: the point at step 0.
        t: the first step that is tried; largest: the direction's largest element.
        most: so many evaluations at most, after the first.

    Returns:
        The best point found, and how many were evaluated.
    """

    def too_high(p: Point) -> bool:
        return bool(p.loss > start.loss + c1 * p.t * start.slope)

    def flat(p: Point) -> bool:
        return bool(abs(p.slope) <= -c2 * start.slope)

    before, now = start, evaluate(t)
    count, tries = 1, 0
    bracket: list[Point] = []
    while tries < most:
        if too_high(now) or (tries > 1 and now.loss >= before.loss):
            bracket = [before, now]
            break
        if flat(now):
            return now, count
        if now.slope >= 0:
            bracket = [before, now]
            break
        ahead = cubic_minimum(before, now, (now.t + 0.01 * (now.t - before.t), now.t * 10))
        before, now = now, evaluate(ahead)
        count, tries = count + 1, tries + 1
    if tries == most:
        bracket = [start, now]

    # Zoom: the bracket holds a point that satisfies the conditions.
    stuck = False
    low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
    while tries < most:
        first, last = bracket
        if abs(last.t - first.t) * largest < tolerance_change:
            break
        t = cubic_minimum(first, last)
        left, right = min(first.t, last.t), max(first.t, last.t)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            # Close to an end: tolerated once, then kept off by a tenth.
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        now = evaluate(t)
        count, tries = count + 1, tries + 1
        if too_high(now) or now.loss >= bracket[low].loss:
            bracket[high] = now
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
            continue
        done = flat(now)
        if not done and now.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = now
        if done:
            break
    return bracket[low], count
