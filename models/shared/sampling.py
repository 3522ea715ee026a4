"""Drawing from a model that predicts the next token: one interface for all of them.

A model takes part through one function, ``next_logits(idx)``: the tokens so far, (B, T) integers,
to the logits of the one that follows, (B, V). Temperature divides the logits; top-k keeps the k
most probable tokens (Fan, Lewis and Dauphin, "Hierarchical Neural Story Generation", 2018); top-p,
the nucleus, keeps the fewest of them that together have probability p (Holtzman et al., "The
Curious Case of Neural Text Degeneration", 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tinygrad_zth import nn

NextLogits = Callable[[torch.Tensor], torch.Tensor]
"""(B, T) integers to (B, V) logits."""


@dataclass(frozen=True)
class Choice:
    """How a token is chosen from its logits.

    temperature: below 1 bolder, above 1 wilder; 0 always takes the most probable token.
    top_k: only the k most probable tokens; k beyond the vocabulary is all of it.
    top_p: only the nucleus of probability p, after temperature and top-k.

    Raises:
        ValueError: a value is out of its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature: expected a number from 0 up, got {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k: expected an integer from 1 up, got {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p: expected a number above 0 up to 1, got {self.top_p}")

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """(B, V) logits to the (B, V) probabilities that are drawn from."""
        if self.temperature == 0:
            best = logits.argmax(-1, keepdim=True)
            return torch.zeros_like(logits).scatter(-1, best, 1.0)
        logits = logits / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            kept = torch.topk(logits, self.top_k, -1)
            nothing = torch.full_like(logits, float("-inf"))
            logits = nothing.scatter(-1, kept.indices, kept.values)
        p = F.softmax(logits, dim=-1)
        if self.top_p is not None and self.top_p < 1:
            descending, order = torch.sort(p, dim=-1, descending=True)
            # A token is in the nucleus unless those before it already fill it; the first always is.
            before = descending.cumsum(-1) - descending
            descending = descending.masked_fill(before >= self.top_p, 0.0)
            p = torch.zeros_like(p).scatter(-1, order, descending)
        return p

    def __call__(self, logits: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """(B, V) logits to the (B, 1) tokens chosen."""
        if self.temperature == 0:
            return logits.argmax(-1, keepdim=True)
        return torch.multinomial(self.probabilities(logits), 1, generator=generator)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Inside the block ``model`` is in evaluation mode and nothing is recorded; then as before."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def stream(
    model: nn.Module,
    next_logits: NextLogits,
    idx: torch.Tensor,
    max_new_tokens: int,
    choice: Choice,
    generator: torch.Generator | None = None,
) -> Iterator[torch.Tensor]:
    """The tokens that follow ``idx``, (B, T) integers, one (B, 1) after another as they are made.

    model: put in evaluation mode while a token is being made, and only then.
    generator: where the draws come from; None is the default generator.

    Raises (at the call, not at the first token):
        ValueError: ``idx`` is not (B, T) with T at least 1, or max_new_tokens is negative.
    """
    if idx.ndim != 2 or idx.shape[1] == 0:
        raise ValueError(
            f"generate: the prompt is empty: expected idx of shape (B, T) with T at least 1, got {tuple(idx.shape)}"
        )
    if max_new_tokens < 0:
        raise ValueError(f"generate: max_new_tokens: expected 0 or more, got {max_new_tokens}")
    return _stream(model, next_logits, idx, max_new_tokens, choice, generator)


def _stream(
    model: nn.Module,
    next_logits: NextLogits,
    idx: torch.Tensor,
    max_new_tokens: int,
    choice: Choice,
    generator: torch.Generator | None,
) -> Iterator[torch.Tensor]:
    for _ in range(max_new_tokens):
        # Not around the yield: whoever takes the tokens keeps his own grad mode.
        with evaluating(model):
            token = choice(next_logits(idx), generator)
            idx = torch.cat((idx, token), dim=1)
        yield token
