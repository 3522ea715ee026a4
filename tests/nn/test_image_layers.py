"""Layers for images against values worked out by hand, finite differences, and bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_zth as torch
from tests.device_mode import settle
from tinygrad_zth import nn
from tinygrad_zth.testing import gradcheck, gradgradcheck

F = nn.functional


def image(*shape, seed=0):
    """Distinct values, no two closer than a finite difference is wide."""
    values = np.random.default_rng(seed).permutation(math.prod(shape)) / 7 - 1
    return torch.tensor(values.reshape(shape), requires_grad=True)


def test_max_pool_by_hand():
    x = torch.tensor([[[[1.0, 5, 2, 0], [3, 4, 8, 8], [0, 0, 1, 2], [0, 0, 4, 3]]]], requires_grad=True)
    out, places = F.max_pool2d(x, 2, return_indices=True)
    assert out.tolist() == [[[[5, 8], [0, 4]]]]
    assert places.tolist() == [[[[1, 6], [8, 14]]]]  # of equals the first
    F.max_pool2d(x, 2).sum().backward()
    assert np.flatnonzero(x.grad.numpy()).tolist() == [1, 6, 8, 14]
    assert F.max_unpool2d(out, places, 2).sum().item() == 17


def test_max_pool_hands_on_nan_and_ignores_padding():
    x = torch.full((1, 1, 2, 2), -math.inf)
    x[0, 0, 1, 1] = math.nan
    out, places = F.max_pool2d(x, 2, 1, 1, return_indices=True)
    assert out.isnan().sum() == 4 and places.tolist()[0][0] == [[0, 0, 1], [0, 3, 3], [2, 3, 3]]


def test_averages_by_hand():
    x = torch.arange(5.0).reshape(1, 1, 5)
    np.testing.assert_allclose(F.avg_pool1d(x, 3, 2, 1).numpy(), [[[1 / 3, 2, 7 / 3]]], rtol=1e-6)
    assert F.avg_pool1d(x, 3, 2, 1, count_include_pad=False).tolist() == [[[0.5, 2, 3.5]]]
    assert F.adaptive_avg_pool1d(x, 2).tolist() == [[[1, 3]]]  # windows 0-2 and 2-4
    assert nn.AdaptiveAvgPool2d(1)(torch.ones(2, 3, 4, 5)).shape == (2, 3, 1, 1)


def test_convolution_by_hand():
    x = torch.tensor([[[1.0, 2, 3, 4]]])
    w = torch.tensor([[[1.0, 0, -1]]])
    assert F.conv1d(x, w).tolist() == [[[-2, -2]]]
    assert F.conv1d(x, w, padding="same").tolist() == [[[-2, -2, -2, 3]]]
    assert F.conv_transpose1d(F.conv1d(x, w), w).tolist() == [[[-2, -2, 2, 2]]]


def test_batch_norm_keeps_statistics_and_uses_them():
    layer = nn.BatchNorm2d(2, momentum=0.5)
    x = torch.tensor(np.arange(16.0, dtype="f").reshape(2, 2, 2, 2))
    out = layer(x)
    np.testing.assert_allclose(out.mean((0, 2, 3)).detach().numpy(), 0, atol=1e-6)
    mean, var = x.mean((0, 2, 3)), x.permute(1, 0, 2, 3).reshape(2, -1).var(1)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean.numpy() / 2, rtol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.5 + var.numpy() / 2, rtol=1e-6)
    assert layer.num_batches_tracked == 1
    layer.eval()
    expected = (x[:, 0] - layer.running_mean[0]) / (layer.running_var[0] + layer.eps).sqrt()
    np.testing.assert_allclose(layer(x)[:, 0].detach().numpy(), expected.numpy(), rtol=1e-5)


SMOOTH = {
    "max_pool2d": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max_pool with places": lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
    "avg_pool2d": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, (2, 3)),
    "lp_pool2d": lambda x: F.lp_pool2d(x + 3, 3, 2),
    "bilinear": lambda x: F.interpolate(x, (3, 7), mode="bilinear"),
    "bicubic": lambda x: F.interpolate(x, scale_factor=1.7, mode="bicubic"),
    "nearest": lambda x: F.interpolate(x, 7),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x[..., :4, :4], 2),
    "reflect": lambda x: F.pad(x, (1, 2, 0, 1), "reflect"),
    "unfold": lambda x: F.unfold(x, 2, padding=1),
    "local_response_norm": lambda x: F.local_response_norm(x, 2, 0.5),
    "group_norm": lambda x: F.group_norm(x, 1),
    "instance_norm": lambda x: F.instance_norm(x),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "binary_cross_entropy": lambda x: F.binary_cross_entropy(x.sigmoid(), (x * 2).sigmoid()),
    "huber_loss": lambda x: F.huber_loss(x, x.new_full(x.shape, 0.3), delta=0.5),
    "cosine_similarity": lambda x: F.cosine_similarity(x, x * x + 1),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_of_both_orders(name):
    x = image(1, 2, 5, 4)
    assert gradcheck(SMOOTH[name], (x,))
    assert gradgradcheck(SMOOTH[name], (x,))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_grid_sample_has_gradients_of_image_and_grid(mode, padding_mode):
    x = image(1, 2, 4, 5)
    grid = torch.tensor(np.random.default_rng(1).uniform(-1.3, 1.2, (1, 2, 3, 2)), requires_grad=True)
    assert gradcheck(lambda x, g: F.grid_sample(x, g, mode, padding_mode, False), (x, grid))


X = torch.ones(1, 2, 4, 4)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: F.max_pool2d(X, 2, padding=2), RuntimeError, "pad should be at most half"),
        (lambda: F.max_pool2d(X, 5), RuntimeError, "Output size is too small"),
        (lambda: F.max_pool2d([1], 2), TypeError, "must be Tensor, not list"),
        (lambda: F.avg_pool2d(X, 2, divisor_override=0), RuntimeError, "divisor must be not zero"),
        (lambda: F.adaptive_avg_pool2d(X, (1, 2, 3)), RuntimeError, "output_size must be 2"),
        (lambda: F.interpolate(X, 2, 2), ValueError, "only one of size or scale_factor"),
        (lambda: F.interpolate(X, 2, mode="linear"), NotImplementedError, "needs 3D input"),
        (lambda: F.pixel_shuffle(X, 2), RuntimeError, "divisible by the square of upscale_factor"),
        (lambda: F.pad(X, (1,)), RuntimeError, "divisible by 2"),
        (lambda: F.pad(X, (4, 0, 0, 0), "reflect"), RuntimeError, "Padding size should be less"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
        (lambda: nn.Conv2d(2, 4, 3, padding="odd"), ValueError, "Invalid padding string"),
        (lambda: nn.Conv2d(3, 4, 3)(X), RuntimeError, "to have 3 channels, but got 2"),
        (lambda: nn.ConvTranspose2d(2, 2, 3)(X, output_size=(3, 3)), ValueError, "valid sizes range from"),
        (lambda: nn.BatchNorm1d(2)(X), ValueError, "expected 2D or 3D input"),
        (lambda: nn.BatchNorm2d(2)(X[..., :1, :1]), ValueError, "more than 1 value per channel"),
        (lambda: nn.GroupNorm(3, 4), ValueError, "divisible by num_groups"),
        (lambda: nn.Dropout(2), ValueError, "between 0 and 1"),
        (lambda: nn.Hardtanh(1, -1), AssertionError, "must be greater"),
        (lambda: nn.ReLU(1, 2), TypeError, "ReLU"),
        (lambda: nn.MSELoss(odd=1), TypeError, "odd"),
        (lambda: F.mse_loss(X, X, reduction="odd"), ValueError, "odd is not a valid value for reduction"),
        (lambda: F.nll_loss(torch.ones(2, 3), torch.tensor([0, 3])), IndexError, "out of bounds"),
        (lambda: F.binary_cross_entropy(X * 2, X), RuntimeError, "between 0 and 1"),
        (lambda: nn.TripletMarginLoss(margin=0), ValueError, "greater than 0"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
        settle()
