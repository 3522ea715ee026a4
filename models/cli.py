"""The command line that the models share: train, sample, eval.

A model file describes itself once, as a :class:`LanguageModel`; its settings become flags.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import tinygrad_zth as torch
from data import CharTokenizer
from tinygrad_zth import nn

from .corpus import SPLITS, TextCorpus, read_text
from .run_folder import BEST, LAST, RunFolder
from .settings import Preset, Settings, preset_named
from .trainer import Trainer, TrainSettings

SAMPLE_LENGTH = 500


@dataclass(frozen=True)
class LanguageModel:
    """What the command line has to know of a model that continues texts.

    name: as in ``python -m models.NAME``; kept in checkpoints.
    about: its module's docstring, for ``--help``.
    config: the class of its settings; they include vocab_size and block_size.
    build: makes the model of its settings. It has ``forward(x, y) -> (logits, loss)`` and
        ``stream(idx, max_new_tokens, temperature, top_k, top_p, generator=, use_cache=)``.
    presets, preset: named sizes, and the one that is taken where none is named.
    """

    name: str
    about: str
    config: type[Settings]
    build: Callable[[Any], nn.Module]
    presets: Mapping[str, Preset]
    preset: str

    # ---- train ----------------------------------------------------------------------------------

    def train(self, args: argparse.Namespace) -> int:
        """``train``. Returns the exit status: 130 where Ctrl-C ended it."""
        path = args.out
        state = self.load(path / LAST) if args.resume else None
        config, settings = self._settings(args, state)
        device = _device(args.device)
        tokenizer = CharTokenizer.from_json(state["tokenizer"]) if state else None
        corpus = TextCorpus(read_text(args.data), tokenizer, device)
        config = self.config.from_dict(config | {"vocab_size": len(corpus.tokenizer)})
        data = corpus.windows(config.block_size, settings.batch_size)
        run = RunFolder(path)

        torch.manual_seed(settings.seed)
        model = self.build(config).to(device)
        about = {
            "name": self.name,
            "config": config.to_dict(),
            "tokenizer": corpus.tokenizer.to_json(),
        }
        trainer = Trainer(model, data, settings, run, about, quiet=args.quiet)
        say: Callable[..., None] = _silent if args.quiet else print
        if state:
            trainer.load_state_dict(state)
            say(f"resuming {path} at step {trainer.step} of {settings.max_iters}")
        elif run.has_run():
            say(f"{path} has an earlier run, which is started over (--resume continues one)")
        run.write_config({**about, "train": settings.to_dict(), "data": data.describe()})
        say(
            f"{self.name}: {sum(p.numel() for p in model.parameters()):,} parameters, "
            f"{len(corpus.parts['train']):,} characters to learn from, "
            f"{len(corpus.tokenizer)} different ones, on {device}",
            flush=True,
        )
        loss = trainer.fit()
        run.draw_losses()
        if loss is None:
            again = shlex.join([*self._prog().split(), "train", "--resume", "--out", str(path)])
            print(f"stopped at step {trainer.step}; everything is saved. Go on with:\n  {again}")
            return 130
        summary = {
            "step": trainer.step,
            "val_loss": loss,
            "best_val_loss": trainer.best,
            "seconds": round(trainer.seconds, 3),
        }
        run.write_summary(summary)
        generator = torch.Generator().manual_seed(settings.seed)
        choice = {"temperature": 0.8, "generator": generator}
        prompt = _first_prompt(corpus.tokenizer)
        run.write_sample("".join(_write(model, corpus.tokenizer, prompt, SAMPLE_LENGTH, device, **choice)))
        say(
            f"validation loss {loss:.4f} on all of the held-out text; "
            f"{trainer.seconds:.1f} s of training; the run is in {path}"
        )
        return 0

    def _settings(self, args: argparse.Namespace, state: dict[str, Any] | None) -> tuple[dict[str, Any], TrainSettings]:
        """The model's settings and the training's: preset, or checkpoint, then explicit flags."""
        asked_model, asked_train = _given(args, self.config), _given(args, TrainSettings)
        if state is None:
            preset = preset_named(self.presets, args.preset or self.preset)
            train = TrainSettings.from_dict({**preset.train, **asked_train})
            return {**preset.model, **asked_model}, train
        if args.preset:
            asked_model = {**preset_named(self.presets, args.preset).model, **asked_model}
        config = state["config"]
        differing = [
            f"{name} is {config[name]} in the checkpoint, {value} on the command line"
            for name, value in asked_model.items()
            if config[name] != value
        ]
        if differing:
            raise ValueError("the checkpoint is of another model: " + "; ".join(differing))
        train = TrainSettings.from_dict({**state["train"], **asked_train})
        if train.max_iters < state["step"]:
            raise ValueError(f"max_iters: {train.max_iters} is behind the checkpoint, which is at {state['step']}")
        return config, train

    # ---- sample, eval ---------------------------------------------------------------------------

    def sample(self, args: argparse.Namespace) -> int:
        """``sample``."""
        model, tokenizer, _ = self.restore(args.checkpoint or args.out / BEST, _device(args.device))
        if args.length < 1 or args.samples < 1:
            raise ValueError("--length and --samples: expected at least 1")
        prompt = _first_prompt(tokenizer) if args.prompt is None else args.prompt
        generator = torch.Generator().manual_seed(args.seed)
        for number in range(args.samples):
            if number:
                print("-" * 40)
            for text in _write(
                model,
                tokenizer,
                prompt,
                args.length,
                _device(args.device),
                temperature=args.temperature,
                top_k=args.top_k,
                top_p=args.top_p,
                generator=generator,
                use_cache=args.cache,
            ):
                print(text, end="", flush=True)
            print()
        return 0

    def evaluate(self, args: argparse.Namespace) -> int:
        """``eval``."""
        device = _device(args.device)
        model, tokenizer, state = self.restore(args.checkpoint or args.out / BEST, device)
        corpus = TextCorpus(read_text(args.data), tokenizer, device)
        settings = TrainSettings.from_dict(state["train"] | _given(args, TrainSettings))
        data = corpus.windows(state["config"]["block_size"], settings.batch_size)
        trainer = Trainer(model, data, settings)
        for split in SPLITS if args.split == "both" else (args.split,):
            loss = trainer.evaluate_whole(split)
            print(f"{split:5s} loss {loss:.4f} on {len(corpus.parts[split]):,} characters")
        return 0

    # ---- checkpoints ----------------------------------------------------------------------------

    def load(self, path: Path) -> dict[str, Any]:
        """A checkpoint of this kind of model.

        Raises:
            FileNotFoundError: there is none. RuntimeError: the file is damaged.
            ValueError: it is something else, or of another kind of model.
        """
        if not path.exists():
            train = f"{self._prog()} train --out {shlex.quote(str(path.parent))}"
            raise FileNotFoundError(f"no checkpoint {path}; make one with: {train}")
        state = torch.load(path, map_location="cpu")
        wanted = ("name", "config", "tokenizer", "train", "data", "step", "model")
        missing = [key for key in wanted if not isinstance(state, dict) or key not in state]
        if missing:
            raise ValueError(f"{path} is not a checkpoint of a run: it has no {', '.join(missing)}")
        if state["name"] != self.name:
            raise ValueError(f"{path} is a checkpoint of {state['name']!r}, not of {self.name!r}")
        return state

    def restore(self, path: Path, device: str = "cpu") -> tuple[nn.Module, CharTokenizer, dict[str, Any]]:
        """The model of a checkpoint, its vocabulary, and all that the checkpoint has.

        Raises: as :meth:`load`, and
            RuntimeError: the weights do not fit the settings beside them; every misfit is named.
            ValueError: the vocabulary does not fit them.
        """
        state = self.load(path)
        tokenizer = CharTokenizer.from_json(state["tokenizer"])
        config = self.config.from_dict(state["config"])
        if (size := state["config"]["vocab_size"]) != len(tokenizer):
            raise ValueError(f"{path}: vocab_size is {size}, its vocabulary has {len(tokenizer)}")
        model = self.build(config)
        model.load_state_dict(state["model"])
        return model.to(device), tokenizer, state

    # ---- the command line -----------------------------------------------------------------------

    def _prog(self) -> str:
        return f"python -m models.{self.name}"

    def parser(self) -> argparse.ArgumentParser:
        """The parser of train, sample and eval."""
        parser = argparse.ArgumentParser(
            prog=self._prog(),
            description=self.about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        commands = parser.add_subparsers(title="commands", required=True, metavar="train|sample|eval")
        self._train_flags(_command(commands, self, "train", self.train, "train a model"))
        sub = _command(commands, self, "sample", self.sample, "let a trained model write")
        _checkpoint_flag(sub)
        sub.add_argument("--prompt", help="what to go on from (default: a new line)")
        sub.add_argument("--length", type=int, default=SAMPLE_LENGTH, help="characters (500)")
        sub.add_argument("--samples", type=int, default=1, help="how many texts (1)")
        sub.add_argument("--temperature", type=float, default=0.8, help="below 1 bolder, 0 no chance at all (0.8)")
        sub.add_argument("--top-k", type=int, help="draw among the k most probable characters only")
        sub.add_argument("--top-p", type=float, help="draw among the most probable ones that make p")
        sub.add_argument("--seed", type=int, default=1337, help="of the draws (1337)")
        sub.add_argument(
            "--cache",
            action=argparse.BooleanOptionalAction,
            default=True,
            help="keep keys and values between characters; the text is the same, it only comes faster",
        )
        sub = _command(commands, self, "eval", self.evaluate, "the loss of a trained model on a text")
        _checkpoint_flag(sub)
        _data_flag(sub)
        sub.add_argument("--split", choices=(*SPLITS, "both"), default="both", help="part (both)")
        sub.add_argument("--batch-size", type=int, help="examples at once; changes the time only")
        return parser

    def _train_flags(self, sub: argparse.ArgumentParser) -> None:
        presets = "\n".join(f"  {name:10s}{p.about}" for name, p in self.presets.items())
        sub.description = (
            "Train a model. Without --data it learns tinyshakespeare. A preset sets everything;\n"
            "each flag below it changes one thing. Ctrl-C saves, and --resume goes on from there,\n"
            f"to the bit as if nothing had been.\n\npresets:\n{presets}"
        )
        sub.formatter_class = argparse.RawDescriptionHelpFormatter
        sub.add_argument("--preset", metavar="NAME", help=f"{', '.join(self.presets)} ({self.preset})")
        _data_flag(sub)
        sub.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
        sub.add_argument("--quiet", action="store_true", help="print nothing but errors")
        preset = self.presets[self.preset]
        _add_settings(sub.add_argument_group("the model"), self.config, preset.model)
        _add_settings(sub.add_argument_group("the training"), TrainSettings, preset.train)

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run the command line. Returns the exit status: 1 after an error, which is one line."""
        args = self.parser().parse_args(argv)
        try:
            return args.function(args)
        except BrokenPipeError:  # `... | head`: nobody reads on
            sys.stdout = None  # type: ignore[assignment]
            return 1
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)
            return 130


