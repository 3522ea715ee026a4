"""Images, to be told apart: scikit-learn's handwritten digits, or CIFAR-10.

Of the digits 80 % are for training, 10 % are "val" and 10 % "test", after ``random.seed(42)`` and a
shuffle. CIFAR-10 has its own test part; "val" is the last tenth of its training part.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import tinygrad_zth as torch
from data import cifar10, digits
from tinygrad_zth import nn

from .examples import Examples, digest_of
from .task import Batch, SampleRequest, Task, device_of

SOURCES = ("digits", "cifar10")
SHADES = " .:-=+*#%@"


class ImagesTask(Task):
    """Images x (B, channels, height, width), float32, standardised by channel, and classes y (B,).

    The model: ``model(x, y) -> (logits (B, classes), loss)``; its settings have ``channels``,
    ``image_size`` and ``classes``.
    """

    splits = ("train", "val", "test")
    tested = "test"
    data_help = "digits (default: 1,797 of scikit-learn's) or cifar10 (170 MB, downloaded)"
    prompt_help = "the number of the test image (default: 0)"
    length, samples = 1, 3
    temperature = 0.0

    def load(self, source: str | None, vocabulary: str | None = None, device: str = "cpu") -> ImageCorpus:
        """``source``: "digits" or "cifar10"."""
        corpus = ImageCorpus(source or "digits", device)
        if vocabulary is not None and vocabulary != corpus.vocabulary:
            raise ValueError(
                f"--data: the model tells apart {json.loads(vocabulary)['classes']}, "
                f"these images are of {json.loads(corpus.vocabulary)['classes']}"
            )
        return corpus

    def write(self, model: nn.Module, vocabulary: str, request: SampleRequest) -> Iterator[str]:
        """Images of the test part in letters, each with its class and the model's choice."""
        about = json.loads(vocabulary)
        corpus = ImageCorpus(about["source"], str(device_of(model)))
        images, labels = corpus.parts["test"]
        try:
            first = int(request.prompt or 0)
        except ValueError:
            raise ValueError(f"--prompt: expected the number of an image, got {request.prompt!r}") from None
        if not 0 <= first < len(images):
            raise ValueError(f"--prompt: expected the number of an image, 0 to {len(images) - 1}, got {first}")
        classes = about["classes"]
        for i in range(first, min(first + request.samples, len(images))):
            with torch.no_grad():
                logits = model(images[i : i + 1].to(device_of(model)))[0]
            answer = int(request.choice(logits, request.generator).item())
            right = "right" if answer == labels[i] else f"wrong, it is {classes[int(labels[i])]}"
            yield f"{in_letters(images[i])}\nimage {i}: {classes[answer]} ({right})\n"

    def measures(self, model: nn.Module, vocabulary: str, batches: Iterator[Batch]) -> dict[str, float]:
        """accuracy: the share of images whose most probable class is the right one."""
        right = count = 0
        for x, y in batches:
            right += int((model(x)[0].argmax(1) == y).sum().item())
            count += len(y)
        return {"accuracy": right / count}


class ImageCorpus:
    """The images and classes of ``source``, standardised with the training part's mean and deviation.

    Raises:
        ValueError: an unknown source. ModuleNotFoundError: scikit-learn is not installed.
        NoNetworkError, DownloadError: CIFAR-10 has to be downloaded and cannot be.
    """

    def __init__(self, source: str, device: str = "cpu") -> None:
        if source not in SOURCES:
            raise ValueError(f"--data: unknown images {source!r}; the known ones are {', '.join(SOURCES)}")
        self.device = device
        raw, classes = _digits() if source == "digits" else _cifar10()
        train = raw["train"][0]
        mean, std = train.mean((0, 2, 3), keepdim=True), train.std((0, 2, 3), keepdim=True)
        self.parts: dict[str, Batch] = {name: ((x - mean) / std, y) for name, (x, y) in raw.items()}
        self.vocabulary = json.dumps({"source": source, "classes": list(classes)})
        self._sizes = {"channels": train.shape[1], "image_size": train.shape[2], "classes": len(classes)}

    def sizes(self) -> dict[str, Any]:
        """channels, image_size (height and width) and classes."""
        return self._sizes

    def summary(self) -> str:
        """How many images there are to learn from."""
        x = self.parts["train"][0]
        return f"{len(x):,} images of {x.shape[2]} x {x.shape[3]} to learn from, {self._sizes['classes']} classes"

    def batches(self, config: Any, batch_size: int) -> Examples:
        """The images. Raises as :class:`Examples` does."""
        about = {"images": sum(len(x) for x, _ in self.parts.values()), "sha256": digest_of(*self.parts["train"])}
        return Examples(self.parts, batch_size, about, device=self.device)


def _digits() -> tuple[dict[str, tuple[torch.Tensor, torch.Tensor]], tuple[str, ...]]:
    images, labels = digits.digits()
    order = list(range(len(images)))
    random.Random(42).shuffle(order)
    first, second = int(0.8 * len(order)), int(0.9 * len(order))
    rows = {"train": order[:first], "val": order[first:second], "test": order[second:]}
    return {name: (images[torch.tensor(i)], labels[torch.tensor(i)]) for name, i in rows.items()}, digits.CLASSES


def _cifar10() -> tuple[dict[str, tuple[torch.Tensor, torch.Tensor]], tuple[str, ...]]:
    x, y = cifar10.cifar10(train=True)
    test_x, test_y = cifar10.cifar10(train=False)
    cut = len(x) - len(x) // 10
    parts = {"train": (x[:cut], y[:cut]), "val": (x[cut:], y[cut:]), "test": (test_x, test_y)}
    return {name: (x.to(torch.float32) / 255, y) for name, (x, y) in parts.items()}, cifar10.CLASSES


def in_letters(image: torch.Tensor) -> str:
    """An image (channels, height, width) in letters, the brighter the denser."""
    grey = image.mean(0)
    low, high = grey.min().item(), grey.max().item()
    scale = (len(SHADES) - 1) / (high - low or 1.0)
    return "\n".join("".join(SHADES[round((v - low) * scale)] * 2 for v in row) for row in grey.tolist())
