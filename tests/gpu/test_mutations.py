"""The proofs prove something: kernels that are broken on purpose fail them.

Each mutation changes one thing in a kernel's text (a barrier dropped, an index shifted, a factor lost, a mask ignored). The
tests of ``test_fused_kernels`` must see it, in one of the four orders of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import tinygrad_zth as torch
from tinygrad_zth.backends.cuda_source import CudaSource
from tinygrad_zth.fused import attention as attention_room
from tinygrad_zth.fused import (
    attention_cuda,
    batch_norm_cuda,
    bias_activation_cuda,
    cross_entropy_cuda,
    dropout,
    embedding_cuda,
    gelu_cuda,
    layer_norm_cuda,
    many_tensors_cuda,
    pooling_cuda,
    softmax_cuda,
)
from tinygrad_zth.fused import batch_norm as batch_norm_room
from tinygrad_zth.fused import bias_activation as bias_activation_room
from tinygrad_zth.fused import cross_entropy as cross_entropy_room
from tinygrad_zth.fused import embedding as embedding_room
from tinygrad_zth.fused import gelu as gelu_room
from tinygrad_zth.fused import layer_norm as layer_norm_room
from tinygrad_zth.fused import softmax as softmax_room

from .simulated import device as simulated_device
from .simulated import memory
from .test_fused_kernels import normal, proved


def _softmax(rng):
    for columns in (65, 600):  # fewer than there are threads, and more
        for apply in (softmax_room.softmax, softmax_room.log_softmax):
            proved(
                lambda x, a=apply: a(x, -1),
                lambda x, a=apply: a.op.plain(x, -1),
                [normal(rng, 3, columns) * (65 / columns * 8)],
            )


def _cross_entropy(rng):
    for smoothing, weight in ((0.0, None), (0.3, rng.uniform(0.5, 2, 65))):
        target = np.array([3, -100, 64])
        there = None if weight is None else torch.tensor(weight, device="cuda", dtype=torch.float32)
        here = None if weight is None else there.cpu().double()
        proved(
            lambda x, t, w=there, s=smoothing: cross_entropy_room.cross_entropy(x, t, w, -100, s),
            lambda x, t, w=here, s=smoothing: cross_entropy_room.plain_indices(x, t, w, -100, s, "mean"),
            [normal(rng, 3, 65), target],
        )  # fmt: skip


def _layer_norm(rng):
    op = layer_norm_room.layer_norm
    w, b = rng.uniform(0.5, 2, 65), normal(rng, 65)
    proved(op, op.op.plain, [normal(rng, 12, 65) + 3, (65,), w, b, 1e-5], tolerance=1e-4)


def _batch_norm(rng):
    op = batch_norm_room.batch_norm
    proved(
        op,
        op.op.plain,
        [normal(rng, 5, 3, 11) + 3, rng.uniform(0.5, 2, 3), normal(rng, 3), None, None, 1e-5],
        tolerance=1e-4,
    )


def _gelu(rng):
    for form in ("none", "tanh"):
        proved(
            lambda x, f=form: gelu_room.gelu(x, f), lambda x, f=form: gelu_room.gelu.op.plain(x, f), [normal(rng, 257)]
        )


def _bias_activation(rng):
    op = bias_activation_room.bias_activation
    for form in ("relu", "none", "tanh"):
        proved(op, op.op.plain, [normal(rng, 19, 65), normal(rng, 65), form])


def _attention(rng):
    op, scale = attention_room.attention, 1 / math.sqrt(5)
    arrays = [normal(rng, 2, 40, 5), normal(rng, 2, 40, 5), normal(rng, 2, 40, 7)]
    proved(
        lambda q, k, v: op(q, k, v, None, None, True, scale), lambda q, k, v: op.op.plain(q, k, v, None, None, True, scale),
        arrays, tolerance=5e-5,
    )  # fmt: skip
    arrays = [normal(rng, 3, 2, 9, 5), normal(rng, 3, 2, 7, 5), normal(rng, 3, 2, 7, 7)]
    drawn = dropout.CountedMask(0.3, 5, 1, (3, 2, 9, 7))
    for mask in (normal(rng, 3, 2, 1, 7), rng.random((3, 1, 9, 7)) < 0.7):
        proved(
            lambda q, k, v, mask: op(q, k, v, mask, drawn, False, scale), lambda q, k, v, mask: op.op.plain(q, k, v, mask, drawn, False, scale),
            [*arrays, mask], tolerance=5e-5,
        )  # fmt: skip


def _max_pool(rng):
    x = np.round(normal(rng, 2, 3, 9, 7) * 2).astype("f")
    x[rng.random(x.shape) < 0.1] = np.nan
    found = []
    for where in ("cpu", "cuda"):
        y, place = torch.nn.functional.max_pool2d(
            torch.tensor(x, device=where), (3, 2), 2, (1, 0), (1, 2), return_indices=True
        )
        found.append([y.cpu().numpy(), place.cpu().numpy()])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def _embedding(rng):
    op = embedding_room.embedding
    proved(op, op.op.plain, [normal(rng, 5, 33), np.array([1, 1, 4, 0, 2]), 2])


def _dropout(rng):
    x = torch.tensor(normal(rng, 1025).astype("f"))
    mine = dropout.counted_dropout(x.to("cuda"), 0.3, 2**40 + 7, 2**32 - 2).cpu()
    np.testing.assert_allclose(mine.numpy(), dropout.counted_dropout(x, 0.3, 2**40 + 7, 2**32 - 2).numpy(), rtol=1e-6)


def _many_tensors(rng):
    shapes = [(3, 4), (5000,), (1,), (17, 129)]
    results = []
    for where in ("cpu", "cuda"):
        g = np.random.default_rng(0)
        weights = [torch.nn.Parameter(torch.tensor(g.standard_normal(s).astype("f"), device=where)) for s in shapes]
        found = []
        for make in (
            lambda p: torch.optim.AdamW(p, lr=0.1, amsgrad=True), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True)
        ):  # fmt: skip
            optimizer = make(weights)
            for _ in range(2):
                for p in weights:
                    p.grad = torch.tensor(g.standard_normal(tuple(p.shape)).astype("f"), device=where)
                found.append(torch.nn.utils.clip_grad_norm_(weights, 20.0).item())
                optimizer.step()
        scaler = torch.amp.GradScaler(where, init_scale=4.0)
        for spoilt in (None, float("inf"), float("nan")):
            if spoilt is not None:
                weights[1].grad[4999] = spoilt
            scaler.unscale_(optimizer)
            scaler.update()
            found.append(scaler.get_scale())
        results.append(found + [t.detach().cpu().numpy() for p in weights for t in (p, p.grad)])
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


PROOFS: dict[str, tuple[CudaSource, Callable]] = {
    "softmax": (softmax_cuda.SOURCE, _softmax),
    "cross_entropy": (cross_entropy_cuda.SOURCE, _cross_entropy),
    "layer_norm": (layer_norm_cuda.SOURCE, _layer_norm),
    "batch_norm": (batch_norm_cuda.SOURCE, _batch_norm),
    "gelu": (gelu_cuda.SOURCE, _gelu),
    "bias_activation": (bias_activation_cuda.SOURCE, _bias_activation),
    "attention": (attention_cuda.SOURCE, _attention),
    "max_pool": (pooling_cuda.SOURCE, _max_pool),
    "embedding": (embedding_cuda.SOURCE, _embedding),
    "dropout": (dropout.SOURCE, _dropout),
    "many_tensors": (many_tensors_cuda.SOURCE, _many_tensors),
}

MUTATIONS = [  # (file, what stands there, what is put in its place)
    ("softmax", "const A mine = r.top == MINUS_INFINITY ? (A)0 : r.sum * exp(r.top - top);", "const A mine = r.sum;"),
    ("softmax", "r.sum = r.sum * exp(r.top - v) + 1;", "r.sum = r.sum + 1;"),
    ("softmax", "sum = block_sum(sum);", "sum = warp_sum(sum);"),
    ("softmax", "out * (v - sum)", "out * v"),
    ("softmax", "i += blockDim.x) see", "i += blockDim.x + 1) see"),
    ("cross_entropy", "const bool counts = index != ignored;", "const bool counts = true;"),
    ("cross_entropy", "(i == index ? own : (A)0)", "(A)0"),
    ("cross_entropy", "load(x[at + index * inner])", "load(x[at + (index + 1) % classes * inner])"),
    ("cross_entropy", "all += w * v;", "all += v;"),
    ("cross_entropy", "reduction == 1 ? sum / total : sum", "sum"),
    ("layer_norm", "mean = block_sum(sum) / n;", "mean = block_sum(sum) / (n + 1);"),
    ("layer_norm", "* rstd * along) * rstd", "* rstd * along)"),
    ("layer_norm", "for (int i = 1; i < warps; i++)", "for (int i = 2; i < warps; i++)"),
    ("layer_norm", "  for_bias[warp][lane] = b;\n  __syncthreads();", "  for_bias[warp][lane] = b;"),
    ("batch_norm", "v = block_sum(square) / count;", "v = block_sum(square) / (count - 1);"),
    ("batch_norm", "(i / inner * channels + c) * inner + i % inner]);\n    m", "(i / inner * channels) * inner + i % inner]);\n    m"),
    ("batch_norm", "if (own) d -=", "if (!own) d -="),
    ("gelu", "+ x * exp((A)-0.5 * x * x) * (A)0.3989422804014327", ""),
    ("gelu", "1 + 3 * (A)0.044715", "1 + (A)0.044715"),
    ("gelu", "if (i < n) y[i]", "if (i < n - 1) y[i]"),
    ("bias_activation", "load(b[i % columns])", "load(b[(i + 1) % columns])"),
    ("bias_activation", "slope_of(load(x[i]) + own, form)", "slope_of(load(x[i]), form)"),
    ("bias_activation", "for (int w = 1; w < 8; w++)", "for (int w = 2; w < 8; w++)"),
    ("bias_activation", "sums[warp][lane] = sum;\n  __syncthreads();", "sums[warp][lane] = sum;"),
    ("bias_activation", "return z > 0 ? (A)1 : (A)0;", "return (A)1;"),
    ("attention", "return !(p.causal && key > row) &&", "return"),
    ("attention", " && !(p.look && !p.look[at])", ""),
    ("attention", "p.more ? load(p.more[at]) : (A)0", "(A)0"),
    ("attention", "head / p.inner_heads * p.outer + ", ""),
    ("attention", "p.offset + i / 4", "p.offset + i / 4 + 1"),
    ("attention", "warp_sum(p);", "warp_sum(p * factor(pairs, first_pair + key));"),
    ("attention", "(dp * factor(pairs, pair) - own)", "(dp - own)"),
    ("attention", "weight = p * times;", "weight = p;"),
    ("attention", "d_more[pair] = store(ds);", "d_more[pair] = store(ds * scale);"),
    ("attention", "for (int i = 0; i < WIDE; i++) sum[i] *= shrink;", ""),
    ("attention", "load_tile(value_tile, v, first, keys, f);\n    __syncthreads();", "load_tile(value_tile, v, first, keys, f);"),
    ("attention", "for (long long first = 0; first < end; first += TILE) {\n    __syncthreads();",
     "for (long long first = 0; first < end; first += TILE) {"),
    ("attention", "(dp * times - inner[lane])", "(dp * times)"),
    ("attention", "here && row < queries && may_look(pairs, at, row, key)", "here && row < queries"),
    ("attention", "key_block * warps / TILE * TILE", "(key_block * warps / TILE + 1) * TILE"),
    ("max_pool", "!(v > top) && v == v", "!(v > top)"),
    ("max_pool", "!(v > top)", "!(v >= top)"),
    ("max_pool", "w.stride[d] - w.padding[d]", "w.stride[d]"),
    ("embedding", "row * width + i % width], g", "row * width + i % width + 1], g"),
    ("embedding", "row >= rows || row == padding) return;", "row >= rows) return;"),
    ("embedding", "atomicAdd(&table[row * width + i % width], g[i]);", "table[row * width + i % width] = g[i];"),
    ("dropout", "round < 10", "round < 9"),
    ("dropout", "c[1] = (unsigned)(at >> 32);", "c[1] = 0;"),
    ("many_tensors", "t.chunk[middle] <= (int)blockIdx.x", "t.chunk[middle] < (int)blockIdx.x"),
    ("many_tensors", "from + CHUNK < size ? from + CHUNK : size}", "from + CHUNK < size ? from + CHUNK : size + 1}"),
    ("many_tensors", "load(p[i]) * shrink", "load(p[i])"),
    ("many_tensors", "v = max_(load(highest[at + i]), v);", ""),
    ("many_tensors", "d = nesterov ? d + b * momentum : b;", "d = b;"),
    ("many_tensors", "if (by >= 1) return;", "return;"),
    ("many_tensors", "x[i] = store(value * by);", "x[i] = store(value);"),
    ("many_tensors", "if (!(value - value == 0)) wrong = true;", "if (value != value) wrong = true;"),
    ("many_tensors", "if (wrong) *found = 1;", "if (wrong && threadIdx.x == 0) *found = 1;"),
    ("many_tensors", "sums[offset + blockIdx.x] = sum;", "sums[blockIdx.x] = sum / 2;"),
]  # fmt: skip
# In the shared reductions: seen by any room that uses them.
SHARED = [
    ("if (lane == 0) partial[warp] = v;\n  __syncthreads();", "if (lane == 0) partial[warp] = v;"),
    ("for (int o = 16; o > 0; o >>= 1)", "for (int o = 8; o > 0; o >>= 1)"),
    ("v = lane < warps ? partial[lane] : identity;", "v = lane < warps - 1 ? partial[lane] : identity;"),
    ("  __syncthreads();  // what an earlier reduction left may still be read\n", ""),
]


def _survives(source: CudaSource, prove: Callable, text: Callable[[str], str]) -> bool:
    """Whether the proof passes, in all orders of threads, with the kernels' text changed."""
    own = CudaSource.text
    kept = source._modules, source._kernels
    source._modules, source._kernels = {}, {}
    CudaSource.text = lambda self, dtype: text(own(self, dtype)) if self is source else own(self, dtype)  # type: ignore
    try:
        for order in (0, 1, 2, 3):
            with simulated_device.scheduled(order):
                try:
                    prove(np.random.default_rng(5))
                    memory.check()
                except (AssertionError, IndexError, simulated_device.DeviceError):
                    return False
        return True
    finally:
        CudaSource.text = own  # type: ignore
        source._modules, source._kernels = kept


@pytest.fixture
def broken(only_simulated):
    """What a broken kernel left in memory is no concern of the next test."""
    yield
    memory.forgive()


@pytest.mark.parametrize("room", PROOFS)
def test_the_kernels_as_they_are_pass(only_simulated, room):
    assert _survives(*PROOFS[room], lambda text: text)


@pytest.mark.parametrize(("room", "old", "new"), MUTATIONS, ids=lambda v: v[:40] if isinstance(v, str) else None)
def test_a_broken_kernel_is_caught(broken, room, old, new):
    source, prove = PROOFS[room]
    assert source.body.count(old) >= 1, "the mutation has outlived its text"
    assert not _survives(source, prove, lambda text: text.replace(old, new, 1))


@pytest.mark.parametrize(("old", "new"), SHARED, ids=lambda v: v[:40])
def test_a_broken_reduction_is_caught(broken, old, new):
    source, prove = PROOFS["cross_entropy"]
    assert old in source.text("f")
    assert not _survives(source, prove, lambda text: text.replace(old, new, 1))
