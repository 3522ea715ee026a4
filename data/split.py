"""Training, validation and test parts, cut as the lectures cut them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def split_text(text: T, fraction: float = 0.9) -> tuple[T, T]:
    """The first ``int(fraction * len(text))`` elements for training, the others for validation.

    ``text`` is anything that can be sliced: a string, a list, an array or a Tensor.

    Raises:
        ValueError: ``fraction`` is outside 0 to 1.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"split_text: fraction is {fraction}, expected 0 to 1")
    whole: Any = text
    first = int(fraction * len(whole))
    return whole[:first], whole[first:]


def split_words(words: Sequence[str], seed: int | None = 42) -> tuple[list[str], list[str], list[str]]:
    """80 % for training, 10 % for validation, 10 % for the test, as in makemore.

    The words are shuffled as ``random.seed(seed); random.shuffle(words)`` would; ``words`` itself
    and Python's global random state stay as they are. ``seed=None`` keeps the order.
    """
    shuffled = list(words)
    if seed is not None:
        random.Random(seed).shuffle(shuffled)
    first, second = int(0.8 * len(shuffled)), int(0.9 * len(shuffled))
    return shuffled[:first], shuffled[first:second], shuffled[second:]
