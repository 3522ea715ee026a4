"""What the table says of an operation: how to draw its arguments, and an oracle that is not itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .source import Source


@dataclass(frozen=True)
class Case:
    """How one operation is proved.

    Attributes:
        arguments: draws them, in the order of the operation's parameters. Floating arrays are
            float64 and become Tensors, those of differentiable inputs with ``requires_grad``; other
            arrays become Tensors where the operation takes them so.
        oracle: the value, from the same arguments as arrays. None: the operation's ``plain``.
        call: what is called with the arguments; default, the operation itself.
        combine: makes one tensor of several results, the operation's and its ``plain``'s.
        differentiable: positions of the arguments to differentiate; default, the operation's inputs.
            Empty for one whose gradient is proved elsewhere (``why``).
        second: whether second derivatives are checked; where not, ``why`` says the reason.
        eps: the step of finite differences. Smaller where the function bends much.
        tolerance: absolute and relative, of gradients against differences.
        single: relative tolerance of float32 against float64; None where nothing can be said.
        layouts: whether arguments may lie in memory in any way.
    """

    arguments: Callable[[Source], tuple]
    oracle: Callable[..., Any] | None = None
    call: Callable[..., Any] | None = None
    combine: Callable[..., Any] | None = None
    differentiable: tuple[int, ...] | None = None
    second: bool = True
    eps: float = 1e-3
    tolerance: tuple[float, float] = (1e-7, 1e-6)
    single: float | None = 1e-4
    layouts: bool = True
    why: str = ""


def number_by_number(function: Callable[..., float]) -> Callable[..., np.ndarray]:
    """A function of Python numbers as an oracle on arrays, broadcast. What it refuses is NaN."""

    def guarded(*x):
        try:
            return function(*(float(v) for v in x))
        except (ValueError, ZeroDivisionError):
            return math.nan

    vectorized = np.vectorize(guarded, otypes=[np.float64])
    return lambda *x: np.asarray(vectorized(*x))


def unary(oracle: Callable[[float], float], low=-2.0, high=2.0, avoid=(), **more) -> Case:
    """A function of one number; ``oracle`` is one of Python numbers."""
    return Case(lambda s: (s.floats(s.shape(), low, high, avoid),), number_by_number(oracle), **more)


def binary(oracle: Callable[[float, float], float], one=(-2.0, 2.0), two=(-2.0, 2.0), apart=False, **more) -> Case:
    """A function of two numbers that broadcast. ``apart``: never nearly equal."""

    def arguments(s: Source):
        a, b = s.pair()
        x, y = s.floats(a, *one), s.floats(b, *two)
        if apart:  # the other argument halfway between multiples of 0.2, this one on them
            x = np.asarray(np.round(x / 0.2) * 0.2 + s.rng.uniform(-0.04, 0.04, x.shape))
            y = np.asarray((np.floor(y / 0.2) + 0.5) * 0.2 + s.rng.uniform(-0.04, 0.04, y.shape))
        return x, y

    return Case(arguments, number_by_number(oracle), **more)
