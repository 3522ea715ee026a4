"""Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000), over all
steps of a sequence.

    i, f, o = sigmoid(W x_t + b + U h_(t-1) + b'),   g = tanh(the same),   in the order i, f, g, o
    c_t = f c_(t-1) + i g
    h_t = o tanh(c_t),   with a projection (Sak et al. 2014) h_t = W_hr (o tanh(c_t))

All four gates of a step are one tanh, since sigmoid(z) = (1 + tanh(z / 2)) / 2. Input, state and
a one side by side are multiplied by both weights and the biases in one gemm, and so are the gradients
of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..backends import backend_of
from ..ops.join import cat
from ..tensor import Tensor
from ..types import Array, Namespace
from .rnn import input_gradient, of_weights, projected, step_by_step
from .sequence import FEW_STEPS, Steps, by_gate, carried, recurrence

__all__ = ["lstm"]

_AT_ONCE = 1 << 17  # elements of the gates whose slopes are worked out together: in the cache, and few calls


def lstm_forward(
    xp: Namespace,
    x: Array,
    h0: Array,
    c0: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array,
    b_hh: Array,
    w_hr: Array,
    steps: Steps,
) -> tuple[Array, ...]:
    """x (total, I) or (steps, batch, I), h0 (batch, P), c0 (batch, H), w_ih (4H, I), w_hh (4H, P),
    biases (4H,) or None, w_hr (P, H) or None and P = H -> (..., P) and the last c, (batch, H)."""
    total, size, width, state = steps.total, c0.shape[1], x.shape[-1], h0.shape[1]
    gates = xp.empty(4 * total * size, x.dtype)
    cells = xp.empty((total, size), x.dtype)
    tanhs, hidden = xp.empty_like(cells), None
    result = xp.empty((*x.shape[:-1], state), x.dtype)
    out = result.reshape(total, state)
    hidden = out if w_hr is None else xp.empty_like(cells)
    bias = None if b_ih is None else b_ih + b_hh
    inputs = w = None
    if len(steps.rows) >= FEW_STEPS:
        # [x h 1] by one weight for each gate, with the halves of the sigmoids and the biases in it.
        wide = width + state + (bias is not None)
        w = xp.empty((4, wide, size), x.dtype)
        w[:, :width] = by_gate(w_ih, 4)
        w[:, width : width + state] = by_gate(w_hh, 4)
        if bias is not None:
            w[:, -1] = bias.reshape(4, size)
        w[:2] *= 0.5
        w[3] *= 0.5
        inputs = xp.empty((total, wide), x.dtype)
        inputs.reshape(*x.shape[:-1], wide)[..., :width] = x
        inputs[:, width + state :] = 1
    add, multiply, tanh = xp.add, xp.multiply, xp.tanh
    half = xp.asarray(0.5, x.dtype)
    rows = steps.split(x if inputs is None else inputs)
    windows = zip(
        rows,
        steps.split_gates(gates, 4, size),
        steps.split(cells),
        steps.split(tanhs),
        steps.split(hidden),
        steps.befores(xp.concatenate, h0, out),
        steps.befores(xp.concatenate, c0, cells),
        strict=True,
    )
    for k, (xs, z, c, t, h, before, cell) in enumerate(windows):
        if inputs is not None:
            xs[:, width : width + state] = before
            xp.matmul(xs, w, out=z)
        else:
            u = xs @ w_ih.T
            u += before @ w_hh.T
            if bias is not None:
                u += bias
            z[...] = u.reshape(-1, 4, size).swapaxes(0, 1)
            z[:2] *= 0.5
            z[3] *= 0.5
        tanh(z, z)
        i_f, o = z[:2], z[3]
        multiply(i_f, half, i_f)
        add(i_f, half, i_f)
        multiply(o, half, o)
        add(o, half, o)
        multiply(z[1], cell, c)
        multiply(z[0], z[2], t)
        add(c, t, c)
        tanh(c, t)
        multiply(o, t, h)
        if w_hr is not None:
            a, b = steps.rows[k]
            xp.matmul(h, w_hr.T, out=out[a:b])
    return result, steps.last(cells, xp.concatenate).copy(), gates, cells, tanhs, hidden, inputs


def lstm_backward(
    gs: list[Array | None],
    needs: tuple[bool, ...],
    x: Array,
    h0: Array,
    c0: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array,
    b_hh: Array,
    w_hr: Any,
    steps: Any,
    gates: Array,
    cells: Array,
    tanhs: Array,
    hidden: Array,
    inputs: Array,
    out: Array,
) -> tuple[Array | None, ...]:
    """Gradients of x, h0, c0, the weights and the biases for gs: of the result and of the last c, or None."""
    g, g_last = gs
    xp = backend_of(gates).xp
    total, size = cells.shape
    dz = xp.empty((total, 4 * size), x.dtype)
    dh, dc = carried(xp, h0, None), carried(xp, c0, g_last)
    inner: Array = None if w_hr is None else xp.empty_like(c0)
    d_hidden: Array = None if w_hr is None else xp.empty((total, h0.shape[1]), x.dtype)
    add, multiply, matmul = xp.add, xp.multiply, xp.matmul
    incoming = [None] * len(steps.rows) if g is None else steps.split(g)
    windows = list(zip(steps.split_gates(gates, 4, size), steps.split(dz), incoming, strict=True))
    for k, ds, t in _slopes(xp, steps, c0, gates, cells, tanhs):
        z, rows, gk = windows[k]
        n = len(rows)
        h, dcn = dh[:n], dc[:n]
        if gk is not None:
            add(h, gk, h)
        if w_hr is not None:
            a, b = steps.rows[k]
            d_hidden[a:b] = h
            dn = matmul(h, w_hr, out=inner[:n])
        else:
            dn = h
        multiply(t, dn, t)
        add(dcn, t, dcn)
        of_o, rest = ds[3], ds[:3]
        multiply(of_o, dn, of_o)
        multiply(rest, dcn, rest)
        multiply(dcn, z[1], dcn)
        rows.reshape(n, 4, size)[...] = ds.swapaxes(0, 1)
        matmul(rows, w_hh, out=h)
    of_projection = None if w_hr is None else d_hidden.T @ hidden
    if inputs is None:
        before = steps.all_before(xp, h0, out.reshape(total, -1))
        return (*of_weights(xp, needs, dz, x, w_ih, dz, before, (dh, dc)), of_projection)
    dw = dz.T @ inputs  # of [x h 1]: of both weights and of the bias in one
    width, state = x.shape[-1], h0.shape[1]
    db = None if b_ih is None else dw[:, -1].copy()
    return (
        input_gradient(xp, dz, w_ih, x) if needs[0] else None, dh, dc,
        dw[:, :width], dw[:, width : width + state], db, None if db is None else db.copy(), of_projection,
    )  # fmt: skip


def _slopes(
    xp: Namespace, steps: Any, c0: Array, gates: Array, cells: Array, tanhs: Array
) -> Iterator[tuple[int, Array, Array]]:
    """For each step, the last first: its number; d gate / d z, (4, rows, H), times what the gate multiplies (of i,
    f and g in the cell, of o in the output); and d output / d cell, (rows, H). None depends on the gradient, so that
    short steps are worked on several at a time.
    """
    size, count = cells.shape[1], len(steps.rows)
    together = max(1, _AT_ONCE // max(1, 4 * steps.batch * size)) if steps.uniform else 1
    for last in range(count - 1, -1, -together):
        first = max(0, last - together + 1)
        a, b = min(steps.rows[first], steps.rows[last])[0], max(steps.rows[first], steps.rows[last])[1]
        taken = last - first + 1
        n = (b - a) // taken
        z = gates[4 * size * a : 4 * size * b].reshape(taken, 4, n, size)
        before = [steps.before(xp.concatenate, c0, cells, k) for k in range(first, last + 1)]
        tanh = tanhs[a:b].reshape(taken, n, size)
        ds = 1 - z
        ds *= z
        ds[:, 0] *= z[:, 2]
        for d, c in zip(ds[::-1] if steps.reverse else ds, before, strict=True):
            d[1] *= c
        c = z[:, 2]
        of_c = xp.multiply(c, c, out=ds[:, 2])
        xp.subtract(1, of_c, out=of_c)
        of_c *= z[:, 0]
        ds[:, 3] *= tanh
        t = tanh * tanh
        xp.subtract(1, t, out=t)
        t *= z[:, 3]
        for k in range(last, first - 1, -1):
            j = (last - k) if steps.reverse else (k - first)
            yield k, ds[j], t[j]


def plain(
    x: Tensor,
    h0: Tensor,
    c0: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
    w_hr: Tensor | None,
    steps: Any,
) -> tuple[Tensor, ...]:
    """c_t = f c_(t-1) + i g,  h_t = o tanh(c_t), step by step."""

    def step(h: Tensor, c: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
        i, f, g, o = (projected(rows, w_ih, b_ih) + projected(h, w_hh, b_hh)).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return h if w_hr is None else projected(h, w_hr, None), c

    out, cells = step_by_step(step, x, (h0, c0), steps)
    return out.reshape(*x.shape[:-1], -1), steps.last(cells, cat)


lstm = recurrence(
    "lstm",
    ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh", "w_hr"),
    ("gates", "cells", "tanhs", "hidden", "inputs"),
    lstm_forward,
    lstm_backward,
    plain,
    outputs=2,
)
