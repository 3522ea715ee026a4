"""What ``train``, ``sample``, ``eval`` and ``find-lr`` do, for any model."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import tinygrad_zth as torch
from tinygrad_zth import nn, viz

from ..tasks.task import Corpus, SampleRequest
from .lr_finder import draw_sweep, sweep
from .observer import Observer
from .run_folder import BEST, LAST, RunFolder
from .sampling import Choice, evaluating
from .settings import Settings, preset_named
from .spec import ModelSpec
from .trainer import Trainer, TrainSettings
from .watching import Board, Diagnosis


def device_named(name: str) -> str:
    """The device of ``--device``: "auto" is a GPU where there is one."""
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def given(args: argparse.Namespace, settings: type[Settings]) -> dict[str, Any]:
    """The settings that the command line names."""
    values = {each.name: getattr(args, each.name, None) for each in fields(settings)}
    return {name: value for name, value in values.items() if value is not None}


# ---- train --------------------------------------------------------------------------------------


def train(spec: ModelSpec, args: argparse.Namespace) -> int:
    """``train``. Returns the exit status: 130 where Ctrl-C ended it."""
    path = args.out
    state = spec.load(path / LAST) if args.resume else None
    run = RunFolder(path)
    corpus, trainer = _prepare(spec, args, state, run, observers_for(spec, args))
    model, settings = trainer.model, trainer.settings
    if state:
        trainer.load_state_dict(state)
        trainer.say(f"resuming {path} at step {trainer.step} of {settings.max_iters}")
    elif run.has_run():
        trainer.say(f"{path} has an earlier run, which is started over (--resume continues one)")
    run.write_config(
        {
            **trainer.about,
            "train": settings.to_dict(),
            "data": trainer.data.describe(),
            "environment": {**viz.environment(), "device": str(trainer.device)},
        }
    )
    trainer.say(f"{spec.name}: {count_parameters(model):,} parameters, {corpus.summary()}, on {trainer.device}")
    loss = trainer.fit()
    run.draw_losses()
    if loss is None:
        source = ["--data", args.data] if getattr(args, "data", None) else []
        again = shlex.join([*spec.prog.split(), "train", "--resume", "--out", str(path), *source])
        print(f"stopped at step {trainer.step}; everything is saved. Go on with:\n  {again}")
        _report(args, trainer)
        return 130
    tested = spec.task.tested
    with evaluating(model):
        measures = spec.task.measures(model, corpus.vocabulary, trainer.data.whole(tested))
    run.write_summary(
        {
            "step": trainer.step,
            "val_loss": loss,
            "best_val_loss": trainer.best,
            **measures,
            "parameters": count_parameters(model),
            "seconds": round(trainer.seconds, 3),
        }
    )
    request = SampleRequest(
        spec.task.length,
        spec.task.samples,
        choice=Choice(spec.task.temperature),
        generator=torch.Generator().manual_seed(settings.seed),
    )
    run.write_sample("".join(_write(spec, model, corpus.vocabulary, request)))
    beside = "".join(f", {name} {value:.4f} on the {tested} part" for name, value in measures.items())
    trainer.say(
        f"validation loss {loss:.4f} on all of the held-out data{beside}; "
        f"{trainer.seconds:.1f} s of training; the run is in {path}"
    )
    _report(args, trainer)
    return 0


def observers_for(spec: ModelSpec, args: argparse.Namespace) -> list[Observer]:
    """Who watches a run: those of the model, and those that flags ask for."""
    asked: list[Observer] = []
    if args.diagnose:
        asked.append(Diagnosis(lambda trainer: _short_sample(spec, trainer)))
    if args.tensorboard:
        asked.append(Board())
    return [*spec.observers(), *asked]


def _short_sample(spec: ModelSpec, trainer: Trainer) -> str:
    """What the model writes at this point of its training, the same draws each time."""
    generator = torch.Generator().manual_seed(trainer.settings.seed)
    length = min(spec.task.length, 240)
    request = SampleRequest(length, spec.task.samples, choice=Choice(spec.task.temperature), generator=generator)
    return "".join(_write(spec, trainer.model, trainer.about["vocabulary"], request))


def _report(args: argparse.Namespace, trainer: Trainer) -> None:
    """report.html in the run's folder, where a flag asks for it."""
    if args.report or args.diagnose:
        trainer.say(f"the report is {viz.report(args.out)}")


def _prepare(
    spec: ModelSpec,
    args: argparse.Namespace,
    state: dict[str, Any] | None,
    run: RunFolder | None,
    observers: Iterable[Observer] = (),
) -> tuple[Corpus, Trainer]:
    """The data and a trainer with an untrained model, as preset, checkpoint and flags want them."""
    config_values, settings = _settings(spec, args, state)
    device = device_named(args.device)
    try:
        corpus = spec.task.load(getattr(args, "data", None), state["vocabulary"] if state else None, device)
    except ValueError as error:
        if state is None:
            raise
        raise ValueError(f"{error}; a run goes on with the data that it began with, which --data names") from error
    config = spec.config.from_dict({**config_values, **corpus.sizes()})
    data = corpus.batches(config, settings.batch_size)
    torch.manual_seed(settings.seed)
    model = spec.build(config).to(device)
    about = {"name": spec.name, "config": config.to_dict(), "vocabulary": corpus.vocabulary}
    quiet = getattr(args, "quiet", False)
    return corpus, spec.trainer(model, data, settings, run, about, quiet=quiet, observers=observers)


