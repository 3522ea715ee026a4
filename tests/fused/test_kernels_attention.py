"""NumPy attention kernels against an independent formula, finite differences and torch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fused.numerical import awkward, close, dtypes, layouts, normal, numerical_gradient, seeds
from tinygrad_zth.backends import blas, parallel
from tinygrad_zth.fused import attention_numpy
from tinygrad_zth.fused.attention_numpy import attention_backward, attention_forward

SIZES = {"few": (5, 7), "equal": (6, 6), "long": (9, 3), "blocks": (150, 150), "uneven": (150, 70)}


def reference(q, k, v, mask=None, dropout=None, is_causal=False, scale=None):
    """softmax(Q K^T scale + mask) V, the whole score matrix at once, in float64."""
    q, k, v = (np.asarray(a, "d") for a in (q, k, v))
    scores = (q @ np.swapaxes(k, -1, -2)) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        future = np.arange(k.shape[-2])[None] > np.arange(q.shape[-2])[:, None]
        scores = np.where(future, -np.inf, scores)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    top = scores.max(-1, keepdims=True, initial=-np.inf)
    e = np.exp(scores - np.where(top == -np.inf, 0, top))
    total = e.sum(-1, keepdims=True)
    p = e / np.where(total == 0, 1, total)
    return (p if dropout is None else p * dropout) @ v


def masks(rng, kind, lead, length, keys, dtype):
    if kind is None:
        return None
    shape = {"matrix": (length, keys), "full": (*lead, length, keys), "keys": (keys,)}[kind[1]]
    if kind[0] == "bool":
        return rng.random(shape) > 0.4
    return rng.standard_normal(shape).astype(dtype)


kinds = st.sampled_from([None, *((a, b) for a in ("bool", "add") for b in ("matrix", "full", "keys"))])


@given(
    seed=seeds,
    lead=st.lists(st.integers(1, 3), max_size=3),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3)),
    kind=kinds,
    is_causal=st.booleans(),
    drop=st.booleans(),
    scale=st.sampled_from([None, 0.3]),
    dtype=dtypes,
    layout=layouts,
    keep=st.booleans(),
)
def test_value(seed, lead, sizes, kind, is_causal, drop, scale, dtype, layout, keep):
    rng = np.random.default_rng(seed)
    length, keys, width, v_width = sizes
    q = awkward(normal(seed, (*lead, length, width), dtype), layout)
    k = awkward(normal(seed + 1, (*lead, keys, width), dtype), layout)
    v = awkward(normal(seed + 2, (*lead, keys, v_width), dtype), layout)
    mask = None if is_causal else masks(rng, kind, lead, length, keys, dtype)
    dropout = None
    if drop:
        dropout = ((rng.random((*lead, length, keys)) > 0.3) / 0.7).astype(dtype)
    kept = [a.copy() for a in (q, k, v)]
    out, saved = attention_forward(q, k, v, mask, dropout, is_causal, scale, keep)
    assert out.dtype == q.dtype
    close(out, reference(q, k, v, mask, dropout, is_causal, scale))
    g = normal(seed + 3, out.shape, dtype)
    needs = (True, True, True, mask is not None and mask.dtype.kind == "f")
    grads = attention_backward(g, q, k, v, out, saved, mask, dropout, is_causal, scale, needs)
    assert all(np.array_equal(a, b) for a, b in zip((q, k, v), kept))
    inputs = [q, k, v, mask]
    for i, grad in enumerate(grads):
        if not needs[i]:
            assert grad is None
            continue
        assert grad.dtype == inputs[i].dtype

        def f(x, i=i):
            changed = [*inputs[:i], x, *inputs[i + 1 :]]
            return (reference(*changed, dropout, is_causal, scale) * g.astype("d")).sum()

        close(
            grad,
            numerical_gradient(f, inputs[i]),
            "e" if dtype == "e" else "f",
            atol=1e-2 if dtype == "e" else 2e-5,
        )


def compare(q, k, v, tolerance, **options):
    """Kernel against torch's composition, gradients too, with the exponentials kept and without."""
    torch = pytest.importorskip("torch")
    mask, dropout = options.get("mask"), options.get("dropout")
    is_causal, scale = options.get("is_causal", False), options.get("scale")
    tensors = [torch.from_numpy(np.asarray(a, "d")).requires_grad_() for a in (q, k, v)]
    t_mask = None if mask is None else torch.from_numpy(mask if mask.dtype == bool else mask.astype("d"))
    adds = mask is not None and mask.dtype.kind == "f"
    if adds:
        t_mask.requires_grad_()
    scores = tensors[0] @ tensors[1].transpose(-1, -2) * (scale or q.shape[-1] ** -0.5)
    if is_causal:
        seen = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril()
        scores = scores.masked_fill(~seen, -torch.inf)
    if mask is not None:
        scores = scores + t_mask if adds else scores.masked_fill(~t_mask, -torch.inf)
    dead = (scores == -torch.inf).all(-1, keepdim=True)
    p = torch.where(dead, 0.0, scores.masked_fill(dead, 0.0).softmax(-1))
    if dropout is not None:
        p = p * torch.from_numpy(dropout.astype("d"))
    expected = p @ tensors[2]
    g = normal(9, tuple(expected.shape), q.dtype)
    expected.backward(torch.from_numpy(g.astype("d")))
    for keep in (True, False):
        out, saved = attention_forward(q, k, v, mask, dropout, is_causal, scale, keep)
        close(out, expected.detach().numpy(), **tolerance)
        grads = attention_backward(g, q, k, v, out, saved, mask, dropout, is_causal, scale, (True, True, True, adds))
        for grad, t in zip(grads, [*tensors, t_mask]):
            if grad is not None:
                close(grad, t.grad.numpy(), **tolerance)


