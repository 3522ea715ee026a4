"""ResNet: convolutions in blocks that learn what to add to their input.

What it adds to the models before: images. A convolution is the causal one of WaveNet in two
dimensions, without the causality; BatchNorm has a mean per channel over batch, height and width; and
the residual connection, which GPT's stream of residuals comes from, is introduced here: a block that
has nothing to say learns zero, which is easier than to learn the identity.

    python -m models.resnet train                                     # scikit-learn's 1,797 handwritten digits
    python -m models.resnet train --preset resnet20 --data cifar10    # 60,000 photographs, downloaded, verified
    python -m models.resnet eval

Weights are drawn for rectifiers by fan-out (He et al., "Delving Deep into Rectifiers", 2015), and the
last gain of each block starts at zero, so that a block is the identity at first (Goyal et al.,
"Accurate, Large Minibatch SGD", 2017).

He et al., "Deep Residual Learning for Image Recognition", 2016. The three stages of 3 x 3
convolutions are those of its networks for CIFAR-10; the bottleneck is that of its deeper ones.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tinygrad_zth import nn

from .shared.command_line import main
from .shared.settings import Preset, Settings, setting
from .shared.spec import ModelSpec
from .tasks.images import ImagesTask

# B: batch, C: channels, H, W: height and width.


@dataclass(frozen=True)
class ResNetConfig(Settings):
    """The kind of block and the size: three stages of n_block blocks, each twice as wide as the one before."""

    classes: int = setting(10, "different labels", at_least=2, hidden=True)
    channels: int = setting(1, "colours of an image", at_least=1, hidden=True)
    image_size: int = setting(8, "height and width of an image", at_least=1, hidden=True)
    block: str = setting("basic", "two 3 x 3 convolutions, or 1 x 1, 3 x 3, 1 x 1", choices=("basic", "bottleneck"))
    n_block: int = setting(1, "blocks of a stage", at_least=1)
    width: int = setting(16, "channels of the first stage", at_least=1)
    dropout: float = setting(0.0, "share of the features dropped before the last layer", at_least=0, below=1)


def conv(in_channels: int, out_channels: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps height and width (divided by ``stride``); BatchNorm behind it has the bias."""
    return nn.Conv2d(in_channels, out_channels, size, stride=stride, padding=size // 2, bias=False)


class Residual(nn.Module):
    """relu(branch(x) + shortcut(x)); subclasses say what the branch is.

    The shortcut is the identity, or a projection (1 x 1 convolution, BatchNorm) where the shape changes.
    The branch ends with a BatchNorm, whose gain starts at zero.
    """

    expansion = 1  # the block's output has this many times ``width`` channels

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.branch = self.make_branch(in_channels, width, stride)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))

    def make_branch(self, in_channels: int, width: int, stride: int) -> nn.Sequential:
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.branch(x) + self.shortcut(x))  # (B, C, H, W) -> (B, C', H / stride, W / stride)


class BasicBlock(Residual):
    """3 x 3, 3 x 3."""

    def make_branch(self, in_channels: int, width: int, stride: int) -> nn.Sequential:
        return nn.Sequential(
            conv(in_channels, width, 3, stride),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            conv(width, width, 3),
            nn.BatchNorm2d(width),
        )


class Bottleneck(Residual):
    """1 x 1 to fewer channels, 3 x 3 among them, 1 x 1 to four times as many: deep at the same cost."""

    expansion = 4

    def make_branch(self, in_channels: int, width: int, stride: int) -> nn.Sequential:
        return nn.Sequential(
            conv(in_channels, width, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            conv(width, width, 3, stride),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            conv(width, 4 * width, 1),
            nn.BatchNorm2d(4 * width),
        )


class ResNet(nn.Module):
    """A convolution, three stages of residual blocks, the mean over the image, a linear layer."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        kind = BasicBlock if config.block == "basic" else Bottleneck
        self.stem = nn.Sequential(conv(config.channels, config.width, 3), nn.BatchNorm2d(config.width), nn.ReLU())
        blocks, channels = [], config.width
        for stage in range(3):
            for i in range(config.n_block):
                width = config.width * 2**stage
                blocks.append(kind(channels, width, stride=2 if stage and i == 0 else 1))
                channels = width * kind.expansion
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(channels, config.classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, Residual):
                nn.init.zeros_(module.branch[-1].weight)

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Images (B, C, H, W) to the logits (B, classes); with labels ``y`` (B,), their mean loss too.

        Raises:
            ValueError: the images have another shape or number of channels.
        """
        if x.ndim != 4 or x.shape[1] != self.config.channels:
            raise ValueError(
                f"ResNet: expected images of shape (B, {self.config.channels}, H, W), got {tuple(x.shape)}"
            )
        x = self.blocks(self.stem(x)).mean((2, 3))  # (B, C)
        logits = self.head(self.dropout(x))
        return logits, None if y is None else F.cross_entropy(logits, y)


DIGITS_TRAINING = {"max_iters": 500, "batch_size": 64, "lr": 3e-3, "min_lr": 6e-5, "warmup_iters": 50}
DIGITS_TRAINING |= {"eval_iters": 0, "eval_interval": 100}
PRESETS = {
    "digits": Preset(
        "three basic blocks of 16, 32 and 64 channels, for 8 x 8 digits",
        {"block": "basic", "n_block": 1, "width": 16, "dropout": 0.2},
        DIGITS_TRAINING,
    ),
    "bottleneck": Preset(
        "three bottleneck blocks, 64, 128 and 256 channels wide outside, for 8 x 8 digits",
        {"block": "bottleneck", "n_block": 1, "width": 16, "dropout": 0.2},
        DIGITS_TRAINING,
    ),
    "resnet20": Preset(
        "nine basic blocks: the paper's ResNet-20 for CIFAR-10 (--data cifar10), hours on a CPU",
        {"block": "basic", "n_block": 3, "width": 16},
        {
            "max_iters": 20_000,
            "batch_size": 128,
            "lr": 3e-3,
            "min_lr": 3e-5,
            "warmup_iters": 500,
            "eval_interval": 1000,
        },
    ),
}

SPEC = ModelSpec(
    name="resnet",
    about=__doc__ or "",
    config=ResNetConfig,
    build=ResNet,
    task=ImagesTask(),
    presets=PRESETS,
    preset="digits",
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
