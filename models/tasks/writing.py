"""Characters from a model that predicts the next token: what texts and names have in common."""

from __future__ import annotations

from collections.abc import Iterator

import tinygrad_zth as torch
from data import CharTokenizer
from tinygrad_zth import nn

from ..shared.sampling import NextLogits, stream
from .task import SampleRequest, device_of


def write_characters(
    model: nn.Module,
    next_logits: NextLogits,
    tokenizer: CharTokenizer,
    beginning: str,
    request: SampleRequest,
) -> Iterator[str]:
    """The characters that the model writes after ``beginning``, one at a time.

    Where the tokenizer has a terminator, it ends them and is not given out.

    Raises:
        ValueError: ``beginning`` is empty, or a character of it is not in the vocabulary.
    """
    if not beginning:
        raise ValueError("the prompt is empty; give at least one character")
    idx = torch.tensor([tokenizer.encode(beginning)], dtype=torch.int64, device=device_of(model))  # (1, T)
    for token in stream(model, next_logits, idx, request.length, request.choice, request.generator):
        character = tokenizer.decode(token[0].tolist())
        if character == tokenizer.terminator:
            return
        yield character