def _silent(*args: Any, **kwargs: Any) -> None:
    pass


def _command(
    commands: Any, model: LanguageModel, name: str, function: Callable[..., int], about: str
) -> argparse.ArgumentParser:
    sub: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
    sub.set_defaults(function=function)
    out = Path("runs") / model.name
    sub.add_argument("--out", type=Path, default=out, help=f"the run's folder ({out})")
    sub.add_argument("--device", default="auto", help="cpu, cuda, or auto: cuda if there (auto)")
    return sub


def _data_flag(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--data", metavar="FILE", help="a text file (default: tinyshakespeare)")


def _checkpoint_flag(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--checkpoint", type=Path, metavar="FILE", help=f"instead of {BEST} in the run's folder")


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


def _given(args: argparse.Namespace, settings: type[Settings]) -> dict[str, Any]:
    """The settings that the command line names."""
    values = {each.name: getattr(args, each.name, None) for each in fields(settings)}
    return {name: value for name, value in values.items() if value is not None}


def _device(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def _first_prompt(tokenizer: CharTokenizer) -> str:
    return "\n" if "\n" in tokenizer.stoi else tokenizer.characters[0]


def _write(
    model: nn.Module,
    tokenizer: CharTokenizer,
    prompt: str,
    length: int,
    device: str,
    **choice: Any,
) -> Any:
    """The prompt and then ``length`` characters, piece by piece.

    Raises:
        ValueError: the prompt is empty, or a character of it is not in the vocabulary.
    """
    if not prompt:
        raise ValueError("the prompt is empty; give at least one character")
    idx = torch.tensor([tokenizer.encode(prompt)], dtype=torch.int64, device=device)  # (1, T)
    tokens = model.stream(idx, length, **choice)
    yield prompt
    for token in tokens:
        yield tokenizer.decode(token[0])
