"""CIFAR-10: 60,000 colour images of 32 x 32 in ten classes, downloaded and verified."""

from __future__ import annotations

import io
import tarfile

import numpy as np

import tinygrad_zth as torch
from tinygrad_zth import Tensor

from .fetch import Source, fetch

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# The binary version: the Python one is pickles.
CIFAR10 = Source(
    filename="cifar-10-binary.tar.gz",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    size=170_052_171,
)
TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = ("test_batch.bin",)
RECORD = 1 + 3 * 32 * 32  # a label, then the red, the green and the blue pixels


def cifar10(*, train: bool = True, url: str | None = None, timeout: float = 20.0) -> tuple[Tensor, Tensor]:
    """The images, uint8 of shape (N, 3, 32, 32), and their classes, int64 of shape (N,).

    N is 50,000 for ``train``, 10,000 else. The archive (170 MB) is looked for as
    :func:`data.names` are. A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

    Raises:
        ChecksumError, DownloadError, NoNetworkError: as :func:`data.fetch.fetch`; there is no stand-in.
    """
    return read_archive(fetch(CIFAR10, url=url, timeout=timeout), TRAIN if train else TEST)


def read_archive(content: bytes, files: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """The images and classes of some files of the archive (.tar.gz), in the order of ``files``.

    Raises:
        ValueError: a file is missing, or is not made of whole records of classes 0 to 9.
    """
    found: dict[str, np.ndarray] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:  # read, never extracted: no path of the archive is followed
            name = member.name.rpartition("/")[2]
            if name in files and (file := archive.extractfile(member)) is not None:
                found[name] = np.frombuffer(file.read(), dtype=np.uint8)
    if missing := [name for name in files if name not in found]:
        raise ValueError(f"cifar10: the archive has no {', '.join(missing)}")
    for name, raw in found.items():
        if len(raw) % RECORD or (len(raw) and raw[::RECORD].max() >= len(CLASSES)):
            raise ValueError(f"cifar10: {name} is not made of records of {RECORD} bytes with classes 0 to 9")
    records = np.concatenate([found[name] for name in files]).reshape(-1, RECORD)
    images = records[:, 1:].reshape(-1, 3, 32, 32).copy()
    return torch.from_numpy(images), torch.from_numpy(records[:, 0].astype(np.int64))
