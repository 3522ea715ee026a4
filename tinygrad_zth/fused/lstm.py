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
from .sequence import FEW_STEPS, Steps, carried, gate_products, gate_weights, recurrence

__all__ = ["lstm"]


def lstm_forward(xp, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, steps: Steps):
    """x (total, I), h0 (batch, P), c0 (batch, H), w_ih (4H, I), w_hh (4H, P), biases (4H,) or None,
    w_hr (P, H) or None and P = H -> (total, P) and the last c, (batch, H)."""
    total, size = steps.total, c0.shape[1]
    gates = gate_products(xp, x, w_ih, None if b_ih is None else b_ih + b_hh, 4)
    gates[:2] *= 0.5
    gates[3] *= 0.5
    w = gate_weights(w_hh, 4)
    many = len(steps.rows) >= FEW_STEPS
    if many:
        w = w.copy()  # by rows, and ours
        w[:2] *= 0.5
        w[3] *= 0.5
    scratch = xp.empty((4, steps.batch, size), x.dtype)
    cells = xp.empty((total, size), x.dtype)
    tanhs, hidden = xp.empty_like(cells), xp.empty_like(cells)
    out = hidden if w_hr is None else xp.empty((total, w_hr.shape[0]), x.dtype)
    add, multiply, tanh, matmul = xp.add, xp.multiply, xp.tanh, xp.matmul
    windows = zip(steps.split_gates(gates), steps.split(cells), steps.split(tanhs), steps.split(hidden), strict=True)
    for k, (z, c, t, h) in enumerate(windows):
        u = scratch[:, : len(c)]
        matmul(steps.before(xp.concatenate, h0, out, k), w, out=u)
        if not many:
            u[:2] *= 0.5
            u[3] *= 0.5
        add(z, u, out=z)
        tanh(z, out=z)
        i_f, g, o = z[:2], z[2], z[3]
        multiply(i_f, 0.5, out=i_f)
        add(i_f, 0.5, out=i_f)
        multiply(o, 0.5, out=o)
        add(o, 0.5, out=o)
        multiply(z[1], steps.before(xp.concatenate, c0, cells, k), out=c)
        multiply(z[0], g, out=t)
        add(c, t, out=c)
        tanh(c, out=t)
        multiply(o, t, out=h)
        if w_hr is not None:
            a, b = steps.rows[k]
            matmul(h, w_hr.T, out=out[a:b])
    return out, cells[steps.last()].copy(), gates, cells, tanhs, hidden


def lstm_backward(gs, needs, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, steps, gates, cells, tanhs, hidden, out):
    """Gradients of x, h0, c0, the weights and the biases for gs: (total, P) and (batch, H), or None."""
    g, g_last = gs
    xp = backend_of(gates).xp
    total, size = cells.shape
    dz = xp.empty((total, 4 * size), x.dtype)
    dh, dc = carried(xp, h0, None), carried(xp, c0, g_last)
    d = xp.empty((4, steps.batch, size), x.dtype)
    scratch = xp.empty_like(c0)
    inner = None if w_hr is None else xp.empty_like(c0)
    d_hidden = None if w_hr is None else xp.empty_like(out)
    add, multiply, subtract, matmul = xp.add, xp.multiply, xp.subtract, xp.matmul
    windows = zip(steps.split_gates(gates), steps.split(tanhs), steps.split(dz), strict=True)
    for k, (z, tanh, rows) in reversed(list(enumerate(windows))):
        a, b = steps.rows[k]
        n = b - a
        i, f, c, o = z
        # d gate / d z, times what the gate multiplies: of i, f and g in the cell, of o in the output.
        ds, t = d[:, :n], scratch[:n]
        subtract(1, z, out=ds)
        multiply(ds, z, out=ds)
        of_i, of_f, of_c, of_o = ds
        multiply(of_i, c, out=of_i)
        multiply(of_f, steps.before(xp.concatenate, c0, cells, k), out=of_f)
        multiply(of_o, tanh, out=of_o)
        multiply(c, c, out=of_c)
        subtract(1, of_c, out=of_c)
        multiply(of_c, i, out=of_c)
        h, dcn = dh[:n], dc[:n]
        if g is not None:
            add(h, g[a:b], out=h)
        if w_hr is not None:
            d_hidden[a:b] = h
            dn = matmul(h, w_hr, out=inner[:n])
        else:
            dn = h
        multiply(tanh, tanh, out=t)
        subtract(1, t, out=t)
        multiply(t, o, out=t)
        multiply(t, dn, out=t)
        add(dcn, t, out=dcn)
        multiply(of_o, dn, out=of_o)
        multiply(ds[:3], dcn, out=ds[:3])
        multiply(dcn, f, out=dcn)
        rows.reshape(n, 4, size)[...] = ds.swapaxes(0, 1)
        matmul(rows, w_hh, out=h)
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
