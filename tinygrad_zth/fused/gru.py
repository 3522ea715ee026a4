"""The gated recurrent unit (Cho et al. 2014), over all steps of a sequence; in the form in which the
reset gate multiplies the projected state, as in PyTorch.

    r, z = sigmoid(W x_t + b + U h_(t-1) + b')
    n = tanh(W_n x_t + b_n + r (U_n h_(t-1) + b'_n)),   in the order r, z, n
    h_t = n + z (h_(t-1) - n)
"""

from __future__ import annotations

from typing import Any

from ..backends import backend_of
from ..tensor import Tensor
from ..types import Array, Namespace
from .rnn import of_weights, projected, step_by_step
from .sequence import FEW_STEPS, Steps, by_gate, carried, recurrence

__all__ = ["gru"]


def gru_forward(
    xp: Namespace, x: Array, h0: Array, w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array, steps: Steps
) -> tuple[Array, ...]:
    """x (total, I) or (steps, batch, I), h0 (batch, H), w_ih (3H, I), w_hh (3H, H), biases (3H,) or None
    -> (..., H)."""
    total, size = steps.total, h0.shape[1]
    rows = x.reshape(total, x.shape[-1]) @ w_ih.T
    if b_ih is not None:
        rows += b_ih
        rows[:, : 2 * size] += b_hh[: 2 * size]
    gates = xp.empty(3 * total * size, x.dtype)
    w = by_gate(w_hh, 3)
    if len(steps.rows) >= FEW_STEPS:
        w = w.copy()  # by rows
    result = xp.empty((*x.shape[:-1], size), x.dtype)
    out = result.reshape(total, size)
    news = xp.empty_like(out)  # U_n h + b'_n
    products, spare = xp.empty((3, steps.batch, size), x.dtype), xp.empty_like(h0)
    add, multiply, tanh = xp.add, xp.multiply, xp.tanh
    windows = zip(
        steps.split(rows), steps.split_gates(gates, 3, size), steps.split(news), steps.split(out), strict=True
    )
    for k, (xs, z, new, h) in enumerate(windows):
        before = steps.before(xp.concatenate, h0, out, k)
        u, t = products[:, : len(h)], spare[: len(h)]
        xp.matmul(before, w, out=u)
        z[...] = xs.reshape(-1, 3, size).swapaxes(0, 1)
        rz, n = z[:2], z[2]
        add(rz, u[:2], out=rz)
        multiply(rz, 0.5, out=rz)
        tanh(rz, out=rz)
        multiply(rz, 0.5, out=rz)
        add(rz, 0.5, out=rz)
        if b_hh is None:
            new[...] = u[2]
        else:
            add(u[2], b_hh[2 * size :], out=new)
        multiply(z[0], new, out=t)
        add(n, t, out=n)
        tanh(n, out=n)
        xp.subtract(before, n, out=t)
        multiply(t, z[1], out=t)
        add(n, t, out=h)
    return result, gates, news


def gru_backward(
    g: Array,
    needs: tuple[bool, ...],
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array,
    b_hh: Array,
    steps: Any,
    gates: Array,
    news: Array,
    out: Array,
) -> tuple[Array | None, ...]:
    """Gradients of x, h0, the weights and the biases for g (..., H)."""
    xp = backend_of(gates).xp
    total, size = news.shape
    out = out.reshape(total, size)
    dz = xp.empty((total, 3 * size), x.dtype)  # of W x + b
    hidden = xp.empty_like(dz)  # of U h + b', the third gate's smaller by a factor of r
    dh = carried(xp, h0, None)
    d = xp.empty((3, steps.batch, size), x.dtype)
    spare = xp.empty_like(h0)
    add, multiply, subtract = xp.add, xp.multiply, xp.subtract
    windows = zip(
        steps.split_gates(gates, 3, size),
        steps.split(news),
        steps.split(dz),
        steps.split(hidden),
        steps.split(g),
        strict=True,
    )
    for k, (gate, new, rows, rows_hidden, gk) in reversed(list(enumerate(windows))):
        count = len(new)
        r, z, n = gate
        ds, t, h = d[:, :count], spare[:count], dh[:count]
        add(h, gk, out=h)
        of_r, of_z, of_n = ds
        subtract(1, z, out=of_z)
        multiply(n, n, out=of_n)
        subtract(1, of_n, out=of_n)
        multiply(of_n, of_z, out=of_n)
        multiply(of_z, z, out=of_z)
        subtract(steps.before(xp.concatenate, h0, out, k), n, out=t)
        multiply(of_z, t, out=of_z)
        subtract(1, r, out=of_r)
        multiply(of_r, r, out=of_r)
        multiply(of_r, new, out=of_r)
        multiply(of_r, of_n, out=of_r)
        multiply(ds, h, out=ds)
        rows.reshape(count, 3, size)[...] = ds.swapaxes(0, 1)
        multiply(of_n, r, out=of_n)
        rows_hidden.reshape(count, 3, size)[...] = ds.swapaxes(0, 1)
        multiply(h, z, out=h)
        add(h, xp.matmul(rows_hidden, w_hh, out=t), out=h)
    return of_weights(xp, needs, dz, x, w_ih, hidden, steps.all_before(xp, h0, out), (dh,))


def plain(
    x: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None, steps: Any
) -> Tensor:
    """h_t = (1 - z) n + z h_(t-1), step by step."""

    def step(h: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
        r, z, n = projected(rows, w_ih, b_ih).chunk(3, 1)
        r_h, z_h, n_h = projected(h, w_hh, b_hh).chunk(3, 1)
        r, z = (r + r_h).sigmoid(), (z + z_h).sigmoid()
        n = (n + r * n_h).tanh()
        return (n + z * (h - n),)

    return step_by_step(step, x, (h0,), steps)[0].reshape(*x.shape[:-1], -1)


gru = recurrence(
    "gru",
    ("x", "h0", "w_ih", "w_hh", "b_ih", "b_hh"),
    ("gates", "news"),
    gru_forward,
    gru_backward,
    plain,
)