def _settings(
    spec: ModelSpec, args: argparse.Namespace, state: dict[str, Any] | None
) -> tuple[dict[str, Any], TrainSettings]:
    """The model's settings and the training's: preset, or checkpoint, then explicit flags."""
    asked_model, asked_train = given(args, spec.config), given(args, TrainSettings)
    if state is None:
        preset = preset_named(spec.presets, args.preset or spec.preset)
        settings = TrainSettings.from_dict({**preset.train, **asked_train})
        return {**preset.model, **asked_model}, settings
    if args.preset:
        asked_model = {**preset_named(spec.presets, args.preset).model, **asked_model}
    config = state["config"]
    differing = [
        f"{name} is {config.get(name)} in the checkpoint, {value} on the command line"
        for name, value in asked_model.items()
        if config.get(name) != value
    ]
    if differing:
        raise ValueError("the checkpoint is of another model: " + "; ".join(differing))
    settings = TrainSettings.from_dict({**state["train"], **asked_train})
    if settings.max_iters < state["step"]:
        raise ValueError(f"max_iters: {settings.max_iters} is behind the checkpoint, which is at {state['step']}")
    return config, settings


def count_parameters(model: nn.Module) -> int:
    """How many numbers a model learns; of a model that only counts, how many it keeps."""
    return sum(p.numel() for p in model.parameters()) or sum(b.numel() for b in model.buffers())


# ---- sample, eval -------------------------------------------------------------------------------


def sample(spec: ModelSpec, args: argparse.Namespace) -> int:
    """``sample``."""
    model, state = spec.restore(args.checkpoint or args.out / BEST, device_named(args.device))
    request = SampleRequest(
        args.length,
        args.samples,
        args.prompt,
        Choice(args.temperature, args.top_k, args.top_p),
        torch.Generator().manual_seed(args.seed),
        args.cache,
        vars(args),
    )
    for text in _write(spec, model, state["vocabulary"], request):
        print(text, end="", flush=True)
    return 0


def _write(spec: ModelSpec, model: nn.Module, vocabulary: str, request: SampleRequest) -> Iterable[str]:
    with evaluating(model):
        yield from spec.task.write(model, vocabulary, request)


def evaluate(spec: ModelSpec, args: argparse.Namespace) -> int:
    """``eval``."""
    device = device_named(args.device)
    model, state = spec.restore(args.checkpoint or args.out / BEST, device)
    corpus = spec.task.load(getattr(args, "data", None), state["vocabulary"], device)
    settings = TrainSettings.from_dict(state["train"] | given(args, TrainSettings))
    data = corpus.batches(model.config, settings.batch_size)
    trainer = spec.trainer(model, data, settings)
    for split in spec.task.splits if args.split == "every" else (args.split,):
        loss = trainer.evaluate_whole(split)
        with evaluating(model):
            measures = spec.task.measures(model, corpus.vocabulary, data.whole(split))
        print("  ".join([f"{split:5s} loss {loss:.4f}", *(f"{name} {value:.4f}" for name, value in measures.items())]))
    return 0


# ---- find-lr ------------------------------------------------------------------------------------


def find_lr(spec: ModelSpec, args: argparse.Namespace) -> int:
    """``find-lr``."""
    _, trainer = _prepare(spec, args, None, None)
    points = sweep(trainer, args.low, args.high, args.steps)
    shown = max(1, len(points) // 20)
    for rate, loss in points[::shown]:
        print(f"lr {rate:.2e}  loss {loss:.4f}")
    run = RunFolder(args.out)
    if draw_sweep(points, run.path / "lr.png"):
        print(f"the picture is {run.path / 'lr.png'}")
    return 0


# ---- check --------------------------------------------------------------------------------------

CHECKED_EXAMPLES = 8


def check(spec: ModelSpec, args: argparse.Namespace) -> int:
    """``check``: what should hold of any model before it is trained. Returns 1 where something does not."""
    corpus, trainer = _prepare(spec, args, None, None)
    batch = tuple(t[:CHECKED_EXAMPLES] for t in trainer.data.batch("train", trainer.generator))
    print(f"{spec.name}: {count_parameters(trainer.model):,} parameters, {corpus.summary()}, on {trainer.device}")
    results = viz.check(
        trainer.model,
        batch,
        steps=args.steps,
        lr=args.check_lr,
        build=lambda: spec.build(trainer.model.config).to(trainer.device),
    )
    print(results)
    return 0 if results.passed else 1
