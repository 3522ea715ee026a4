"""Every CUDA kernel of the fused rooms against the room's definition (``plain``, computed in float64 on the host).

Sizes are those at which kernels go wrong: one column, a warp more or less, a block more or less, nothing at all; rows of
-inf; windows with offsets and strides. Threads run in four orders.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_zth as torch
from tinygrad_zth.fused import attention as attention_room
from tinygrad_zth.fused import batch_norm as batch_norm_room
from tinygrad_zth.fused import bias_activation as bias_activation_room
from tinygrad_zth.fused import cross_entropy as cross_entropy_room
from tinygrad_zth.fused import embedding as embedding_room
from tinygrad_zth.fused import gelu as gelu_room
from tinygrad_zth.fused import layer_norm as layer_norm_room
from tinygrad_zth.fused import softmax as softmax_room
from tinygrad_zth.fused.dropout import counted_dropout

from .simulated import device as simulated_device

COLUMNS = (1, 31, 32, 33, 1023, 1025)
TOLERANCE = {"float32": 2e-5, "float16": 4e-3, "float64": 1e-12}


@pytest.fixture(params=(0, 1, 2, 3), ids=lambda n: f"order{n}")
def order(request, is_simulated):
    """The order in which the threads of a block run; one is enough on a device."""
    if not is_simulated and request.param:
        pytest.skip("the device has an order of its own")
    with simulated_device.scheduled(request.param):
        yield request.param


def proved(apply, plain, arrays, dtype: str = "float32", tolerance: float | None = None) -> None:
    """``apply`` on the device, its result and gradients, against ``plain`` on the host in float64.

    ``arrays``: floating ones become leaves, integers tensors, others are passed on.
    """
    kind = getattr(torch, dtype)
    tolerance = TOLERANCE[dtype] if tolerance is None else tolerance
    there, here = [], []
    for a in arrays:
        if isinstance(a, np.ndarray) and a.dtype.kind == "f":
            rounded = torch.tensor(a).to(kind)
            there.append(rounded.to("cuda").requires_grad_())
            here.append(rounded.double().requires_grad_())
        elif isinstance(a, np.ndarray):
            there.append(torch.tensor(a, device="cuda"))
            here.append(torch.tensor(a))
        else:
            there.append(a)
            here.append(a)
    found, expected = apply(*there), plain(*here)
    assert found.is_cuda and found.dtype is kind and found.shape == expected.shape
    weights = np.random.default_rng(3).uniform(0.5, 1.5, tuple(found.shape))
    (found * torch.tensor(weights, device="cuda").to(kind)).sum().backward()
    (expected * torch.tensor(weights)).sum().backward()
    pairs = [(found.detach(), expected.detach())]
    pairs += [
        (t.grad, e.grad) for t, e in zip(there, here, strict=True) if isinstance(t, torch.Tensor) and t.requires_grad
    ]
    for mine, theirs in pairs:
        scale = max(1.0, float(np.nanmax(np.abs(theirs.numpy()), initial=0.0)))
        np.testing.assert_allclose(mine.double().cpu().numpy(), theirs.numpy(), rtol=tolerance, atol=tolerance * scale)


def normal(rng, *shape) -> np.ndarray:
    return rng.standard_normal(shape) * 2


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("room", ["softmax", "log_softmax"])
def test_softmax(cuda, order, rng, room, columns):
    apply = getattr(softmax_room, room)
    proved(lambda x: apply(x, -1), lambda x: apply.op.plain(x, -1), [normal(rng, 3, columns)])


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("room", ["softmax", "log_softmax"])
def test_softmax_of_other_dtypes_and_axes(cuda, rng, room, dtype):
    apply = getattr(softmax_room, room)
    for shape, axis in (((3, 33), 1), ((5, 3, 2), 1), ((33, 2), 0), ((2, 0), 1), ((0, 3), 0), ((4,), 0)):
        proved(lambda x, d=axis: apply(x, d), lambda x, d=axis: apply.op.plain(x, d), [normal(rng, *shape)], dtype)


def test_softmax_of_infinities(cuda, order):
    rows = np.array([[-np.inf] * 3, [0, -np.inf, 1], [np.inf, 0, 0], [np.nan, 0, 0], [3e38, 3e38, -3e38]], np.float32)
    found = softmax_room.softmax(torch.tensor(rows, device="cuda"), 1).cpu().numpy()
    np.testing.assert_allclose(found, softmax_room.softmax(torch.tensor(rows), 1).numpy(), rtol=1e-6)
    assert np.isnan(found[0]).all() and np.isnan(found[2]).any() and np.isnan(found[3]).all()


def _indices(rng, rows, classes):
    return np.where(rng.random(rows) < 0.2, -100, rng.integers(0, classes, rows))


@pytest.mark.parametrize("columns", COLUMNS)
def test_cross_entropy(cuda, order, rng, columns):
    target = _indices(rng, 5, columns)
    target[0] = 0
    args = (None, -100, 0.0, "mean")
    proved(
        lambda x, t: cross_entropy_room.cross_entropy(x, t, *args), lambda x, t: cross_entropy_room.plain_indices(x, t, *args),
        [normal(rng, 5, columns), target],
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cross_entropy_in_all_its_forms(cuda, rng, reduction, smoothing, dtype):
    weight = rng.uniform(0.5, 2, 7)
    for shape, w in (((6, 7), None), ((6, 7), weight), ((2, 7, 3), weight), ((7,), None)):
        target = np.asarray(_indices(rng, (shape[0], *shape[2:]) if len(shape) > 1 else (), 7))
        there = None if w is None else torch.tensor(w, device="cuda", dtype=getattr(torch, dtype))
        here = None if w is None else there.cpu().double()
        proved(
            lambda x, t, w=there: cross_entropy_room.cross_entropy(x, t, w, -100, smoothing, reduction),
            lambda x, t, w=here: cross_entropy_room.plain_indices(x, t, w, -100, smoothing, reduction),
            [normal(rng, *shape), target], dtype, 1e-2 if dtype == "float16" else None,
        )  # fmt: skip


def test_cross_entropy_of_nothing(cuda):
    x = torch.zeros(0, 5, device="cuda", requires_grad=True)
    loss = torch.nn.functional.cross_entropy(x, torch.zeros(0, dtype=torch.long, device="cuda"))
    loss.backward()
    assert math.isnan(loss.item()) and x.grad.shape == (0, 5)


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("centred", [True, False], ids=["layer_norm", "rms_norm"])
def test_layer_norm(cuda, order, rng, columns, centred):
    w, b = rng.uniform(0.5, 2, columns), normal(rng, columns)
    if centred:
        op, arrays = layer_norm_room.layer_norm, [normal(rng, 3, columns), (columns,), w, b, 1e-5]
    else:
        op, arrays = layer_norm_room.rms_norm, [normal(rng, 3, columns), (columns,), w, 1e-5]
    proved(op, op.op.plain, arrays, tolerance=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_layer_norm_of_other_shapes_and_dtypes(cuda, rng, dtype):
    op = layer_norm_room.layer_norm
    for shape, inner in (((2, 3, 4), (4,)), ((2, 3, 4), (3, 4)), ((70, 5), (5,)), ((0, 4), (4,)), ((1, 1), (1,))):
        w, b = rng.uniform(0.5, 2, inner), normal(rng, *inner)
        proved(op, op.op.plain, [normal(rng, *shape), inner, w, b, 1e-5], dtype, 2e-2 if dtype == "float16" else 1e-10)
        proved(lambda x, s=inner: op(x, s, None, None, 1e-5), lambda x, s=inner: op.op.plain(x, s, None, None, 1e-5),
               [normal(rng, *shape)], dtype, 2e-2 if dtype == "float16" else 1e-10)  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 3), (33, 2), (1025, 1), (4, 3, 5), (2, 2, 3, 11), (0, 3)])
def test_batch_norm(cuda, order, rng, shape):
    w, b = rng.uniform(0.5, 2, shape[1]), normal(rng, shape[1])
    op = batch_norm_room.batch_norm
    if shape[0]:
        proved(op, op.op.plain, [normal(rng, *shape), w, b, None, None, 1e-5], tolerance=1e-4)
    mean, var = rng.standard_normal(shape[1]), rng.uniform(0.5, 2, shape[1])
    given = [torch.tensor(v.astype(np.float32)) for v in (mean, var)]
    proved(
        lambda x, w, b: op(x, w, b, *(v.to("cuda") for v in given), 1e-5),
        lambda x, w, b: op.op.plain(x, w, b, *(v.double() for v in given), 1e-5), [normal(rng, *shape), w, b], tolerance=1e-4,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("form", ["none", "tanh"])
def test_gelu(cuda, rng, form, dtype):
    op = gelu_room.gelu
    for shape in ((), (0,), (1,), (257,), (3, 5)):
        proved(lambda x: op(x, form), lambda x: op.op.plain(x, form), [np.asarray(normal(rng, *shape))], dtype)


def test_gelu_far_out(cuda):
    x = torch.tensor([-1e30, -200.0, 200.0, 1e30], device="cuda", requires_grad=True)
    for form in ("none", "tanh"):
        x.grad = None
        y = torch.nn.functional.gelu(x, approximate=form)
        y.sum().backward()
        assert y.tolist()[1:3] == [0, 200] and x.grad.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("form", ["relu", "none", "tanh"])
def test_bias_and_activation(cuda, order, rng, form, columns):
    op = bias_activation_room.bias_activation
    for rows in (1, 7, 9):
        proved(op, op.op.plain, [normal(rng, rows, columns), normal(rng, columns), form])


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("form", ["relu", "none", "tanh"])
def test_bias_and_activation_of_other_shapes_and_dtypes(cuda, rng, form, dtype):
    op = bias_activation_room.bias_activation
    for shape in ((3,), (2, 3, 5), (0, 4), (2, 0), (70, 3)):
        x, b = normal(rng, *shape), normal(rng, shape[-1])
        proved(op, op.op.plain, [x, b, form], dtype, 2e-2 if dtype == "float16" else None)
    nan = torch.tensor([[float("nan"), 1.0]], device="cuda")
    assert op(nan, torch.zeros(2, device="cuda"), form).isnan().tolist() == [[True, False]]


SIZES = [(1, 1, 1, 1), (5, 5, 4, 3), (33, 33, 16, 8), (7, 40, 33, 5), (40, 9, 128, 1), (65, 64, 8, 128)]


@pytest.mark.parametrize("causal", [True, False], ids=["causal", "full"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_attention(cuda, order, rng, size, causal):
    queries, keys, e, f = size
    op = attention_room.attention
    rest = (None, None, causal, 1 / math.sqrt(e))
    arrays = [normal(rng, 2, queries, e), normal(rng, 2, keys, e), normal(rng, 2, keys, f)]
    proved(lambda q, k, v: op(q, k, v, *rest), lambda q, k, v: op.op.plain(q, k, v, *rest), arrays, tolerance=5e-5)


def test_attention_in_half_precision_and_in_other_ways(cuda, rng):
    op = attention_room.attention
    arrays = [normal(rng, 2, 2, 9, 8), normal(rng, 2, 2, 9, 8), normal(rng, 2, 2, 9, 8)]
    for dtype in ("float16", "float64"):
        rest = (None, None, True, 0.3)
        proved(lambda q, k, v, r=rest: op(q, k, v, *r), lambda q, k, v, r=rest: op.op.plain(q, k, v, *r), arrays, dtype,
               2e-2 if dtype == "float16" else 1e-10)  # fmt: skip
    mask = rng.random((9, 9)) < 0.6
    mask[3] = False  # a query that may look nowhere
    there, here = torch.tensor(mask, device="cuda"), torch.tensor(mask)
    proved(lambda q, k, v: op(q, k, v, there, None, False, 0.3), lambda q, k, v: op.op.plain(q, k, v, here, None, False, 0.3),
           arrays, tolerance=5e-5)  # fmt: skip


def test_attention_of_a_window_on_one_projection(cuda, rng):
    """As GPT has it: q, k and v are strided windows, with offsets, on one array."""
    packed = normal(rng, 2, 6, 3 * 8)

    def of(x):
        q, k, v = (t.reshape(2, 6, 2, 4).transpose(1, 2) for t in x.split(8, 2))
        return q, k, v

    op = attention_room.attention
    proved(lambda x: op(*of(x), None, None, True, 0.5), lambda x: op.op.plain(*of(x), None, None, True, 0.5), [packed])


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_embedding(cuda, rng, dtype):
    op = embedding_room.embedding
    for index in (rng.integers(0, 5, (2, 3)), np.array([1, 1, 1, 0]), np.zeros((0,), int), np.asarray(4)):
        for padding in (None, 1):
            proved(op, op.op.plain, [normal(rng, 5, 33), index, padding], dtype)


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_counted_dropout(cuda, rng, dtype):
    """The mask is the host's to the bit, over the counter's carry into its upper word, too."""
    for n in (1, 3, 4, 5, 1023, 1025):
        x = torch.tensor(normal(rng, n)).to(getattr(torch, dtype))
        for p, seed, offset in ((0.5, 1, 0), (0.1, 2**40 + 7, 2**32 - 2)):
            mine = counted_dropout(x.to("cuda"), p, seed, offset).cpu()
            theirs = counted_dropout(x, p, seed, offset)
            assert ((mine == 0) == (theirs == 0)).all()
            np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-3)


def _transposed(rng, *shape):
    return np.ascontiguousarray(normal(rng, *shape).T).T


def test_windows_with_offsets_and_strides(cuda, rng):
    """Kernels take contiguous memory; what is none is made so, whatever window it is."""
    base = normal(rng, 7, 40)
    for room in (
        lambda x: softmax_room.softmax(x, 1),
        lambda x: gelu_room.gelu(x, "none"),
        lambda x: layer_norm_room.layer_norm(x, (x.shape[1],), None, None, 1e-5),
        lambda x: cross_entropy_room.cross_entropy(x, torch.zeros(x.shape[0], dtype=torch.long, device=x.device)),
    ):
        for window in (lambda t: t[1:5, 3:36], lambda t: t[::2, ::3], lambda t: t.t(), lambda t: t[2:3].expand(4, 40)):
            results = []
            for where in ("cpu", "cuda"):
                x = torch.tensor(base.astype(np.float32), device=where, requires_grad=True)
                y = room(window(x))
                (y * y).sum().backward()
                results.append((y.detach().cpu().numpy(), x.grad.cpu().numpy()))
            for mine, theirs in zip(*results, strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
