"""The command line that the models share: train, sample, eval, check, find-lr.

A model file describes itself once, as a :class:`models.shared.spec.ModelSpec`; its settings become
flags. A command is one row of :data:`COMMANDS`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from . import commands
from .run_folder import BEST
from .settings import Settings
from .spec import ModelSpec
from .trainer import TrainSettings


def main(spec: ModelSpec, argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit status: 1 after an error, which is one line."""
    args = parser_of(spec).parse_args(argv)
    try:
        return int(args.function(spec, args))
    except BrokenPipeError:  # `... | head`: nobody reads on
        sys.stdout = None
        return 1
    except (OSError, ValueError, TypeError, RuntimeError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


def parser_of(spec: ModelSpec) -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog=spec.prog, description=spec.about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subs = parser.add_subparsers(title="commands", required=True, metavar="|".join(COMMANDS))
    for name, command in COMMANDS.items():
        sub = subs.add_parser(
            name,
            help=command.about,
            description=command.about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(function=command.function)
        out = Path("runs") / spec.name
        sub.add_argument("--out", type=Path, default=out, help=f"the run's folder ({out})")
        sub.add_argument("--device", default="auto", help="cpu, cuda, or auto: cuda if there (auto)")
        command.flags(spec, sub)
    return parser


def _train_flags(spec: ModelSpec, sub: argparse.ArgumentParser) -> None:
    sub.description = (
        "Train a model. A preset sets everything; each flag below it changes one thing. Ctrl-C saves,\n"
        "and --resume goes on from there, to the bit as if nothing had been.\n\n" + _presets(spec)
    )
    _setting_flags(spec, sub)
    sub.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    sub.add_argument("--quiet", action="store_true", help="print nothing but errors")
    sub.add_argument("--diagnose", action="store_true", help="record layers, gradients, updates, samples; and --report")
    sub.add_argument("--report", action="store_true", help="write report.html into the run's folder at the end")
    sub.add_argument("--tensorboard", action="store_true", help="write event files too (extra: tensorboard)")


def _sample_flags(spec: ModelSpec, sub: argparse.ArgumentParser) -> None:
    task = spec.task
    _checkpoint_flag(sub)
    sub.add_argument("--prompt", help=task.prompt_help)
    sub.add_argument("--length", type=int, default=task.length, help=f"tokens at most ({task.length})")
    sub.add_argument("--samples", type=int, default=task.samples, help=f"how many ({task.samples})")
    about = f"below 1 bolder, above 1 wilder, 0 no chance at all ({task.temperature})"
    sub.add_argument("--temperature", type=float, default=task.temperature, help=about)
    sub.add_argument("--top-k", type=int, help="draw among the k most probable tokens only")
    sub.add_argument("--top-p", type=float, help="draw among the most probable ones that make p")
    sub.add_argument("--seed", type=int, default=1337, help="of the draws (1337)")
    sub.add_argument(
        "--cache",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep what earlier tokens gave; the result is the same, it only comes faster",
    )
    task.sample_flags(sub)


def _eval_flags(spec: ModelSpec, sub: argparse.ArgumentParser) -> None:
    _checkpoint_flag(sub)
    _data_flag(spec, sub)
    sub.add_argument("--split", choices=(*spec.task.splits, "every"), default="every", help="part (every)")
    sub.add_argument("--batch-size", type=int, help="examples at once; changes the time only")


def _find_lr_flags(spec: ModelSpec, sub: argparse.ArgumentParser) -> None:
    sub.description = "Find a learning rate: steps at rates that grow exponentially, and a picture of the loss."
    sub.add_argument("--low", type=float, default=1e-4, help="the first rate (0.0001)")
    sub.add_argument("--high", type=float, default=1.0, help="the last rate (1)")
    sub.add_argument("--steps", type=int, default=500, help="how many (500)")
    _setting_flags(spec, sub)


def _check_flags(spec: ModelSpec, sub: argparse.ArgumentParser) -> None:
    sub.description = (
        "Check an untrained model: its first loss, gradients, causality, independence of the batch, the seed,\n"
        "whether it looks at its inputs, and whether it can learn one batch by heart. Exit status 1: it fails one."
    )
    sub.add_argument("--steps", type=int, default=200, help="steps on the one batch (200)")
    sub.add_argument(
        "--check-lr", type=float, help="learning rate of those steps (the first of 0.003, 0.03, 0.3 that does)"
    )
    _setting_flags(spec, sub)


class Command(NamedTuple):
    """A command: one line about it, what it does, and what adds its flags."""

    about: str
    function: Callable[[ModelSpec, argparse.Namespace], int]
    flags: Callable[[ModelSpec, argparse.ArgumentParser], None]


COMMANDS = {
    "train": Command("train a model", commands.train, _train_flags),
    "sample": Command("let a trained model show what it has learnt", commands.sample, _sample_flags),
    "eval": Command("the loss of a trained model on each part of its data", commands.evaluate, _eval_flags),
    "check": Command("what should hold of a model before it is trained", commands.check, _check_flags),
    "find-lr": Command("a sweep over learning rates", commands.find_lr, _find_lr_flags),
}


def _presets(spec: ModelSpec) -> str:
    return "presets:\n" + "\n".join(f"  {name:10s}{preset.about}" for name, preset in spec.presets.items())


def _checkpoint_flag(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--checkpoint", type=Path, metavar="FILE", help=f"instead of {BEST} in the run's folder")


def _data_flag(spec: ModelSpec, sub: argparse.ArgumentParser) -> None:
    if spec.task.data_help:
        sub.add_argument("--data", metavar="DATA", help=spec.task.data_help)


def _setting_flags(spec: ModelSpec, sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--preset", metavar="NAME", help=f"{', '.join(spec.presets)} ({spec.preset})")
    _data_flag(spec, sub)
    preset = spec.presets[spec.preset]
    _add_settings(sub.add_argument_group("the model"), spec.config, preset.model)
    _add_settings(sub.add_argument_group("the training"), TrainSettings, preset.train)


def _add_settings(group: Any, settings: type[Settings], preset: Mapping[str, Any]) -> None:
    """A flag for each setting. None where it is not given, so that presets and checkpoints show."""
    for each in fields(settings):
        if each.metadata["hidden"]:
            continue
        default = preset.get(each.name, each.default)
        flag, about = f"--{each.name.replace('_', '-')}", f"{each.metadata['help']} ({default})"
        if isinstance(each.default, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=about)
        else:
            choices = each.metadata["choices"] or None
            kind, metavar = type(each.default), None if choices else "N"
            group.add_argument(flag, type=kind, choices=choices, metavar=metavar, help=about)
