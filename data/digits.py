"""Handwritten digits: the 1,797 images of 8 x 8 that scikit-learn ships (extra ``data``)."""

from __future__ import annotations

from importlib.util import find_spec

import tinygrad_zth as torch
from tinygrad_zth import Tensor

CLASSES = tuple("0123456789")


def digits() -> tuple[Tensor, Tensor]:
    """The images, float32 of shape (1797, 1, 8, 8) from 0 to 1, and the digits, int64 of shape (1797,).

    From the test set of E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI
    Machine Learning Repository, 1998. Nothing is downloaded.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    if find_spec("sklearn") is None:
        raise ModuleNotFoundError("the digits come with scikit-learn: pip install scikit-learn (extra: data)")
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    return images, torch.tensor(labels, dtype=torch.int64)
