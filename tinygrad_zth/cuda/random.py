"""The seed of the devices' own stream (``backends/counter.py``), from which dropout makes its masks."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..backends.counter import stream
from ..tensor import Tensor, new_tensor

__all__ = [
    "get_random_source",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "manual_seed_all",
    "seed",
    "seed_all",
    "set_random_source",
    "set_rng_state",
]


def manual_seed(seed: int) -> None:
    """Begin the devices' stream at a seed. (``torch.manual_seed`` begins both, the host's and this one.)"""
    stream.manual_seed(int(seed))


manual_seed_all = manual_seed


def seed() -> None:
    """Begin the devices' stream at a seed from the operating system."""
    stream.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)


seed_all = seed


def initial_seed() -> int:
    """The seed that the devices' stream was begun at."""
    return stream.seed


def get_rng_state(device: Any = None) -> Tensor:
    """Where the stream is: seed and counter, as PyTorch lays them out (uint8, 16 elements)."""
    return new_tensor(np.array(stream.state, np.uint64).view(np.uint8))


def set_rng_state(new_state: Tensor, device: Any = None) -> None:
    """Take the stream up where ``new_state`` left it. RuntimeError if it is no state."""
    array = np.ascontiguousarray(new_state.numpy(force=True))
    if array.dtype != np.uint8 or array.size != 16:
        raise RuntimeError("RNG state is wrong size")
    stream.manual_seed(*array.view(np.uint64).tolist())


def get_random_source() -> str:
    """Where dropout on a device takes its masks from: "philox" or "cpu"."""
    return stream.source


def set_random_source(source: str) -> None:
    """Take dropout's masks on a device from its own counter ("philox", the default, as PyTorch does), or from the
    host's stream ("cpu"): then a seed gives the same masks on both, and each costs a copy.

    Raises ValueError for another word.
    """
    if source not in ("philox", "cpu"):
        raise ValueError(f"the random source is 'philox' or 'cpu', not {source!r}")
    stream.source = source
