"""A kind of data: where it comes from, its batches, and how a sample of it is written.

A :class:`Task` knows how; it holds no data. Its :meth:`~Task.load` gives a :class:`Corpus`, which has
the data and what the model must know of it, and the corpus gives the trainer its :class:`Data`.

One convention holds for all kinds: the last tensor of a batch is the targets, integers, and a
negative one (-1) is ignored. What comes before are the model's other arguments.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import tinygrad_zth as torch
from tinygrad_zth import nn

from ..shared.sampling import Choice, NextLogits

Batch = tuple[torch.Tensor, ...]


class Data(Protocol):
    """Where the trainer's batches come from."""

    def batch(self, split: str, generator: torch.Generator) -> Batch:
        """A random batch of a part: the arguments of the model, the targets last."""

    def whole(self, split: str) -> Iterator[Batch]:
        """All of the part, in batches."""

    def describe(self) -> dict[str, Any]:
        """What tells it from other data; kept in checkpoints, and compared on resuming."""


class Corpus(Protocol):
    """The data of a task, read and encoded.

    vocabulary: what turns a model's integers into something to look at, as text (JSON); "" for none.
        It is kept in checkpoints.
    """

    vocabulary: str

    def sizes(self) -> dict[str, Any]:
        """The model's settings that the data decides, vocab_size for one."""

    def batches(self, config: Any, batch_size: int) -> Data:
        """The trainer's data for a model of these settings. Raises ValueError where they do not fit it."""

    def summary(self) -> str:
        """One phrase for the user: how much there is."""


@dataclass(frozen=True)
class SampleRequest:
    """What is to be written.

    prompt: what to begin with; None is the task's own beginning.
    length, samples: the most tokens of one, and how many.
    choice: how tokens are drawn. generator: what from; None is the default one.
    use_cache: keep what earlier tokens gave, in models that can.
    options: the flags that the task added to ``sample``.
    """

    length: int
    samples: int = 1
    prompt: str | None = None
    choice: Choice = field(default_factory=Choice)
    generator: torch.Generator | None = None
    use_cache: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.length < 1 or self.samples < 1:
            raise ValueError(f"--length and --samples: expected at least 1, got {self.length} and {self.samples}")


class Task:
    """Base of the kinds of data. Subclasses give :meth:`load` and :meth:`write`, and change what differs.

    splits: the parts of the data; the trainer learns from "train" and watches "val".
    tested: the part whose figures are a model's result.
    data_help: what ``--data`` takes, for ``--help``; None: there is no such flag.
    prompt_help, length, samples, temperature: what ``sample`` says of its prompt, and its defaults.
    """

    splits: tuple[str, ...] = ("train", "val")
    tested = "val"
    data_help: str | None = None
    prompt_help = "what to go on from"
    length, samples = 500, 1
    temperature = 1.0

    def load(self, source: str | None, vocabulary: str | None = None, device: str = "cpu") -> Corpus:
        """Read and encode the data.

        source: the value of ``--data``, or None.
        vocabulary: that of a checkpoint, which the data must fit; None makes it from the data.

        Raises:
            OSError, ValueError: it cannot be read, or does not fit the vocabulary.
        """
        raise NotImplementedError

    def write(self, model: nn.Module, vocabulary: str, request: SampleRequest) -> Iterator[str]:
        """The samples as text, piece by piece as they are made, a new line after each.

        Raises:
            ValueError: the prompt cannot be encoded; what is wrong with it is named.
        """
        raise NotImplementedError

    def measures(self, model: nn.Module, vocabulary: str, batches: Iterator[Batch]) -> dict[str, float]:
        """What is said of a model beside its loss, accuracy for one: name to value."""
        return {}

    def next_logits(self, model: nn.Module, use_cache: bool = True) -> NextLogits:
        """The tokens so far, (B, T) integers, to the logits (B, V) of the next one.

        A model with a ``continuation(use_cache)`` of its own, one with a cache, gives that; of others
        the last position's logits are taken, of at most the last ``config.block_size`` tokens.
        """
        if hasattr(model, "continuation"):
            continuation: NextLogits = model.continuation(use_cache)
            return continuation
        return lambda idx: model(idx[:, -model.config.block_size :])[0][:, -1]

    def sample_flags(self, sub: argparse.ArgumentParser) -> None:
        """Add flags of this kind of data to ``sample``; they come back in ``SampleRequest.options``."""


def device_of(model: nn.Module) -> torch.device:
    """Where a model is."""
    first = next(iter([*model.parameters(), *model.buffers()]))
    return first.device
