"""The gated recurrent unit (Cho et al. 2014), over all steps of a sequence; in the form in which the
reset gate multiplies the projected state, as in PyTorch.

    r, z = sigmoid(W x_t + b + U h_(t-1) + b')
    n = tanh(W_n x_t + b_n + r (U_n h_(t-1) + b'_n)),   in the order r, z, n
    h_t = n + z (h_(t-1) - n)

In the backward all factors but the gradient that comes from the step after are computed for all
steps at once.
"""

from __future__ import annotations

from ..backends import backend_of
from .rnn import of_weights, projected, step_by_step
from .sequence import FEW_STEPS, Steps, carried, gate_products, gate_weights, recurrence

__all__ = ["gru"]


def gru_forward(xp, x, h0, w_ih, w_hh, b_ih, b_hh, steps: Steps):
    """x (total, I), h0 (batch, H), w_ih (3H, I), w_hh (3H, H), biases (3H,) or None -> (total, H)."""
    size = h0.shape[1]
    bias = None
    if b_ih is not None:
        bias = b_ih.copy()
        bias[: 2 * size] += b_hh[: 2 * size]
    gates = gate_products(xp, x, w_ih, bias, 3)
    w = gate_weights(w_hh, 3)
    if len(steps.rows) >= FEW_STEPS:
        w = w.copy()  # by rows, and ours
    scratch = xp.empty((3, steps.batch, size), x.dtype)
    out = xp.empty((steps.total, size), x.dtype)
    news = xp.empty_like(out)  # U_n h + b'_n
    spare = xp.empty_like(h0)
    add, multiply, tanh = xp.add, xp.multiply, xp.tanh
    windows = zip(steps.split_gates(gates), steps.split(news), steps.split(out), strict=True)
    for k, (z, new, h) in enumerate(windows):
        before = steps.before(xp.concatenate, h0, out, k)
        u, t = scratch[:, : len(h)], spare[: len(h)]
        xp.matmul(before, w, out=u)
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
    return out, gates, news


def gru_backward(g, needs, x, h0, w_ih, w_hh, b_ih, b_hh, steps, gates, news, out):
    """Gradients of x, h0, the weights and the biases for g (total, H)."""
    xp = backend_of(gates).xp
    total, size = out.shape
    before = steps.all_before(xp, h0, out)
    r, z, n = gates
    d = xp.empty_like(gates)  # of W x + b
    to_r, to_z, to_n = d
    xp.subtract(1, z, out=to_z)
    xp.multiply(n, n, out=to_n)
    xp.subtract(1, to_n, out=to_n)
    to_n *= to_z
    to_z *= z
    to_z *= before - n
    xp.subtract(1, r, out=to_r)
    to_r *= r
    to_r *= news
    to_r *= to_n
    dz = xp.empty((total, 3 * size), x.dtype)  # by rows
    hidden = xp.empty_like(dz)  # of U h + b', by rows; the third gate's is smaller by a factor of r
    dh = carried(xp, h0, None)
    scratch = xp.empty_like(h0)
    add, multiply = xp.add, xp.multiply
    windows = zip(steps.rows, steps.split_gates(d), steps.split(hidden), steps.split(r), steps.split(z), strict=True)
    for (a, b), ds, rows, rs, zs in reversed(list(windows)):
        h = dh[: b - a]
        add(h, g[a:b], out=h)
        multiply(ds, h, out=ds)
        three = rows.reshape(b - a, 3, size)
        three[:, :2] = ds[:2].swapaxes(0, 1)
        multiply(ds[2], rs, out=three[:, 2])
        multiply(h, zs, out=h)
        add(h, xp.matmul(rows, w_hh, out=scratch[: b - a]), out=h)
    dz.reshape(total, 3, size)[...] = d.swapaxes(0, 1)
    return of_weights(xp, needs, dz, x, w_ih, hidden, before, (dh,))


def plain(x, h0, w_ih, w_hh, b_ih, b_hh, steps):
    """h_t = (1 - z) n + z h_(t-1), step by step."""

    def step(h, rows):
        r, z, n = projected(rows, w_ih, b_ih).chunk(3, 1)
        r_h, z_h, n_h = projected(h, w_hh, b_hh).chunk(3, 1)
        r, z = (r + r_h).sigmoid(), (z + z_h).sigmoid()
        n = (n + r * n_h).tanh()
        return (n + z * (h - n),)

    return step_by_step(step, x, (h0,), steps)[0]


gru = recurrence(
    "gru",
    ("x", "h0", "w_ih", "w_hh", "b_ih", "b_hh"),
    ("gates", "news"),
    gru_forward,
    gru_backward,
    plain,
)
