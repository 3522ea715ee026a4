"""The digits of scikit-learn, and the archive of CIFAR-10 (a small one in its form; the real one is 170 MB)."""

from __future__ import annotations

import importlib.util
import io
import tarfile

import numpy as np
import pytest

import tinygrad_zth as torch
from data import cifar10 as module
from data.cifar10 import CIFAR10, RECORD, TEST, TRAIN, cifar10, read_archive
from data.digits import digits
from data.fetch import ChecksumError, NoNetworkError


def test_the_digits():
    pytest.importorskip("sklearn")
    images, labels = digits()
    assert images.shape == (1797, 1, 8, 8) and images.dtype == torch.float32
    assert images.min() == 0 and images.max() == 1
    assert labels.dtype == torch.int64 and torch.bincount(labels).tolist() == [
        178,
        182,
        177,
        183,
        181,
        182,
        181,
        179,
        174,
        180,
    ]
    assert (images[0, 0, 0] * 16).tolist() == [0, 0, 5, 13, 9, 1, 0, 0] and labels[0] == 0


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr("data.digits.find_spec", lambda name: None if name == "sklearn" else real(name))
    with pytest.raises(ModuleNotFoundError, match="pip install scikit-learn"):
        digits()


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def records(labels: list[int]) -> bytes:
    rows = np.zeros((len(labels), RECORD), dtype=np.uint8)
    rows[:, 0] = labels
    rows[:, 1 : 1 + 1024], rows[:, 1025 : 1025 + 1024], rows[:, 2049:] = 200, 100, 50
    rows[:, 1 + 33] = 7  # red, second row, second column
    return rows.tobytes()


def test_records_become_images():
    files = {f"cifar-10-batches-bin/{name}": records([i, 9 - i]) for i, name in enumerate(TRAIN)}
    images, labels = read_archive(archive({"readme.html": b"x", **files}), TRAIN)
    assert images.shape == (10, 3, 32, 32) and images.dtype == torch.uint8
    assert labels.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    assert images[0, :, 0, 0].tolist() == [200, 100, 50] and images[3, 0, 1, 1] == 7
    images[0] = 0  # ours to write to


@pytest.mark.parametrize(
    "files, says",
    [
        ({}, "the archive has no test_batch.bin"),
        ({"test_batch.bin": records([1])[:-1]}, "not made of records"),
        ({"test_batch.bin": records([10])}, "classes 0 to 9"),
    ],
)
def test_an_archive_of_something_else(files, says):
    with pytest.raises(ValueError, match=says):
        read_archive(archive(files), TEST)


def test_nothing_but_the_real_archive_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_ZTH_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(NoNetworkError):
        cifar10()
    (tmp_path / CIFAR10.filename).write_bytes(archive({"test_batch.bin": records([1])}))
    with pytest.raises(ChecksumError, match=CIFAR10.sha256):
        cifar10(train=False)
    monkeypatch.setattr(module, "fetch", lambda source, **options: (tmp_path / source.filename).read_bytes())
    assert cifar10(train=False)[1].tolist() == [1]
