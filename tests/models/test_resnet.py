"""ResNet: its blocks, its shortcuts, how its weights begin."""

from __future__ import annotations

import math

import pytest

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from models.resnet import BasicBlock, Bottleneck, ResNet, ResNetConfig
from tinygrad_zth import nn

BLOCKS = {"basic": BasicBlock, "bottleneck": Bottleneck}


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_begins_as_the_identity(kind):
    """The branch ends with a gain of zero: relu(0 + x), and x behind a ReLU is not negative."""
    block = BLOCKS[kind](BLOCKS[kind].expansion * 4, 4)
    with torch.no_grad():
        block.branch[-1].weight.zero_()
    assert isinstance(block.shortcut, nn.Identity)
    x = torch.rand(2, BLOCKS[kind].expansion * 4, 6, 6)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(("kind", "width"), [("basic", 8), ("bottleneck", 32)])
def test_the_shortcut_projects_where_the_shape_changes(kind, width):
    block = BLOCKS[kind](4, 8, stride=2)
    x = torch.randn(3, 4, 6, 6)
    assert block(x).shape == (3, width, 3, 3)
    projection, norm = block.shortcut
    assert projection.weight.shape == (width, 4, 1, 1) and projection.bias is None
    straight = norm(projection(x))
    assert torch.allclose(block(x), F.relu(block.branch(x) + straight), atol=1e-6)


def test_a_basic_block_is_the_papers():
    block = BasicBlock(4, 4).eval()
    conv1, bn1, _, conv2, bn2 = block.branch
    x = torch.randn(2, 4, 5, 5)
    h = F.relu(bn1(F.conv2d(x, conv1.weight, padding=1)))
    expected = F.relu(bn2(F.conv2d(h, conv2.weight, padding=1)) + x)
    assert torch.allclose(block(x), expected, atol=1e-6)


@pytest.mark.parametrize("kind", BLOCKS)
def test_how_the_weights_begin(kind):
    model = ResNet(ResNetConfig(block=kind, n_block=2, width=32, channels=3))
    blocks = [m for m in model.modules() if isinstance(m, BLOCKS[kind])]
    assert len(blocks) == 6
    for block in blocks:
        assert not block.branch[-1].weight.any()
        assert (block.branch[1].weight == 1).all()
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 4000:
            fan_out = module.weight.shape[0] * module.kernel_size[0] * module.kernel_size[1]
            assert module.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.1)
            assert module.bias is None
    # Every block is the identity (or its projection), so that the loss begins near log(classes).
    x, y = torch.randn(16, 3, 8, 8), torch.randint(10, (16,))
    assert model(x, y)[1].item() == pytest.approx(math.log(10), abs=0.7)


def test_the_papers_resnet20_has_its_size():
    model = ResNet(ResNetConfig(channels=3, n_block=3, width=16))
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(convolutions) + 1 == 20  # layers: 19 convolutions and the last, linear one
    # 0.27 million parameters in the paper's table; the two projections are those of its option B.
    assert sum(p.numel() for p in model.parameters()) == 272_474


def test_height_and_width_are_halved_twice_and_then_averaged():
    model = ResNet(ResNetConfig(width=4))
    assert model.blocks(model.stem(torch.randn(2, 1, 8, 8))).shape == (2, 16, 2, 2)
    assert model(torch.randn(2, 1, 28, 20))[0].shape == (2, 10)  # any size will do


def test_every_parameter_learns():
    model = ResNet(ResNetConfig(width=4))
    with torch.no_grad():  # behind a gain of zero no gradient reaches the rest of the branch, at the first step
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.fill_(1.0)
    model(torch.randn(8, 1, 8, 8), torch.randint(10, (8,)))[1].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"\(B, 1, H, W\), got \(2, 3, 8, 8\)"):
        ResNet(ResNetConfig(width=4))(torch.zeros(2, 3, 8, 8))
    with pytest.raises(ValueError, match="block: expected one of basic, bottleneck"):
        ResNetConfig(block="dense")
