"""Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000), over all
steps of a sequence.

    i, f, o = sigmoid(W x_t + b + U h_(t-1) + b'),   g = tanh(the same),   in the order i, f, g, o
    c_t = f c_(t-1) + i g
    h_t = o tanh(c_t),   with a projection (Sak et al. 2014) h_t = W_hr (o tanh(c_t))

All four gates of a step are one tanh, since sigmoid(z) = (1 + tanh(z / 2)) / 2. In the backward,
everything that does not depend on the gradient that comes from the step after is computed for all
steps at once, so that a step of it is a product and six short passes.
"""

from __future__ import annotations

from ..backends import backend_of
from .rnn import of_weights, projected, step_by_step
from .sequence import Steps, carried, recurrence

__all__ = ["lstm"]


def lstm_forward(xp, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, steps: Steps):
    """x (total, I), h0 (batch, P), c0 (batch, H), w_ih (4H, I), w_hh (4H, P), biases (4H,) or None,
    w_hr (P, H) or None and P = H -> (total, P) and the last c, (batch, H)."""
    size = c0.shape[1]
    half = xp.full(4 * size, 0.5, x.dtype)
    half[2 * size : 3 * size] = 1
    shift = 1 - half  # 1/2 for the sigmoids, 0 for the tanh
    gates = x @ w_ih.T
    if b_ih is not None:
        gates += b_ih + b_hh
    gates *= half
    w = w_hh.T
    scratch = xp.empty((steps.batch, 4 * size), x.dtype)
    cells = xp.empty((steps.total, size), x.dtype)
    tanhs, hidden = xp.empty_like(cells), xp.empty_like(cells)
    out = hidden if w_hr is None else xp.empty((steps.total, w_hr.shape[0]), x.dtype)
    for k, (a, b) in enumerate(steps.rows):
        z, c, t, h = gates[a:b], cells[a:b], tanhs[a:b], hidden[a:b]
        u = xp.matmul(steps.before(xp.concatenate, h0, out, k), w, out=scratch[: b - a])
        u *= half
        z += u
        xp.tanh(z, out=z)
        z *= half
        z += shift
        xp.multiply(z[:, size : 2 * size], steps.before(xp.concatenate, c0, cells, k), out=c)
        xp.multiply(z[:, :size], z[:, 2 * size : 3 * size], out=t)
        c += t
        xp.tanh(c, out=t)
        xp.multiply(z[:, 3 * size :], t, out=h)
        if w_hr is not None:
            xp.matmul(h, w_hr.T, out=out[a:b])
    return out, cells[steps.last()].copy(), gates, cells, tanhs, hidden


def lstm_backward(gs, needs, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, steps, gates, cells, tanhs, hidden, out):
    """Gradients of x, h0, c0, the weights and the biases for gs: (total, P) and (batch, H), or None."""
    g, g_last = gs
    xp = backend_of(gates).xp
    total, size = cells.shape
    before = steps.all_before(xp, c0, cells)
    four = gates.reshape(total, 4, size)
    i, f, c, o = four[:, 0], four[:, 1], four[:, 2], four[:, 3]
    dz = 1 - gates  # becomes first d gate / d z times what the gate multiplies, then the gradient
    dz *= gates
    d = dz.reshape(total, 4, size)
    d[:, 0] *= c
    d[:, 1] *= before
    d[:, 3] *= tanhs
    xp.multiply(c, c, out=d[:, 2])
    xp.subtract(1, d[:, 2], out=d[:, 2])
    d[:, 2] *= i
    to_cell = tanhs * tanhs
    xp.subtract(1, to_cell, out=to_cell)
    to_cell *= o
    dh, dc = carried(xp, h0, None), carried(xp, c0, g_last)
    inner = xp.empty_like(c0)
    scratch = xp.empty_like(c0)
    d_hidden = None if w_hr is None else xp.empty_like(out)
    for a, b in reversed(steps.rows):
        n = b - a
        h, dcn, t = dh[:n], dc[:n], scratch[:n]
        if g is not None:
            h += g[a:b]
        if w_hr is not None:
            d_hidden[a:b] = h
            dn = xp.matmul(h, w_hr, out=inner[:n])
        else:
            dn = h
        xp.multiply(dn, to_cell[a:b], out=t)
        dcn += t
        d[a:b, 3] *= dn
        d[a:b, :3] *= dcn[:, None]
        dcn *= f[a:b]
        xp.matmul(dz[a:b], w_hh, out=h)
    found = of_weights(xp, needs, dz, x, w_ih, dz, steps.all_before(xp, h0, out), (dh, dc))
    return (*found, None if w_hr is None else d_hidden.T @ hidden)


def plain(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, steps):
    """c_t = f c_(t-1) + i g,  h_t = o tanh(c_t), step by step."""

    def step(h, c, rows):
        i, f, g, o = (projected(rows, w_ih, b_ih) + projected(h, w_hh, b_hh)).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return h if w_hr is None else projected(h, w_hr, None), c

    out, cells = step_by_step(step, x, (h0, c0), steps)
    return out, cells[steps.last()]


lstm = recurrence(
    "lstm",
    ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh", "w_hr"),
    ("gates", "cells", "tanhs", "hidden"),
    lstm_forward,
    lstm_backward,
    plain,
    outputs=2,
)
