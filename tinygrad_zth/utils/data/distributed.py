"""The share of a dataset that one of several processes reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ... import sampling
from ...generator import Generator
from .sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """The indices of one rank among ``num_replicas``, every num_replicas-th; all ranks get the same number.

    Args:
        dataset: has a length.
        num_replicas, rank: there are no process groups here to ask, so both must be given.
        shuffle: in an order that ``seed`` plus the epoch (``set_epoch``) decide, the same for all ranks.
        drop_last: cut the end so that all ranks get the same number; otherwise the first indices are repeated.

    Raises:
        ValueError: ``num_replicas`` or ``rank`` is not given, or the rank is not in [0, num_replicas).
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise ValueError(
                "Default process group has not been initialized, please make sure to call init_process_group."
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.epoch, self.shuffle, self.seed, self.drop_last = 0, shuffle, seed, drop_last
        count = len(dataset)
        self.num_samples = count // num_replicas if drop_last else math.ceil(count / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        order = list(range(count))
        if self.shuffle:
            generator = Generator()
            generator.manual_seed(self.seed + self.epoch)
            order = sampling.randperm(count, generator=generator).tolist()
        order = [order[i % count] for i in range(self.total_size)]
        return iter(order[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Another order for every epoch, the same in all ranks."""
        self.epoch = epoch
