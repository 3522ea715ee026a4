"""Activation functions, as of ``nn.functional``."""

from __future__ import annotations

from ..inplace import twin
from ..operation import op
from ..types import Array, Namespace
from .compare import pick


def _relu(xp: Namespace, x: Array) -> Array:
    if x.dtype.kind == "b":
        raise RuntimeError("Boolean inputs not supported for relu")
    return xp.maximum(x, 0)


relu = op(_relu, name="relu", promote="same", x=lambda g, out: pick(out <= 0, 0, g))

FUNCTIONS = {"relu": relu}
METHODS = {"relu": relu, "relu_": twin(relu)}
