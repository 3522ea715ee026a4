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
from tinygrad_zth.fused.dropout import CountedMask, counted_dropout, made

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


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_attention_of_other_dtypes(cuda, rng, dtype):
    op = attention_room.attention
    rest = (None, CountedMask(0.4, 3, 1, (2, 2, 9, 11)), True, 0.3)
    tolerance = 2e-2 if dtype == "float16" else 1e-10
    for width in (8, 90, 96):  # the last is wider than float64's tiles may be
        arrays = [
            normal(rng, 2, 2, 9, 8),
            normal(rng, 2, 2, 11, 8),
            normal(rng, 2, 2, 11, width),
            normal(rng, 2, 1, 9, 11),
        ]
        proved(
            lambda q, k, v, mask: op(q, k, v, mask, *rest[1:]), lambda q, k, v, mask: op.op.plain(q, k, v, mask, *rest[1:]),
            arrays, dtype, tolerance,
        )  # fmt: skip


LEAD, L, S = (2, 3), 9, 34
MASKS = [(L, S), (1, S), (S,), (2, 1, 1, S), (3, L, S), (2, 1, L, S), (1, 3, L, 1), (2, 3, L, S), (1, 1, 1, 1)]


def _masks(rng, shape):
    """As truth values, as numbers of which some are -inf; one query may look nowhere, and another at one key."""
    mask = rng.random(shape) < 0.6
    if mask.ndim > 1 and mask.shape[-2] > 1 and mask.shape[-1] > 1:
        mask[..., 3, :] = mask[..., 7, :] = False
        mask[..., 7, 33] = True
    return mask, np.where(mask, normal(rng, *shape), -np.inf)


@pytest.mark.parametrize("shape", MASKS, ids=str)
def test_attention_with_a_mask(cuda, rng, shape):
    """Broadcast over batch, heads, queries or keys; as truth values and as an addend, whose gradient is looked at."""
    op = attention_room.attention
    arrays = [normal(rng, *LEAD, L, 5), normal(rng, *LEAD, S, 5), normal(rng, *LEAD, S, 6)]
    for mask in _masks(rng, shape):
        proved(
            lambda q, k, v, mask: op(q, k, v, mask, None, False, 0.4), lambda q, k, v, mask: op.op.plain(q, k, v, mask, None, False, 0.4),
            [*arrays, mask], tolerance=5e-5,
        )  # fmt: skip


def test_attention_with_a_mask_over_several_tiles(cuda, order, rng):
    op = attention_room.attention
    arrays = [normal(rng, 2, 35, 5), normal(rng, 2, 41, 5), normal(rng, 2, 41, 6)]
    for mask in _masks(rng, (35, 41)):
        proved(
            lambda q, k, v, mask: op(q, k, v, mask, None, False, 0.4), lambda q, k, v, mask: op.op.plain(q, k, v, mask, None, False, 0.4),
            [*arrays, mask], tolerance=5e-5,
        )  # fmt: skip


def test_attention_with_masks_that_are_windows(cuda, rng):
    """Strides of every kind; five dimensions, of which the mask has every other (then it is copied)."""
    op = attention_room.attention
    lead = (2, 3, 2)
    arrays = [normal(rng, *lead, 5, 4), normal(rng, *lead, 7, 4), normal(rng, *lead, 7, 3)]
    base = rng.random((2, 12, 9, 16)) < 0.7
    for window in (
        lambda m: m[0, 0, 2:7, 1::2][:, :7], lambda m: m[0, 0, :7, :5].T, lambda m: m[:, :1, :5, :7].unsqueeze(1),
        lambda m: m[:, :2, :5, :7].unsqueeze(1), lambda m: m[:, 1::2, :5, :7].reshape(2, 3, 2, 5, 7), lambda m: m[0, :3, :1, :7].unsqueeze(1),
    ):  # fmt: skip
        there, here = (window(torch.tensor(base, device=d)) for d in ("cuda", "cpu"))
        proved(
            lambda q, k, v, m=there: op(q, k, v, m, None, False, 0.4), lambda q, k, v, m=here: op.op.plain(q, k, v, m, None, False, 0.4),
            arrays, tolerance=5e-5,
        )  # fmt: skip


@pytest.mark.parametrize("size", [(5, 5, 4, 3), (7, 40, 33, 5), (40, 9, 8, 40)], ids=str)
@pytest.mark.parametrize("given", ["by counter", "as a tensor"])
def test_attention_with_dropout(cuda, order, rng, size, given):
    """The mask is the one that ``plain`` is given: to the bit, over the counter's carry into its upper word, too."""
    queries, keys, e, f = size
    op = attention_room.attention
    arrays = [normal(rng, 2, queries, e), normal(rng, 2, keys, e), normal(rng, 2, keys, f), normal(rng, queries, keys)]
    drawn = CountedMask(0.3, 2**40 + 7, 2**32 - 2, (2, queries, keys))
    there = drawn if given == "by counter" else torch.tensor(made(drawn, np.float32(0)[None]), device="cuda")
    for causal in (True, False):
        proved(
            lambda q, k, v, mask, c=causal: op(q, k, v, mask, there, c, 0.3), lambda q, k, v, mask, c=causal: op.op.plain(q, k, v, mask, drawn, c, 0.3),
            arrays, tolerance=5e-5,
        )  # fmt: skip