@pytest.mark.parity
@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("large", [1.0, 30.0])
@pytest.mark.parametrize("drop", [False, True])
def test_blocks_and_ranges(dtype, sizes, large, drop):
    length, keys = SIZES[sizes]
    rng = np.random.default_rng(1)
    q, k, v = (normal(i, (2, 3, n, 4), dtype, s) for i, n, s in ((0, length, large), (1, keys, 1.0), (2, keys, 1.0)))
    dropout = ((rng.random((2, 3, length, keys)) > 0.3) / 0.7).astype(dtype) if drop else None
    tolerance = {"rtol": 1e-4, "atol": 2e-5 * large**1.5} if dtype == "f" else {"rtol": 1e-9, "atol": 1e-10}
    compare(q, k, v, tolerance, is_causal=True, dropout=dropout)
    compare(q, k, v, tolerance, is_causal=False, dropout=dropout)
    mask = rng.random((length, keys)) > 0.5
    mask[2] = False
    compare(q, k, v, tolerance, mask=mask, dropout=dropout)
    compare(q, k, v, tolerance, mask=np.where(mask, 0, -np.inf).astype(dtype))
    compare(q, k, v, tolerance, mask=rng.standard_normal((2, 1, 1, keys)).astype(dtype))


@pytest.mark.parity
@pytest.mark.parametrize("is_causal", [False, True])
def test_heads_cut_from_one_product(is_causal):
    qkv = normal(0, (2, 70, 3 * 3 * 8), "f")
    q, k, v = (a.reshape(2, 70, 3, 8).swapaxes(1, 2) for a in np.split(qkv, 3, -1))
    compare(q, k, v, {}, is_causal=is_causal)
    out, _ = attention_forward(q, k, v, is_causal=is_causal)
    assert out.swapaxes(1, 2).flags.c_contiguous


@pytest.mark.parity
def test_broadcast_heads():
    q, k, v = normal(0, (2, 1, 5, 4), "d"), normal(1, (1, 3, 7, 4), "d"), normal(2, (3, 7, 2), "d")
    compare(q, k, v, {}, is_causal=True)
    compare(q, k, v, {}, mask=normal(3, (2, 3, 5, 1), "d"))


