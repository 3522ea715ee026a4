"""Initial weights that take more than one draw: truncated normal, orthogonal."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..generator import Generator, default_generator
from .continuous import normal_, uniform_
from .fill import empty_like

__all__ = ["orthogonal_", "trunc_normal_"]


def trunc_normal_(
    out: np.ndarray,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    generator: Generator | None = None,
) -> np.ndarray:
    """Normal, conditioned on [a, b], by rejection.

    If the interval has more than 0.3 of the normal's weight, normals are redrawn while they fall
    outside; else uniforms on the interval are accepted in proportion to the density. Each round
    draws a whole array and keeps what is still missing.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=3,
        )
    source = generator or default_generator
    kind = out.dtype.type
    below, above = ((1.0 + math.erf((bound - mean) / std / math.sqrt(2.0))) / 2.0 for bound in (a, b))
    with source.lock:
        if above - below > 0.3:
            normal_(out, mean, std, generator=source)
            again = empty_like(out)
            while (outside := (out < kind(a)) | (out > kind(b))).any():
                normal_(again, mean, std, generator=source)
                np.copyto(out, again, where=outside)
            return out
        mode = max(a, min(mean, b))
        log_peak = kind(-0.5 * ((mode - mean) / std) ** 2)
        uniform_(out, a, b, generator=source)
        candidates, accept = empty_like(out), empty_like(out)
        candidates[...] = out
        pending = np.ones(out.shape, np.bool_)
        while True:
            uniform_(accept, generator=source)
            deviation = (candidates - kind(mean)) / kind(std)
            log_density = deviation * deviation * kind(-0.5) - log_peak
            with np.errstate(divide="ignore"):
                pending &= np.log(accept) > log_density
            if not pending.any():
                return out
            uniform_(candidates, a, b, generator=source)
            np.copyto(out, candidates, where=pending)


def orthogonal_(out: np.ndarray, gain: float = 1.0, *, generator: Generator | None = None) -> np.ndarray:
    """``gain`` times a (semi-)orthogonal matrix, uniform in the Haar measure (Saxe et al. 2013).

    Axes after the first count as one. The sign of R's diagonal is divided out (Mezzadri 2007).
    Raises ValueError for fewer than two axes.
    """
    if out.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if out.size == 0:
        return out
    rows = out.shape[0]
    matrix = normal_(np.empty((rows, out.size // rows), out.dtype), generator=generator)
    wide = matrix.shape[1] > rows
    q, r = np.linalg.qr(matrix.T if wide else matrix)
    q *= np.sign(np.diagonal(r))
    out[...] = (q.T if wide else q).reshape(out.shape)
    out *= out.dtype.type(gain)
    return out