def test_attention_that_the_kernel_does_not_take(cuda, rng):
    """Heads wider than its tiles, keys shared by broadcasting: array calls, with the same mask."""
    op = attention_room.attention
    drawn = CountedMask(0.5, 1, 0, (2, 4, 5))
    for arrays in (
        [normal(rng, 2, 4, 130), normal(rng, 2, 5, 130), normal(rng, 2, 5, 3)],
        [normal(rng, 2, 4, 3), normal(rng, 1, 5, 3), normal(rng, 5, 3)],
    ):
        proved(
            lambda q, k, v, mask: op(q, k, v, mask, drawn, False, 0.1), lambda q, k, v, mask: op.op.plain(q, k, v, mask, drawn, False, 0.1),
            [*arrays, normal(rng, 4, 5)], tolerance=5e-5,
        )  # fmt: skip
    with pytest.raises(RuntimeError, match="does not broadcast to the scores"):
        x = torch.ones(2, 4, 3, device="cuda")
        op(x, x, x, torch.ones(3, 4, device="cuda", dtype=torch.bool), None, False, 1.0)
    with pytest.raises(RuntimeError, match="same device"):
        op(x, x, x, torch.ones(4, 4), None, False, 1.0)


def test_second_derivatives_of_attention_with_dropout(cuda, rng):
    """Under ``create_graph`` the definition is differentiated, with the mask that the kernel made."""
    found = []
    for where in ("cpu", "cuda"):
        q = torch.tensor(normal(np.random.default_rng(0), 1, 3, 4), device=where, requires_grad=True)
        y = attention_room.attention(q, q.detach(), q.detach(), None, CountedMask(0.5, 1, 0, (1, 3, 3)), True, 0.5)
        (first,) = torch.autograd.grad((y * y).sum(), q, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), q)
        found.append(second.cpu().numpy())
    assert np.abs(found[0]).max() > 1e-3
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)


def test_attention_of_a_window_on_one_projection(cuda, rng):
    """As GPT has it: q, k and v are strided windows, with offsets, on one array."""
    packed = normal(rng, 2, 6, 3 * 8)

    def of(x):
        q, k, v = (t.reshape(2, 6, 2, 4).transpose(1, 2) for t in x.split(8, 2))
        return q, k, v

    op = attention_room.attention
    proved(lambda x: op(*of(x), None, None, True, 0.5), lambda x: op.op.plain(*of(x), None, None, True, 0.5), [packed])


POOLS = [  # input, and kernel, stride, padding, dilation
    ((2, 3, 9), (3, 2, 1, 1)), ((1, 1, 1), (1, 1, 0, 1)), ((2, 3, 33, 9), ((3, 2), 2, (1, 0), (2, 1))), ((0, 2, 4, 4), (2, 2, 0, 1)),
    ((1, 2, 5, 4, 6), (2, (1, 2, 2), 1, 1)), ((1, 1, 300), (280, 7, 100, 1)), ((1, 257, 4, 4), (2, 2, 0, 1)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize(("shape", "windows"), POOLS, ids=str)
def test_max_pool(cuda, rng, shape, windows, dtype):
    """Values, places and gradients; among equal elements the first, in windows with NaN the last of them."""
    pool = getattr(torch.nn.functional, f"max_pool{len(shape) - 2}d")
    x = np.round(normal(rng, *shape) * 2)
    for change in (1.0, np.nan, -np.inf):
        x = np.where(rng.random(shape) < 0.2, change, x)
        found = []
        for where in ("cpu", "cuda"):
            t = torch.tensor(x, device=where).to(getattr(torch, dtype)).requires_grad_()
            y, place = pool(t, *windows, return_indices=True)
            pool(t, *windows).sum().backward()
            found.append([a.cpu().numpy() for a in (y.detach(), place, t.grad)])
        for mine, theirs in zip(found[1], found[0], strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_max_pool_of_integers(cuda, rng):
    x = torch.tensor(rng.integers(-5, 5, (1, 2, 6, 3)))
    pool = torch.nn.functional.max_pool2d_with_indices
    for mine, theirs in zip(pool(x.to("cuda"), 3, 2, 1), pool(x, 3, 2, 1), strict=True):
        assert mine.is_cuda and mine.tolist() == theirs.tolist()


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
