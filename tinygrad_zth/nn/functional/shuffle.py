"""Moving elements between channels and space, and channels between groups."""

from __future__ import annotations

from ...ops.calling import shown_as
from ...tensor import Tensor

__all__ = ["channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def _checked(name: str, input: Tensor, factor: int, what: str) -> None:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    if not isinstance(factor, int):
        raise TypeError(f"{name}(): argument '{what}' (position 2) must be int, not {type(factor).__name__}")


def _image(name: str, input: Tensor, factor: int, what: str) -> None:
    _checked(name, input, factor, what)
    if input.dim() < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.dim()} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {what}, but got {factor}")


@shown_as("PixelShuffleBackward0")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C r^2, H, W) -> (*, C, H r, W r): r^2 channels become r x r pixels (Shi et al. 2016).

    Raises RuntimeError unless the channels are divisible by r^2.
    """
    r = upscale_factor
    _image("pixel_shuffle", input, r, "upscale_factor")
    *lead, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={c} is not divisible by {r * r}"
        )
    x = input.reshape(*lead, c // (r * r), r, r, h, w)
    return x.movedim((-2, -1), (-4, -2)).reshape(*lead, c // (r * r), h * r, w * r)


@shown_as("PixelUnshuffleBackward0")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H r, W r) -> (*, C r^2, H, W): the inverse of :func:`pixel_shuffle`.

    Raises RuntimeError unless height and width are divisible by r.
    """
    r = downscale_factor
    _image("pixel_unshuffle", input, r, "downscale_factor")
    *lead, c, h, w = input.shape
    for name, size, d in (("height", h, -2), ("width", w, -1)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({d})={size} is not "
                f"divisible by {r}"
            )
    x = input.reshape(*lead, c, h // r, r, w // r, r)
    return x.movedim((-3, -1), (-4, -3)).reshape(*lead, c * r * r, h // r, w // r)


@shown_as("ChannelShuffleBackward0")
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """(N, C, *): the channels' groups interleaved (Zhang et al. 2018).

    Raises RuntimeError for fewer than three dimensions, or channels that the groups do not divide.
    """
    _checked("channel_shuffle", input, groups, "groups")
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    if shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {shape[1]} channels and {groups} groups."
        )
    x = input.reshape(shape[0], groups, shape[1] // groups, *shape[2:])
    return x.transpose(1, 2).reshape(shape)


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """:func:`channel_shuffle`, by its other name."""
    return channel_shuffle(input, groups)
