"""utils.data: the same batches in the same order as PyTorch's, from the same seed."""

from __future__ import annotations

import pytest

import tinygrad_zth as zth
from tinygrad_zth.utils import data as mine

torch = pytest.importorskip("torch")
theirs = torch.utils.data

LOADERS = [
    {"batch_size": 4, "shuffle": True},
    {"batch_size": 4, "shuffle": True, "drop_last": True},
    {"batch_size": 3},
    {"batch_size": None},
    {"batch_size": 5, "shuffle": True, "generator": 7},
]


def _seeded(lib, options):
    lib.manual_seed(3)
    options = dict(options)
    if "generator" in options:
        options["generator"] = lib.Generator().manual_seed(options["generator"])
    return options


def _plain(batch):
    return [x.tolist() for x in batch]


@pytest.mark.parametrize("options", LOADERS, ids=str)
def test_loaders(options):
    results = []
    for lib, data in ((zth, mine), (torch, theirs)):
        dataset = data.TensorDataset(lib.arange(10), lib.arange(20).view(10, 2).float())
        loader = data.DataLoader(dataset, **_seeded(lib, options))
        epochs = [[_plain(b) for b in loader] for _ in range(2)]
        results.append((epochs, len(loader), lib.rand(3).tolist()))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "make",
    [
        lambda d: d.RandomSampler(range(9)),
        lambda d: d.RandomSampler(range(9), replacement=True, num_samples=70),
        lambda d: d.RandomSampler(range(9), num_samples=20),
        lambda d: d.SubsetRandomSampler([5, 3, 8]),
        lambda d: d.WeightedRandomSampler([0.1, 0.5, 0.4], 8),
        lambda d: d.BatchSampler(d.SequentialSampler(range(7)), 3, False),
    ],
)
def test_samplers(make):
    results = []
    for lib, data in ((zth, mine), (torch, theirs)):
        lib.manual_seed(11)
        results.append((list(make(data)), len(make(data)), lib.rand(2).tolist()))
    assert results[0] == results[1]


@pytest.mark.parametrize("lengths", [[6, 4], [0.55, 0.45], [0.3, 0.3, 0.4]])
def test_random_split(lengths):
    results = []
    for lib, data in ((zth, mine), (torch, theirs)):
        lib.manual_seed(5)
        results.append([list(part) for part in data.random_split(range(10), lengths)])
    assert results[0] == results[1]


def test_misuse():
    with pytest.raises(ValueError, match="mutually exclusive"):
        mine.DataLoader([1], shuffle=True, sampler=[0])
    with pytest.raises(ValueError, match="positive integer"):
        mine.DataLoader([1, 2], batch_size=0)
    with pytest.raises(ValueError, match="does not equal"):
        mine.random_split(range(10), [3, 3])
