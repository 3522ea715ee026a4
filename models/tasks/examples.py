"""Data that is a table of examples: every tensor has a row for each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tinygrad_zth as torch

from .task import Batch


def digest_of(*tensors: torch.Tensor) -> str:
    """The SHA-256 of tensors' contents, to tell one data set from another."""
    whole = hashlib.sha256()
    for t in tensors:
        whole.update(t.contiguous().numpy().tobytes())
    return whole.hexdigest()


class Examples:
    """Batches of rows of tables.

    parts: a part's name to its tensors; all have as many rows as the part has examples, and the last
        is the targets.
    batch_size: rows in a batch; 0 is the whole part at once.
    about: what :meth:`describe` gives.
    trim: changes a batch before the model gets it (to cut off padding, say).

    Raises:
        ValueError: a part is empty, its tensors differ in their number of rows, or the batch is larger
            than the training part.
    """

    def __init__(
        self,
        parts: Mapping[str, Batch],
        batch_size: int,
        about: dict[str, Any],
        *,
        device: str = "cpu",
        trim: Callable[[Batch], Batch] | None = None,
    ) -> None:
        self.parts = {name: tuple(t.to(device) for t in part) for name, part in parts.items()}
        self.batch_size, self.about, self.trim = batch_size, about, trim
        for name, part in parts.items():
            rows = {len(t) for t in part}
            if len(rows) != 1 or rows == {0}:
                raise ValueError(f"the {name} part has {sorted(rows)} rows, expected one number above 0")
        if batch_size > (rows_there := len(parts["train"][0])):
            raise ValueError(
                f"batch_size: {batch_size} is larger than the data: the train part has {rows_there} examples"
            )

    def describe(self) -> dict[str, Any]:
        """What tells this data from other data."""
        return self.about

    def batch(self, split: str, generator: torch.Generator) -> Batch:
        """``batch_size`` random rows (with replacement); with batch_size 0, all rows."""
        part = self.parts[split]
        if self.batch_size:
            rows = torch.randint(len(part[0]), (self.batch_size,), generator=generator).to(part[0].device)
            part = tuple(t[rows] for t in part)
        return self.trim(part) if self.trim else part

    def whole(self, split: str) -> Iterator[Batch]:
        """The rows in order. Some 4,096 at a time, or ``batch_size`` if that is more: the figures are the same."""
        part = self.parts[split]
        size = max(self.batch_size or len(part[0]), 4096 // max(1, part[0][0].numel()), 1)
        for first in range(0, len(part[0]), size):
            rows = tuple(t[first : first + size] for t in part)
            yield self.trim(rows) if self.trim else rows
