"""The recurrent rooms: kernel equals plain, in value, gradient and second order, to 1e-10 in float64.

Sequences of one length and of several, both directions, with and without biases and projection.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_zth as zth
from tinygrad_zth.fused.gru import gru
from tinygrad_zth.fused.lstm import lstm
from tinygrad_zth.fused.rnn import rnn
from tinygrad_zth.fused.sequence import Steps

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(lambda s: tuple(sorted(s, reverse=True)))
UNIFORM = st.tuples(st.integers(1, 4), st.integers(1, 5)).map(lambda nt: (nt[0],) * nt[1])


@st.composite
def problems(draw):
    """The room, and the arguments of its operation."""
    room = draw(st.sampled_from([rnn, lstm, gru]))
    steps = Steps(draw(SIZES | UNIFORM), draw(st.booleans()))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    inputs, hidden = draw(st.integers(1, 3)), draw(st.integers(2, 4))
    state = draw(st.integers(1, hidden - 1)) if room is lstm and draw(st.booleans()) else hidden
    gates = {rnn: 1, gru: 3, lstm: 4}[room] * hidden
    whole = steps.uniform and draw(st.booleans())  # by steps and batch, or by rows
    first = (len(steps.rows), steps.batch, inputs) if whole else (steps.total, inputs)
    shapes = [first, (steps.batch, state), (gates, inputs), (gates, state), (gates,), (gates,)]
    if room is lstm:
        shapes[2:2] = [(steps.batch, hidden)]
        shapes.append((state, hidden))
    arrays = [rng.standard_normal(s) for s in shapes]
    if draw(st.booleans()):
        where = 5 if room is lstm else 4
        arrays[where] = arrays[where + 1] = None
    if room is lstm and state == hidden:
        arrays[-1] = None
    options = [draw(st.sampled_from(["tanh", "relu"]))] if room is rnn else []
    return room, arrays, [*options, steps]


def tensors(arrays):
    return [None if a is None else zth.tensor(a, requires_grad=True) for a in arrays]


def results(out):
    return list(out) if isinstance(out, tuple) else [out]


def close(a, b, rtol=1e-10):
    assert (a is None) == (b is None)
    if a is not None:
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=rtol, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(problems(), st.integers(1, 3))
def test_kernel_equals_plain(problem, used):
    room, arrays, options = problem
    x, y = tensors(arrays), tensors(arrays)
    mine, theirs = results(room(*x, *options)), results(room.op.plain(*y, *options))
    rng = np.random.default_rng(1)
    for a, b in zip(mine, theirs, strict=True):
        close(a, b)
        assert a.dtype == zth.float64
    if len(mine) == 2 and used < 3:  # a gradient for one of the two results only
        mine, theirs = mine[used - 1 :: 2], theirs[used - 1 :: 2]
    gs = [zth.tensor(rng.standard_normal(a.shape)) for a in mine]
    wx, wy = [t for t in x if t is not None], [t for t in y if t is not None]
    of_plain = zth.autograd.grad(theirs, wy, gs, create_graph=True, allow_unused=True)
    of_kernel = zth.autograd.grad(mine, wx, gs, retain_graph=True)
    recorded = zth.autograd.grad(mine, wx, gs, create_graph=True, allow_unused=True)
    directions = [zth.tensor(rng.standard_normal(t.shape)) for t in wx]
    for a, b, c in zip(of_kernel, of_plain, recorded, strict=True):
        if b is None:  # what does not reach the result that was used has a gradient of zero
            assert not a.numpy().any()
        else:
            close(a, b)
        close(c, b)

    def second(gradients, inputs):
        kept = [(g, d) for g, d in zip(gradients, directions, strict=True) if g is not None and g.requires_grad]
        return zth.autograd.grad([g for g, _ in kept], inputs, [d for _, d in kept], allow_unused=True)

    for a, b in zip(second(recorded, wx), second(of_plain, wy), strict=True):
        close(a, b, 1e-9)


@settings(max_examples=25, deadline=None)
@given(problems())
def test_float32_stays_and_inputs_are_not_written(problem):
    room, arrays, options = problem
    x = tensors([None if a is None else a.astype("f") for a in arrays])
    before = [None if t is None else t.detach().clone() for t in x]
    outs = results(room(*x, *options))
    sum(o.sum() for o in outs).backward(retain_graph=True)
    first = [None if t is None else t.grad.clone() for t in x]
    for t in x:
        if t is not None:
            t.grad = None
    sum(o.sum() for o in outs).backward()
    for t, old, g in zip(x, before, first, strict=True):
        if t is not None:
            assert t.grad.dtype == zth.float32 and zth.equal(t, old) and zth.equal(t.grad, g)
    assert all(o.dtype == zth.float32 for o in outs)


def test_a_result_written_over_is_noticed():
    x = tensors([np.ones((4, 2)), np.ones((2, 3)), np.ones((3, 2)), np.ones((3, 3)), None, None])
    out = rnn(*x, "tanh", Steps((2, 2)))
    out.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        out.sum().backward()


def test_dtypes_do_not_mix():
    x = tensors([np.ones((4, 2)), np.ones((2, 3), "f"), np.ones((3, 2)), np.ones((3, 3)), None, None])
    with pytest.raises(RuntimeError, match="same dtype"):
        rnn(*x, "tanh", Steps((2, 2)))


def test_no_graph_without_need():
    x = tensors([np.ones((4, 2)), np.ones((2, 3)), np.ones((3, 2)), np.ones((3, 3)), None, None])
    with zth.no_grad():
        assert not rnn(*x, "tanh", Steps((2, 2))).requires_grad
