"""The simple recurrent layer (Elman 1990, "Finding structure in time"), over all steps of a sequence.

h_t = f(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh),    f = tanh or relu
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backends import backend_of
from ..ops.join import cat
from ..ops.matmul import matmul
from ..tensor import Tensor
from ..types import Array, Namespace
from .rows import column_sums
from .sequence import FEW_STEPS, Steps, carried, recurrence

__all__ = ["rnn"]


def rnn_forward(
    xp: Namespace,
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array,
    b_hh: Array,
    nonlinearity: str,
    steps: Steps,
) -> tuple[Array, ...]:
    """x (total, I) or (steps, batch, I), h0 (batch, H), w_ih (H, I), w_hh (H, H), biases (H,) or None
    -> (..., H)."""
    result = xp.empty((*x.shape[:-1], h0.shape[1]), x.dtype)
    out = result.reshape(steps.total, h0.shape[1])
    xp.matmul(x.reshape(steps.total, x.shape[-1]), w_ih.T, out=out)
    if b_ih is not None:
        out += b_ih + b_hh
    w = w_hh.T
    if len(steps.rows) >= FEW_STEPS:
        w = w.copy()  # by rows
    scratch = xp.empty_like(h0)
    for k, h in enumerate(steps.split(out)):
        h += xp.matmul(steps.before(xp.concatenate, h0, out, k), w, out=scratch[: len(h)])
        if nonlinearity == "tanh":
            xp.tanh(h, out=h)
        else:
            xp.maximum(h, 0, out=h)
    return (result,)


def rnn_backward(
    g: Array,
    needs: tuple[bool, ...],
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array,
    b_hh: Array,
    nonlinearity: str,
    steps: Any,
    out: Array,
) -> tuple[Array | None, ...]:
    """Gradients of x, h0, the weights and the biases for g (..., H)."""
    xp = backend_of(g).xp
    out = out.reshape(steps.total, h0.shape[1])
    dz = 1 - out * out if nonlinearity == "tanh" else (out > 0).astype(out.dtype)
    dh = carried(xp, h0, None)
    for step, gk in reversed(list(zip(steps.split(dz), steps.split(g), strict=True))):
        d = dh[: len(step)]
        d += gk
        step *= d
        xp.matmul(step, w_hh, out=d)
    return of_weights(xp, needs, dz, x, w_ih, dz, steps.all_before(xp, h0, out), (dh,))


def input_gradient(xp: Namespace, dz: Array, w_ih: Array, x: Array) -> Array:
    """The gradient of x, in its shape, from that of its projection, dz (total, gates)."""
    dx = xp.empty(x.shape, x.dtype)
    xp.matmul(dz, w_ih, out=dx.reshape(-1 if dx.size else len(dz), x.shape[-1]))
    return dx


def of_weights(
    xp: Namespace,
    needs: tuple[bool, ...],
    dz: Array,
    x: Array,
    w_ih: Array,
    dz_hidden: Array,
    before: Array,
    states: tuple[Array, ...],
) -> tuple[Array | None, ...]:
    """What follows from the gradients of the two projections, dz and dz_hidden (total, gates): those of
    x, of the first states (given), of the weights and of the biases."""
    of_ih, of_hh, of_bi, of_bh = needs[1 + len(states) : 5 + len(states)]
    db: Array = column_sums[dz.__class__](dz) if of_bi or of_bh else None
    same = dz_hidden is dz
    return (
        input_gradient(xp, dz, w_ih, x) if needs[0] else None, *states,
        dz.T @ x.reshape(len(dz), x.shape[-1]) if of_ih else None,
        dz_hidden.T @ before if of_hh else None,
        db if of_bi else None,
        None if not of_bh else db.copy() if same else column_sums[dz.__class__](dz_hidden),
    )  # fmt: skip


def plain(
    x: Tensor,
    h0: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
    nonlinearity: str,
    steps: Any,
) -> Tensor:
    """h_t = f(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), step by step."""

    def step(h: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
        z = projected(rows, w_ih, b_ih) + projected(h, w_hh, b_hh)
        return (z.tanh() if nonlinearity == "tanh" else z.relu(),)

    return step_by_step(step, x, (h0,), steps)[0].reshape(*x.shape[:-1], -1)


def projected(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x W^T + b."""
    product = matmul(x, weight.t())
    return product if bias is None else product + bias


def step_by_step(step: Callable[..., Any], x: Tensor, states: tuple[Tensor, ...], steps: Steps) -> tuple[Tensor, ...]:
    """``step(*states, rows of x) -> states`` for each step, on Tensors: for each state, its rows after
    every step (total, H)."""
    x = x.reshape(steps.total, x.shape[-1])
    taken: list[Any] = []
    for k, (a, b) in enumerate(steps.rows):
        n = b - a
        before = []
        for i, first in enumerate(states):
            s = taken[k - 1][i] if k else first
            m = s.shape[0]
            before.append(s[:n] if m >= n else cat([s, first[m:n]]))
        taken.append(step(*before, x[a:b]))
    taken = taken[::-1] if steps.reverse else taken
    return tuple(cat(parts) for parts in zip(*taken, strict=True))


rnn = recurrence(
    "rnn",
    ("x", "h0", "w_ih", "w_hh", "b_ih", "b_hh"),
    (),
    rnn_forward,
    rnn_backward,
    plain,
    options=("nonlinearity", "steps"),
)