@pytest.mark.parity
def test_shared_between_threads(monkeypatch):
    monkeypatch.setattr(parallel, "WORTH_SHARING_NS", 0)
    monkeypatch.setattr(parallel, "_threads", 3)
    for shape in ((5, 2, 70, 8), (1, 7, 70, 8), (3, 70, 8)):
        q, k, v = (normal(i, shape, "f") for i in range(3))
        saved = attention_forward(q, k, v, is_causal=True)[1]
        assert len(saved.parts) > 1 or not blas.can_limit()
        compare(q, k, v, {}, is_causal=True)


def test_a_row_that_sees_nothing_gives_zeros_and_no_gradient():
    q, k, v = (normal(i, (1, 2, 3, 4), "f") for i in range(3))
    mask = np.ones((3, 3), bool)
    mask[1] = False
    for m in (mask, np.where(mask, 0, -np.inf).astype("f")):
        out, saved = attention_forward(q, k, v, m)
        assert (out[..., 1, :] == 0).all() and (out[..., 0, :] != 0).all()
        grads = attention_backward(np.ones_like(out), q, k, v, out, saved, m)
        assert all(np.isfinite(a).all() for a in grads[:3]) and (grads[0][..., 1, :] == 0).all()


@pytest.mark.parametrize("shapes", [((2, 0, 4), (2, 3, 4)), ((2, 3, 4), (2, 0, 4)), ((0, 3, 4), (0, 3, 4))])
@pytest.mark.parametrize("is_causal", [False, True])
def test_nothing_to_attend_to(shapes, is_causal):
    q, k = (np.ones(s, "f") for s in shapes)
    out, saved = attention_forward(q, k, k, is_causal=is_causal)
    assert out.shape == q.shape and (out == 0).all()
    gq, gk, gv, _ = attention_backward(np.ones_like(out), q, k, k, out, saved, is_causal=is_causal)
    assert gq.shape == q.shape and (gk == 0).all() and (gv == 0).all() and gk.shape == k.shape


def test_memory_is_linear_in_long_sequences():
    q, k, v = (normal(i, (1, 1, 600, 8), "f") for i in range(3))
    for is_causal in (True, False):
        _, saved = attention_forward(q, k, v, is_causal=is_causal)
        assert saved.parts[0].exponentials is None
    few = q[..., :16, :]
    assert attention_forward(few, few, few)[1].parts[0].exponentials is not None
    assert attention_forward(few, few, few, keep=False)[1].parts[0].exponentials is None


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
@pytest.mark.parametrize("keys", [1, 2, 31, 200])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_one_query_is_the_forward(dtype, lead, keys, scale):
    q, k, v = normal(1, (*lead, 1, 8), dtype), normal(2, (*lead, keys, 8), dtype), normal(3, (*lead, keys, 5), dtype)
    close(attention_numpy.one_query(q, k, v, scale), attention_forward(q, k, v, scale=scale)[0], dtype)


@pytest.mark.parametrize("size", [1e3, np.inf, np.nan])
def test_one_query_leaves_extreme_scores_to_the_forward(size):
    q, k = np.full((1, 4), size, "f"), np.ones((3, 4), "f")
    with np.errstate(invalid="ignore"):
        assert attention_numpy.one_query(q, k, k, None) is None
        assert attention_numpy.one_query(-q, k, k, None) is None


def test_causal_blocks_skip_the_future():
    blocks = attention_numpy._blocks((1,), 1024, 1024, True)
    pairs = sum((stop - start) * seen for start, stop, seen in blocks)
    assert pairs < 0.55 * 1024 * 1024


def test_errors():
    a = np.ones((2, 3, 4))
    for q, k, v, mask in [
        (a, np.ones((2, 3, 5)), a, None),
        (a, a, np.ones((2, 4, 4)), None),
        (a, np.ones((3, 3, 4)), np.ones((3, 3, 4)), None),
        (np.ones(4), a, a, None),
        (a, a, a, np.ones((2, 3), bool)),
    ]:
        with pytest.raises(RuntimeError, match="scaled_dot_product_attention"):
            attention_forward(q, k, v, mask)
    with pytest.raises(RuntimeError, match="is_causal"):
        attention_forward(a, a, a, np.ones((3, 3), bool), is_causal=True)
