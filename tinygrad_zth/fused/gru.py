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
from .sequence import Steps, carried, recurrence

__all__ = ["gru"]


def gru_forward(xp, x, h0, w_ih, w_hh, b_ih, b_hh, steps: Steps):
    """x (total, I), h0 (batch, H), w_ih (3H, I), w_hh (3H, H), biases (3H,) or None -> (total, H)."""
    size = h0.shape[1]
    gates = x @ w_ih.T
    if b_ih is not None:
        gates += b_ih
        gates[:, : 2 * size] += b_hh[: 2 * size]
    w = w_hh.T
    scratch = xp.empty((steps.batch, 3 * size), x.dtype)
    out = xp.empty((steps.total, size), x.dtype)
    news = xp.empty_like(out)  # U_n h + b'_n
    spare = xp.empty_like(h0)
    for k, (a, b) in enumerate(steps.rows):
        before = steps.before(xp.concatenate, h0, out, k)
        u = xp.matmul(before, w, out=scratch[: b - a])
        rz, n, new, t = gates[a:b, : 2 * size], gates[a:b, 2 * size :], news[a:b], spare[: b - a]
        rz += u[:, : 2 * size]
        rz *= 0.5
        xp.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        if b_hh is None:
            new[...] = u[:, 2 * size :]
        else:
            xp.add(u[:, 2 * size :], b_hh[2 * size :], out=new)
        xp.multiply(rz[:, :size], new, out=t)
        n += t
        xp.tanh(n, out=n)
        xp.subtract(before, n, out=t)
        t *= rz[:, size:]
        xp.add(n, t, out=out[a:b])
    return out, gates, news


def gru_backward(g, needs, x, h0, w_ih, w_hh, b_ih, b_hh, steps, gates, news, out):
    """Gradients of x, h0, the weights and the biases for g (total, H)."""
    xp = backend_of(gates).xp
    total, size = out.shape
    before = steps.all_before(xp, h0, out)
    three = gates.reshape(total, 3, size)
    r, z, n = three[:, 0], three[:, 1], three[:, 2]
    dz = xp.empty_like(gates)  # of W x + b; for the third gate, of U h + b' too, but for a factor of r
    d = dz.reshape(total, 3, size)
    dr_, dz_, dn_ = d[:, 0], d[:, 1], d[:, 2]
    xp.subtract(1, z, out=dz_)
    xp.multiply(n, n, out=dn_)
    xp.subtract(1, dn_, out=dn_)
    dn_ *= dz_
    dz_ *= z
    dz_ *= before - n
    xp.subtract(1, r, out=dr_)
    dr_ *= r
    dr_ *= news
    dr_ *= dn_
    hidden = dz.copy()
    dh_ = hidden.reshape(total, 3, size)
    dh_[:, 2] *= r
    dh = carried(xp, h0, None)
    scratch = xp.empty_like(h0)
    for a, b in reversed(steps.rows):
        h = dh[: b - a]
        h += g[a:b]
        dh_[a:b] *= h[:, None]
        dn_[a:b] *= h
        h *= z[a:b]
        h += xp.matmul(hidden[a:b], w_hh, out=scratch[: b - a])
    d[:, :2] = dh_[:, :2]
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
