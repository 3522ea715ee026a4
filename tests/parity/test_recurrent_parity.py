"""RNN, LSTM, GRU and their cells against PyTorch: parameters drawn, values, states, gradients, errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_zth as zth

torch = pytest.importorskip("torch")

from .snippets import as_on_host  # noqa: E402

KINDS = ["RNN", "LSTM", "GRU"]


def pair(a):
    """The same values in both libraries."""
    return zth.tensor(a, requires_grad=a.dtype.kind == "f"), torch.tensor(a, requires_grad=a.dtype.kind == "f")


def agree(mine, theirs, tolerance=1e-10):
    assert tuple(mine.shape) == tuple(theirs.shape)
    assert str(mine.dtype) == str(theirs.dtype)
    np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


def flat(result):
    """All tensors of a result, however nested."""
    if isinstance(result, tuple | list):
        return [t for part in result for t in flat(part)]
    return [] if result is None else [result]


def layers(name, *arguments, **options):
    """The layer in both libraries, drawn from the same seed: all parameters and their names are equal."""
    made = []
    for lib in (zth, torch):
        lib.manual_seed(5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.append(getattr(lib.nn, name)(*arguments, **options))
    mine, theirs = made
    assert repr(mine) == repr(theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert np.array_equal(a.detach().numpy(), b.detach().numpy())
    return mine.double(), theirs.double()


def gradients_agree(mine, theirs, results, inputs):
    (a, b) = results
    sum((t * t).sum() + t.sum() for t in flat(a)).backward()
    sum((t * t).sum() + t.sum() for t in flat(b)).backward()
    for x, y in inputs:
        agree(x.grad, y.grad)
    for x, y in zip(mine.parameters(), theirs.parameters(), strict=True):
        agree(x.grad, y.grad)


@st.composite
def options(draw):
    name = draw(st.sampled_from(KINDS))
    hidden = draw(st.integers(2, 4))
    chosen = {
        "num_layers": draw(st.integers(1, 3)),
        "bias": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
        "bidirectional": draw(st.booleans()),
    }
    if name == "RNN":
        chosen["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if name == "LSTM" and draw(st.booleans()):
        chosen["proj_size"] = draw(st.integers(1, hidden - 1))
    if chosen["num_layers"] > 1 and draw(st.booleans()):
        chosen["dropout"] = draw(st.sampled_from([0.2, 0.9, 1.0]))
    return name, draw(st.integers(1, 3)), hidden, chosen


def states_for(rng, name, hidden, chosen, batch):
    number = chosen["num_layers"] * (2 if chosen["bidirectional"] else 1)
    sizes = [chosen.get("proj_size", hidden), hidden] if name == "LSTM" else [hidden]
    pairs = [pair(rng.standard_normal((number, *batch, n))) for n in sizes]
    if name == "LSTM":
        return pairs, tuple(a for a, _ in pairs), tuple(b for _, b in pairs)
    return pairs, *pairs[0]


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@settings(max_examples=60, deadline=None)
@given(options(), st.integers(0, 3), st.integers(1, 4), st.booleans(), st.booleans())
def test_layers(drawn, batch, length, with_state, training):
    name, inputs, hidden, chosen = drawn
    mine, theirs = layers(name, inputs, hidden, **chosen)
    rng = np.random.default_rng(length)
    batch = () if batch == 0 else (batch,)  # none: unbatched input
    shape = (*batch, length, inputs) if chosen["batch_first"] else (length, *batch, inputs)
    x = pair(rng.standard_normal(shape))
    pairs, results = [x], []
    states = (None, None)
    if with_state:
        more, *states = states_for(rng, name, hidden, chosen, batch)
        pairs += more
    for lib, module, data, state in zip((zth, torch), (mine, theirs), x, states, strict=True):
        module.train(training)
        lib.manual_seed(1)
        results.append(module(data, state))
    for a, b in zip(flat(results[0]), flat(results[1]), strict=True):
        agree(a, b)
    gradients_agree(mine, theirs, results, pairs)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@settings(max_examples=40, deadline=None)
@given(options(), st.lists(st.integers(1, 4), min_size=1, max_size=4), st.booleans(), st.booleans())
def test_packed_sequences(drawn, lengths, with_state, padding_first):
    name, inputs, hidden, chosen = drawn
    chosen["batch_first"] = False
    mine, theirs = layers(name, inputs, hidden, **chosen)
    rng = np.random.default_rng(len(lengths))
    longest, batch = max(lengths), len(lengths)
    x = pair(rng.standard_normal((batch, longest, inputs) if padding_first else (longest, batch, inputs)))
    pairs, states, results = [x], (None, None), []
    if with_state:
        more, *states = states_for(rng, name, hidden, chosen, (batch,))
        pairs += more
    for lib, module, data, state in zip((zth, torch), (mine, theirs), x, states, strict=True):
        packed = lib.nn.utils.rnn.pack_padded_sequence(data, lengths, padding_first, enforce_sorted=False)
        lib.manual_seed(1)
        out, last = module(packed, state)
        padded, counts = lib.nn.utils.rnn.pad_packed_sequence(out, padding_first, -1.5, longest + 1)
        results.append((padded, last))
        assert counts.tolist() == lengths
    for a, b in zip(flat(results[0]), flat(results[1]), strict=True):
        agree(a, b)
    gradients_agree(mine, theirs, results, pairs)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["RNNCell", "LSTMCell", "GRUCell"]), st.booleans(), st.booleans(), st.integers(0, 3),
    st.sampled_from(["tanh", "relu"]),
)  # fmt: skip
def test_cells(name, bias, with_state, batch, nonlinearity):
    more = {"nonlinearity": nonlinearity} if name == "RNNCell" else {}
    mine, theirs = layers(name, 3, 4, bias=bias, **more)
    rng = np.random.default_rng(batch)
    batch = () if batch == 0 else (batch,)
    x = pair(rng.standard_normal((*batch, 3)))
    h, c = pair(rng.standard_normal((*batch, 4))), pair(rng.standard_normal((*batch, 4)))
    states = (None, None)
    pairs = [x]
    if with_state:
        states = list(zip(h, c, strict=True)) if name == "LSTMCell" else h
        pairs += [h, c] if name == "LSTMCell" else [h]
    results = [mine(x[0], states[0]), theirs(x[1], states[1])]
    for a, b in zip(flat(results[0]), flat(results[1]), strict=True):
        agree(a, b)
    gradients_agree(mine, theirs, results, pairs)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4), st.booleans(), st.sampled_from(["left", "right"]),
    st.sampled_from(["float32", "int64"]), st.integers(0, 2),
)  # fmt: skip
def test_padding(lengths, first, side, dtype, extra):
    arrays = [np.arange(n * 2**extra).reshape(n, *(2,) * extra).astype(dtype) for n in lengths]
    rnn, their_rnn = zth.nn.utils.rnn, torch.nn.utils.rnn
    mine, theirs = [pair(a)[0] for a in arrays], [pair(a)[1] for a in arrays]
    a, b = rnn.pad_sequence(mine, first, 7, side), their_rnn.pad_sequence(theirs, first, 7, side)
    agree(a, b)
    if dtype == "float32":
        (a * a).sum().backward()
        (b * b).sum().backward()
        for x, y in zip(mine, theirs, strict=True):
            agree(x.grad, y.grad)
    if side == "right":
        counts = zth.tensor(lengths)
        for part, whole in zip(rnn.unpad_sequence(a, counts, first), arrays, strict=True):
            assert np.array_equal(part.detach().numpy(), whole)
    if min(lengths) > 0:
        a, b = rnn.pack_sequence(mine, False), their_rnn.pack_sequence(theirs, False)
        for x, y in zip(a, b, strict=True):
            agree(x, y)
        for part, whole in zip(rnn.unpack_sequence(a), arrays, strict=True):
            assert np.array_equal(part.detach().numpy(), whole)


BAD = {
    "hidden size": lambda t: t.nn.LSTM(2, 0),
    "float size": lambda t: t.nn.GRU(2.0, 3),
    "layers": lambda t: t.nn.RNN(2, 3, 0),
    "bias": lambda t: t.nn.LSTM(2, 3, 1, 1),
    "batch_first": lambda t: t.nn.LSTM(2, 3, batch_first=1),
    "dropout": lambda t: t.nn.LSTM(2, 3, dropout=1.5),
    "dropout is bool": lambda t: t.nn.LSTM(2, 3, dropout=True),
    "projection": lambda t: t.nn.LSTM(2, 3, proj_size=3),
    "negative projection": lambda t: t.nn.LSTM(2, 3, proj_size=-1),
    "projected rnn": lambda t: t.nn.RNN(2, 3, proj_size=1),
    "projected gru": lambda t: t.nn.GRU(2, 3, proj_size=1),
    "nonlinearity": lambda t: t.nn.RNN(2, 3, nonlinearity="sine"),
    "one dimension": lambda t: t.nn.LSTM(2, 3)(t.zeros(2)),
    "four dimensions": lambda t: t.nn.GRU(2, 3)(t.zeros(1, 1, 1, 2)),
    "input size": lambda t: t.nn.RNN(2, 3)(t.zeros(4, 1, 3)),
    "no steps": lambda t: t.nn.LSTM(2, 3)(t.zeros(0, 1, 2)),
    "input dtype": lambda t: t.nn.LSTM(2, 3)(t.zeros(4, 1, 2, dtype=t.float64)),
    "state dtype": lambda t: t.nn.GRU(2, 3)(t.zeros(4, 1, 2), t.zeros(1, 1, 3, dtype=t.float64)),
    "state size": lambda t: t.nn.GRU(2, 3)(t.zeros(4, 1, 2), t.zeros(1, 1, 4)),
    "state dimensions": lambda t: t.nn.GRU(2, 3)(t.zeros(4, 1, 2), t.zeros(1, 3)),
    "unbatched state": lambda t: t.nn.RNN(2, 3)(t.zeros(4, 2), t.zeros(1, 1, 3)),
    "cell state size": lambda t: t.nn.LSTM(2, 3)(t.zeros(4, 1, 2), (t.zeros(1, 1, 3), t.zeros(1, 2, 3))),
    "cell state dimensions": lambda t: t.nn.LSTM(2, 3)(t.zeros(4, 1, 2), (t.zeros(1, 3), t.zeros(1, 3))),
    "cell's input": lambda t: t.nn.LSTMCell(2, 3)(t.zeros(4, 3)),
    "cell's dimensions": lambda t: t.nn.LSTMCell(2, 3)(t.zeros(4, 3, 2)),
    "cell's batch": lambda t: t.nn.GRUCell(2, 3)(t.zeros(4, 2), t.zeros(5, 3)),
    "cell's state": lambda t: t.nn.RNNCell(2, 3)(t.zeros(4, 2), t.zeros(4, 2)),
    "cell's state dimensions": lambda t: t.nn.RNNCell(2, 3)(t.zeros(4, 2), t.zeros(1, 4, 3)),
    "cell's c": lambda t: t.nn.LSTMCell(2, 3)(t.zeros(4, 2), (t.zeros(4, 3), t.zeros(5, 3))),
    "cell's nonlinearity": lambda t: t.nn.RNNCell(2, 3, nonlinearity="sine")(t.zeros(4, 2)),
    "few lengths": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(4, 3, 2), [4, 3]),
    "unsorted": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(4, 3, 2), [2, 3, 4]),
    "no length": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(4, 3, 2), [4, 3, 0]),
    "matrix of lengths": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(4, 3, 2), t.tensor([[4, 3, 1]])),
    "nothing to pack": lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(0, 3, 2), [1, 1, 1]),
    "nothing to pad": lambda t: t.nn.utils.rnn.pad_sequence([]),
    "unequal sizes": lambda t: t.nn.utils.rnn.pad_sequence([t.zeros(2, 3), t.zeros(2, 2)]),
    "side": lambda t: t.nn.utils.rnn.pad_sequence([t.zeros(2)], padding_side="up"),
    "no sequences": lambda t: t.nn.utils.rnn.pad_sequence(3),
    "total length": lambda t: t.nn.utils.rnn.pad_packed_sequence(t.nn.utils.rnn.pack_sequence([t.zeros(2)]), total_length=1),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    with pytest.raises(Exception) as theirs:
        BAD[case](torch)
    with pytest.raises(type(theirs.value)):
        BAD[case](zth)


@pytest.mark.parametrize("name", KINDS)
def test_an_empty_batch(name):
    mine, theirs = layers(name, 2, 3, num_layers=2)
    x = pair(np.zeros((4, 0, 2)))
    results = [mine(x[0]), theirs(x[1])]
    for a, b in zip(flat(results[0]), flat(results[1]), strict=True):
        agree(a, b)
    gradients_agree(mine, theirs, results, [x])


def test_dropout_of_one_layer_warns():
    for lib in (zth, torch):
        with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
            lib.nn.LSTM(2, 3, dropout=0.5)


def test_packed_sequence_converts():
    packed = zth.nn.utils.rnn.pack_sequence([zth.ones(2), zth.ones(1)])
    assert packed.double().data.dtype == zth.float64 and packed.to(zth.float32) is packed
    assert as_on_host(repr(packed)) == repr(torch.nn.utils.rnn.pack_sequence([torch.ones(2), torch.ones(1)]))
