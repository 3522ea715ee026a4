"""Batches as Tensors: random windows of a text for a GPT, the examples of makemore for an MLP."""

from __future__ import annotations

from collections.abc import Sequence

import tinygrad_zth as torch
from tinygrad_zth import Tensor

from .contexts import context_windows
from .tokenizer import CharTokenizer


def build_dataset(words: Sequence[str], tokenizer: CharTokenizer, block_size: int = 3) -> tuple[Tensor, Tensor]:
    """The context windows of ``words`` as Tensors: X (N, block_size) and Y (N,), both int64.

    As ``build_dataset`` of the MLP lecture (makemore, part 2). Raises as
    :func:`data.contexts.context_windows` does.
    """
    contexts, following = context_windows(words, tokenizer, block_size)
    return torch.from_numpy(contexts), torch.from_numpy(following)


def get_batch(
    tokens: Tensor,
    batch_size: int,
    block_size: int,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> tuple[Tensor, Tensor]:
    """Windows of ``tokens`` at random places, and the same windows one token later.

    The places are drawn as nanoGPT and the GPT lecture draw them, by one
    ``torch.randint(len(tokens) - block_size, (batch_size,))``, so a seed gives the same
    batch there and here.

    Args:
        tokens: the text, shape (T,), integers.
        batch_size: how many windows, B.
        block_size: how long each is.
        generator: the random stream; the default one where it is None.
        device: where the batch goes; where ``tokens`` is if None.

    Returns:
        x and y, each of shape (B, block_size) of ``tokens``' dtype; ``y[b, t]`` follows
        ``x[b, t]``.

    Raises:
        ValueError: ``tokens`` is not one-dimensional or has fewer than ``block_size + 1``
            elements, or a size is below 1.
    """
    if tokens.dim() != 1:
        raise ValueError(f"get_batch: tokens has shape {tuple(tokens.shape)}, expected one dimension")
    if batch_size < 1 or block_size < 1:
        raise ValueError(f"get_batch: batch_size is {batch_size} and block_size is {block_size}, expected at least 1")
    places = len(tokens) - block_size
    if places < 1:
        raise ValueError(
            f"get_batch: {len(tokens)} tokens are too few for windows of {block_size}: "
            f"at least {block_size + 1} are needed"
        )
    starts = torch.randint(places, (batch_size,), generator=generator)
    # One gather for the whole batch: (B, 1) + (block_size,) -> (B, block_size)
    positions = (starts[:, None] + torch.arange(block_size)).to(tokens.device)
    x, y = tokens[positions], tokens[positions + 1]
    return (x, y) if device is None else (x.to(device), y.to(device))
