"""dropout: keep each element with probability 1 - p and scale it by 1 / (1 - p) (Srivastava et al. 2014).

The mask is drawn by the caller from the random stream (``sampling``) and carries the scale, so that
this is a product whose second factor has no gradient.
"""

from __future__ import annotations

from ..operation import op

__all__ = ["dropout"]


def _apply(x, noise):
    return x * noise


def plain(x, noise):
    """The definition."""
    return x * noise


dropout = op(_apply, name="dropout", grad_name="MulBackward0", tensors=("noise",), x=lambda g, noise: g * noise)
