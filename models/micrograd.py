"""Two moons told apart by a multi-layer perceptron of scalars (`tinygrad_zth.value`).

A hundred points lie on two interleaved half circles. An MLP 2-16-16-1, all of its 337 parameters
single numbers, learns which point lies on which: a max-margin (SVM) loss, mean max(0, 1 - y f(x)),
with a little weight decay, and plain gradient descent over all the points at each step. In some
3 seconds it has every point right.

    python -m models.micrograd                 # train, print the plane as the model sees it
    python -m models.micrograd eval            # accuracy on the training points and on new ones
    python -m models.micrograd sample 0.5 0.2  # the model's answer at a point

After the demo of A. Karpathy's micrograd; the loss is Cortes and Vapnik's, "Support-vector
networks", 1995.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path

from tinygrad_zth.value import MLP, Value, linear

Point = tuple[float, float]


@dataclass(frozen=True)
class Config:
    """What a run is made of; the same one gives the same model, to the bit."""

    points: int = 100
    noise: float = 0.08  # standard deviation of each coordinate
    seed: int = 1337
    hidden: tuple[int, ...] = (16, 16)
    nonlin: str = "relu"
    steps: int = 200
    lr: float = 1.0  # falls linearly to a tenth
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        for name in ("points", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not all(width >= 1 for width in self.hidden):
            raise ValueError(f"each hidden layer needs a neuron, got widths {self.hidden}")
        for name in ("noise", "lr", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a number from 0 up, got {getattr(self, name)}")


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


def build(config: Config) -> MLP:
    """The untrained model."""
    random.seed(config.seed)
    return MLP(2, [*config.hidden, 1], config.nonlin)


def loss_of(model: MLP, xs: Sequence[Point], ys: Sequence[int], weight_decay: float) -> Value:
    """Mean max(0, 1 - y f(x)), plus `weight_decay` times the sum of the squared parameters."""
    margins = [y * model(x) for x, y in zip(xs, ys)]
    data_loss = sum((1 - margin).relu() for margin in margins) / len(xs)
    parameters = model.parameters()
    return data_loss + weight_decay * linear(parameters, parameters, Value(0.0))


def accuracy(model: MLP, xs: Sequence[Point], ys: Sequence[int]) -> float:
    """The share of points on their own side."""
    return sum((model(x) > 0) == (y > 0) for x, y in zip(xs, ys)) / len(xs)


def train(config: Config, log: bool = True) -> tuple[MLP, list[float]]:
    """The trained model and the loss at each step.

    Raises:
        RuntimeError: the loss is no longer a finite number.
    """
    xs, ys = moons(config.points, config.noise, config.seed)
    model = build(config)
    losses = []
    for step in range(config.steps):
        loss = loss_of(model, xs, ys, config.weight_decay)
        if not math.isfinite(loss):
            raise RuntimeError(f"the loss is {loss.data} at step {step}; try a smaller lr")
        losses.append(loss.data)
        model.zero_grad()
        loss.backward()
        lr = config.lr * (1.0 - 0.9 * step / config.steps)
        for p in model.parameters():
            p.data -= lr * p.grad
        if log and (step % 20 == 0 or step == config.steps - 1):
            right = accuracy(model, xs, ys)
            print(f"step {step:4d}  loss {loss.data:.4f}  accuracy {right:7.2%}", flush=True)
    return model, losses


# ---- keeping a model ---------------------------------------------------------------------------


def save(path: Path, model: MLP, config: Config) -> None:
    """The settings and the parameters as JSON; the file appears whole or not at all."""
    text = json.dumps({"config": asdict(config), "parameters": [p.data for p in model.parameters()]})
    _write(path, text)


def _write(path: Path, text: str) -> None:
    """A text file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: Path) -> tuple[MLP, Config]:
    """What `save` wrote.

    Raises:
        ValueError: the file is something else, or damaged.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        settings = dict(saved["config"])
        config = Config(**{**settings, "hidden": tuple(settings["hidden"])})
        values = [float(value) for value in saved["parameters"]]
        model = build(config)
        parameters = model.parameters()
        if len(values) != len(parameters):
            raise ValueError(f"{len(parameters)} parameters expected, got {len(values)}")
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not a model that `train` saved: {error}") from error
    for p, value in zip(parameters, values):
        p.data = value
    return model, config


# ---- pictures ----------------------------------------------------------------------------------

X_RANGE, Y_RANGE = (-1.5, 2.5), (-1.0, 1.5)


def _scale(bounds: tuple[float, float], n: int) -> list[float]:
    return [bounds[0] + (bounds[1] - bounds[0]) * i / (n - 1) for i in range(n)]


def plane(model: MLP, xs: Sequence[Point], ys: Sequence[int], columns: int = 64) -> str:
    """The plane in letters: '+' where the model says +1, '.' where -1; points 'O' and 'x'."""
    across, down = _scale(X_RANGE, columns), _scale(Y_RANGE[::-1], columns // 3)
    rows = [["+" if model((x, y)) > 0 else "." for x in across] for y in down]
    for (x, y), label in zip(xs, ys):
        column = round((x - across[0]) / (across[1] - across[0]))
        row = round((y - down[0]) / (down[1] - down[0]))
        if 0 <= row < len(down) and 0 <= column < columns:
            rows[row][column] = "O" if label > 0 else "x"
    return "\n".join("".join(row) for row in rows)


def picture(path: Path, model: MLP, xs: Sequence[Point], ys: Sequence[int]) -> None:
    """The decision boundary as a PNG, by matplotlib."""
    from matplotlib.figure import Figure

    across, up = _scale(X_RANGE, 81), _scale(Y_RANGE, 51)
    scores = [[float(model((x, y))) for x in across] for y in up]
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    low, high = min(map(min, scores)), max(map(max, scores))
    if low < 0 < high:
        axes.contourf(across, up, scores, [low, 0, high], colors=["#f6c8b8", "#bcd4ee"])
        axes.contour(across, up, scores, [-1, 0, 1], colors="#555", linestyles=["--", "-", "--"])
    for label, colour in ((1, "#1f5fa8"), (-1, "#c1431b")):
        chosen = [x for x, y in zip(xs, ys) if y == label]
        axes.scatter([x for x, _ in chosen], [y for _, y in chosen], c=colour, edgecolors="white")
    axes.set_title("Two moons: the boundary, and the margins at ±1")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        figure.savefig(temporary, format="png", dpi=120)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


# ---- the command line --------------------------------------------------------------------------


def _train(args: argparse.Namespace) -> None:
    config = Config(**{field.name: getattr(args, field.name) for field in fields(Config)})
    began = time.perf_counter()
    model, _ = train(config)
    seconds = time.perf_counter() - began
    xs, ys = moons(config.points, config.noise, config.seed)
    save(args.out / "model.json", model, config)
    shown = plane(model, xs, ys)
    summary = {
        "accuracy": accuracy(model, xs, ys),
        "parameters": len(model.parameters()),
        "seconds": round(seconds, 3),
    }
    _write(args.out / "summary.json", json.dumps(summary, indent=2) + "\n")
    _write(args.out / "sample.txt", shown + "\n")
    print(shown)
    print(
        f"{len(model.parameters())} parameters, {config.steps} steps in {seconds:.1f} s: "
        f"{accuracy(model, xs, ys):.2%} of {len(xs)} points right"
    )
    if find_spec("matplotlib"):
        picture(args.out / "boundary.png", model, xs, ys)
        print(f"saved {args.out / 'model.json'} and {args.out / 'boundary.png'}")
    else:
        print(f"saved {args.out / 'model.json'} (a picture too, with: pip install matplotlib)")


def _eval(args: argparse.Namespace) -> None:
    model, config = load(args.out / "model.json")
    xs, ys = moons(config.points, config.noise, config.seed)
    print(f"training points  {accuracy(model, xs, ys):7.2%} of {len(xs)}")
    xs, ys = moons(args.points, config.noise, f"unseen {args.seed}")
    print(f"new points       {accuracy(model, xs, ys):7.2%} of {len(xs)}")


def _sample(args: argparse.Namespace) -> None:
    model, config = load(args.out / "model.json")
    if args.point:
        score = float(model(args.point))
        print(f"{'+1' if score > 0 else '-1'}  (score {score:+.4f})")
    else:
        print(plane(model, *moons(config.points, config.noise, config.seed)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.micrograd",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="train|eval|sample")

    def command(name: str, function: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=text,
            description=text,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        sub.set_defaults(function=function)
        sub.add_argument("--out", type=Path, default=Path("runs/micrograd"), help="the run's folder")
        return sub

    new = Config()
    sub = command("train", _train, "train a model, save it, draw its decision boundary")
    sub.add_argument("--steps", type=int, default=new.steps, help="steps of gradient descent")
    sub.add_argument("--points", type=int, default=new.points, help="training points")
    sub.add_argument("--noise", type=float, default=new.noise, help="spread around the half circles")
    sub.add_argument("--seed", type=int, default=new.seed, help="of the points and the weights")
    sub.add_argument("--hidden", type=int, nargs="*", default=new.hidden, help="layers' widths")
    sub.add_argument("--nonlin", choices=["relu", "tanh", "sigmoid"], default=new.nonlin, help="hidden layers")
    sub.add_argument("--lr", type=float, default=new.lr, help="learning rate at the first step")
    sub.add_argument("--weight-decay", type=float, default=new.weight_decay, help="L2 penalty")

    sub = command("eval", _eval, "accuracy on the training points and on new ones")
    sub.add_argument("--points", type=int, default=1000, help="new points")
    sub.add_argument("--seed", type=int, default=0, help="of the new points")

    sub = command("sample", _sample, "the model's answer at a point, or the plane as it sees it")
    sub.add_argument("point", type=float, nargs="*", help="x and y")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; `train` where no command is named. Returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help")):
        argv.insert(0, "train")
    parser = _parser()
    args = parser.parse_args(argv)
    if len(getattr(args, "point", [])) not in (0, 2):
        parser.error("sample: a point is two numbers, x and y")
    if "hidden" in args:
        args.hidden = tuple(args.hidden)
    try:
        args.function(args)
    except FileNotFoundError as error:
        print(f"error: no {error.filename}; run `train` first", file=sys.stderr)
        return 1
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing was saved", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
