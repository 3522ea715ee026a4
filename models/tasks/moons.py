"""Two moons: points in the plane on two interleaved half circles, to be told apart. Generated."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import tinygrad_zth as torch
from tinygrad_zth import nn

from .examples import Examples, digest_of
from .task import Batch, SampleRequest, Task, device_of

Point = tuple[float, float]
X_RANGE, Y_RANGE = (-1.5, 2.5), (-1.0, 1.5)
SEEDS = {"train": "moons", "val": "moons, unseen"}


def moons(n: int, noise: float, seed: int | str) -> tuple[list[Point], list[int]]:
    """n points, in turn on the upper (+1) and the lower (-1) of two interleaved half circles."""
    rng = random.Random(seed)
    xs: list[Point] = []
    ys: list[int] = []
    for i in range(n):
        angle = math.pi * (i // 2) / max((n - 1) // 2, 1)
        upper = i % 2 == 0
        x, y = math.cos(angle), math.sin(angle)
        x, y = (x, y) if upper else (1.0 - x, 0.5 - y)
        xs.append((x + rng.gauss(0.0, noise), y + rng.gauss(0.0, noise)))
        ys.append(1 if upper else -1)
    return xs, ys


class MoonsTask(Task):
    """Points x (B, 2), float64, and the moon y (B,) that each lies on: 1 the upper, 0 the lower.

    The model: ``model(x, y) -> (scores (B,), loss)``, a score above 0 for the upper moon. Its settings have
    ``points`` and ``noise``: how many there are, and how they are spread. "val" is as many new ones.
    """

    tested = "train"
    prompt_help = 'a point, as "0.5 0.2" (default: the plane as the model sees it)'
    length, samples = 1, 1
    temperature = 0.0

    def load(self, source: str | None, vocabulary: str | None = None, device: str = "cpu") -> MoonsCorpus:
        """The moons; nothing is read."""
        return MoonsCorpus(device)

    def write(self, model: nn.Module, vocabulary: str, request: SampleRequest) -> Iterator[str]:
        """The moon of the point and its score, or the plane."""
        if request.prompt is None:
            config = model.config
            yield plane(scores_of(model), *moons(config.points, config.noise, SEEDS["train"])) + "\n"
            return
        try:
            x, y = (float(part) for part in request.prompt.replace(",", " ").split())
        except ValueError:
            raise ValueError(f"--prompt: expected two numbers, x and y, got {request.prompt!r}") from None
        (score,) = scores_of(model)([(x, y)])
        yield f"{'+1' if score > 0 else '-1'}  (score {score:+.4f})\n"

    def measures(self, model: nn.Module, vocabulary: str, batches: Iterator[Batch]) -> dict[str, float]:
        """accuracy: the share of points on their own side."""
        right = count = 0
        for x, y in batches:
            right += int(((model(x)[0] > 0) == (y == 1)).sum().item())
            count += len(y)
        return {"accuracy": right / count}


class MoonsCorpus:
    """The points; how many and how far spread, the model's settings say."""

    vocabulary = ""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def sizes(self) -> dict[str, Any]:
        """Nothing: the data decides no setting."""
        return {}

    def summary(self) -> str:
        """What is learnt."""
        return "two moons to be told apart"

    def batches(self, config: Any, batch_size: int) -> Examples:
        """``config.points`` points of noise ``config.noise``. Raises as :class:`Examples` does."""
        parts: dict[str, Batch] = {}
        for part, seed in SEEDS.items():
            xs, ys = moons(config.points, config.noise, seed)
            y = (torch.tensor(ys) + 1) // 2
            parts[part] = torch.tensor(xs, dtype=torch.float64), y
        about = {"points": config.points, "noise": config.noise, "sha256": digest_of(*parts["train"])}
        return Examples(parts, batch_size, about, device=self.device)


def scores_of(model: nn.Module) -> Callable[[list[Point]], list[float]]:
    """The model as a function of points."""

    def scores(points: list[Point]) -> list[float]:
        with torch.no_grad():
            found: list[float] = model(torch.tensor(points, dtype=torch.float64, device=device_of(model)))[0].tolist()
        return found

    return scores


def scale(bounds: tuple[float, float], n: int) -> list[float]:
    """n numbers from one bound to the other."""
    return [bounds[0] + (bounds[1] - bounds[0]) * i / (n - 1) for i in range(n)]


def plane(scores: Callable[[list[Point]], list[float]], xs: list[Point], ys: list[int], columns: int = 64) -> str:
    """The plane in letters: '+' where the model says +1, '.' where -1; points 'O' and 'x'."""
    across, down = scale(X_RANGE, columns), scale(Y_RANGE[::-1], columns // 3)
    rows = [["+" if s > 0 else "." for s in scores([(x, y) for x in across])] for y in down]
    for (x, y), label in zip(xs, ys):
        column = round((x - across[0]) / (across[1] - across[0]))
        row = round((y - down[0]) / (down[1] - down[0]))
        if 0 <= row < len(down) and 0 <= column < columns:
            rows[row][column] = "O" if label > 0 else "x"
    return "\n".join("".join(row) for row in rows)
