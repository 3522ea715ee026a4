"""Multi-head attention and the Transformer against PyTorch: drawn arguments, values, weights, gradients."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_zth as zth

torch = pytest.importorskip("torch")

# PyTorch's own remarks on its nested tensors and on masks of two dtypes; that ours warns where it does is
# tested by itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:enable_nested_tensor is True"),
    pytest.mark.filterwarnings("ignore:Support for mismatched"),
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors"),
]


def pair(a, grad=True):
    """The same values in both libraries."""
    grad = grad and a.dtype.kind == "f"
    return zth.tensor(a, requires_grad=grad), torch.tensor(a, requires_grad=grad)


def agree(mine, theirs, tolerance=1e-9):
    assert tuple(mine.shape) == tuple(theirs.shape)
    assert str(mine.dtype) == str(theirs.dtype)
    np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


def modules(name, *arguments, **options):
    """The module in both libraries, drawn from the same seed: names and values are equal."""
    mine, theirs = [], []
    for lib, made in ((zth, mine), (torch, theirs)):
        lib.manual_seed(5)
        made.append(getattr(lib.nn, name)(*arguments, **options))
    (mine,), (theirs,) = mine, theirs
    assert repr(mine) == repr(theirs)
    state, their_state = mine.state_dict(), theirs.state_dict()
    assert list(state) == list(their_state)
    for key, value in state.items():
        assert np.array_equal(value.numpy(), their_state[key].numpy()), key
    return mine.double(), theirs.double()


def compare(mine, theirs, call, inputs, training=True):
    """``call(lib, module, inputs)`` gives the same in both, and the same gradients of everything."""
    outs = []
    for i, (lib, module) in enumerate(((zth, mine), (torch, theirs))):
        module.train(training)
        lib.manual_seed(3)
        outs.append(call(lib, module, [p[i] for p in inputs]))
    results = [[o for o in (out if isinstance(out, tuple) else (out,)) if o is not None] for out in outs]
    assert len(results[0]) == len(results[1])
    for a, b in zip(*results, strict=True):
        agree(a, b)
    for r in results:
        sum((t * t).sum() + t.sum() for t in r).backward()
    for x, y in inputs:
        if y.requires_grad:
            agree(x.grad, y.grad)
    for (name, x), y in zip(mine.named_parameters(), theirs.parameters(), strict=True):
        assert (x.grad is None) == (y.grad is None), name
        if y.grad is not None:
            agree(x.grad, y.grad)


@st.composite
def attentions(draw):
    heads = draw(st.integers(1, 3))
    dim = heads * draw(st.integers(1, 3))
    options = {
        "dropout": draw(st.sampled_from([0.0, 0.0, 0.4])),
        "bias": draw(st.booleans()),
        "add_bias_kv": draw(st.booleans()),
        "add_zero_attn": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
    }
    which = draw(st.sampled_from(["self", "memory", "all", "kdim"]))
    if which == "kdim":
        options |= {"kdim": draw(st.integers(1, 4)), "vdim": draw(st.integers(1, 4))}
    return dim, heads, which, options


@settings(max_examples=60, deadline=None)
@given(
    attentions(), st.integers(0, 2), st.integers(1, 4), st.integers(1, 4), st.booleans(), st.booleans(), st.booleans(),
    st.sampled_from([None, "bool", "float", "by head", "causal", "causal by hint"]),
    st.sampled_from([None, "bool", "float"]), st.integers(0, 2**16),
)  # fmt: skip
def test_multihead_attention(drawn, batch, length, keys, need, average, training, masking, padding, seed):
    dim, heads, which, options = drawn
    rng = np.random.default_rng(seed)
    keys = length if which == "self" or (masking or "").startswith("causal") else keys
    mine, theirs = modules("MultiheadAttention", dim, heads, **options)

    def sequence(n, width):
        shape = (batch, n, width) if options["batch_first"] and batch else (n, batch, width) if batch else (n, width)
        return pair(rng.standard_normal(shape))

    q = sequence(length, dim)
    if which == "self":
        inputs = [q]
    elif which == "memory":
        inputs = [q, sequence(keys, dim)]
    else:
        inputs = [q, sequence(keys, theirs.kdim), sequence(keys, theirs.vdim)]
    arguments = {"need_weights": need, "average_attn_weights": average}
    masks = {}
    if masking == "bool":  # the first key is always to be seen: a row without any is NaN in both, by design
        masks["attn_mask"] = rng.random((length, keys)) < 0.4
        masks["attn_mask"][:, 0] = False
    elif masking == "float":
        masks["attn_mask"] = rng.standard_normal((length, keys))
    elif masking == "by head":
        masks["attn_mask"] = rng.standard_normal((max(batch, 1) * heads, length, keys))
    elif masking is not None:
        masks["attn_mask"] = np.triu(np.ones((length, keys), bool), 1)
        arguments["is_causal"] = masking == "causal by hint"
    if padding is not None:
        shape = (batch, keys) if batch else (keys,)
        masks["key_padding_mask"] = rng.random(shape) < 0.4 if padding == "bool" else rng.standard_normal(shape)
        if padding == "bool":
            masks["key_padding_mask"][..., 0] = False

    def call(lib, module, given):
        q, k, v = (given * 3)[:3] if len(given) == 1 else (*given, given[-1])[:3]
        return module(q, k, v, **{n: lib.tensor(m) for n, m in masks.items()}, **arguments)

    compare(mine, theirs, call, inputs, training)


@pytest.mark.parametrize("need", [True, False])
def test_rows_that_see_nothing(need):
    """NaN where the weights are wanted, zero through scaled_dot_product_attention, as PyTorch has it."""
    mine, theirs = modules("MultiheadAttention", 4, 2)
    x, y = pair(np.random.default_rng(0).standard_normal((3, 2, 4)))
    hidden = np.array([[True] * 3, [False, False, True]])
    a = mine(x, x, x, key_padding_mask=zth.tensor(hidden), need_weights=need)[0]
    b = theirs(y, y, y, key_padding_mask=torch.tensor(hidden), need_weights=need)[0]
    agree(a, b)
    assert np.isnan(b.detach().numpy()).any() == need


def test_static_keys_and_values():
    rng = np.random.default_rng(1)
    mine, theirs = modules("MultiheadAttention", 4, 2)
    x, k, v = (
        pair(rng.standard_normal((3, 2, 4))),
        pair(rng.standard_normal((4, 5, 2))),
        pair(rng.standard_normal((4, 5, 2))),
    )

    def call(lib, m, given):
        x, k, v = given
        return lib.nn.functional.multi_head_attention_forward(
            x, x, x, 4, 2, m.in_proj_weight, m.in_proj_bias, None, None, False, 0.0, m.out_proj.weight, m.out_proj.bias,
            static_k=k, static_v=v,
        )  # fmt: skip

    compare(mine, theirs, call, [x, k, v])


@st.composite
def layer_options(draw):
    return {
        "dim_feedforward": draw(st.integers(1, 6)),
        "dropout": draw(st.sampled_from([0.0, 0.3])),
        "activation": draw(st.sampled_from(["relu", "gelu"])),
        "batch_first": draw(st.booleans()),
        "norm_first": draw(st.booleans()),
        "bias": draw(st.booleans()),
        "layer_norm_eps": 1e-3,
    }


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["TransformerEncoderLayer", "TransformerDecoderLayer"]), layer_options(), st.integers(0, 3),
    st.sampled_from([None, "bool", "float"]), st.booleans(), st.booleans(),
)  # fmt: skip
def test_layers(name, options, batch, masking, padding, training):
    mine, theirs = modules(name, 4, 2, **options)
    rng = np.random.default_rng(batch)

    def sequence(n):
        return pair(
            rng.standard_normal((n, 4) if not batch else (batch, n, 4) if options["batch_first"] else (n, batch, 4))
        )

    decoder = name == "TransformerDecoderLayer"
    inputs = [sequence(3), sequence(5)] if decoder else [sequence(3)]
    mask = np.triu(np.ones((3, 3), bool), 1) if masking == "bool" else rng.standard_normal((3, 3))
    hidden = np.zeros((batch, 3) if batch else (3,), bool)
    hidden[..., 2] = True

    def call(lib, module, given):
        extra = {}
        which = "tgt" if decoder else "src"
        if masking:
            extra[f"{which}_mask"] = lib.tensor(mask)
        if padding:
            extra[f"{which}_key_padding_mask"] = lib.tensor(hidden)
        return module(*given, **extra)

    compare(mine, theirs, call, inputs, training)


@settings(max_examples=8, deadline=None)
@given(layer_options(), st.integers(0, 2), st.booleans(), st.booleans())
def test_transformer(options, batch, causal, training):
    mine, theirs = modules("Transformer", 4, 2, 2, 1, **options)
    rng = np.random.default_rng(batch)
    first = options["batch_first"]
    src, tgt = (
        pair(rng.standard_normal((n, 4) if not batch else (batch, n, 4) if first else (n, batch, 4))) for n in (3, 4)
    )

    def call(lib, module, given):
        mask = module.generate_square_subsequent_mask(4, dtype=lib.float64) if causal else None
        return module(*given, tgt_mask=mask)

    compare(mine, theirs, call, [src, tgt], training)


@settings(max_examples=12, deadline=None)
@given(st.booleans(), st.booleans(), st.booleans(), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.booleans())
def test_encoder_in_evaluation(batch_first, norm_first, right, lengths, wanted):
    """With padding on the right, no gradients and a layer of the plain kind, padded places are zero."""
    made = []
    for lib in (zth, torch):
        lib.manual_seed(2)
        layer = lib.nn.TransformerEncoderLayer(4, 2, 8, batch_first=batch_first, norm_first=norm_first)
        made.append(lib.nn.TransformerEncoder(layer, 2, lib.nn.LayerNorm(4)).eval())
        assert not any(p.grad is not None for p in made[-1].parameters())
    longest = max(lengths)
    hidden = np.array([[i >= n for i in range(longest)] for n in lengths])
    if not right:
        hidden = hidden[:, ::-1].copy()
    shape = (len(lengths), longest, 4) if batch_first else (longest, len(lengths), 4)
    x = np.random.default_rng(0).standard_normal(shape).astype("f")
    outs = []
    for lib, module in zip((zth, torch), made, strict=True):
        with lib.set_grad_enabled(wanted):
            outs.append(module(lib.tensor(x), src_key_padding_mask=lib.tensor(hidden)).detach().numpy())
    np.testing.assert_allclose(*outs, rtol=1e-4, atol=1e-5)


def test_masks():
    for size in (0, 1, 3):
        agree(
            zth.nn.Transformer.generate_square_subsequent_mask(size),
            torch.nn.Transformer.generate_square_subsequent_mask(size),
        )


def attend(t, *shapes, **options):
    return t.nn.MultiheadAttention(4, 2)(*[t.zeros(s) for s in shapes], **options)


BAD = {
    "no width": lambda t: t.nn.MultiheadAttention(0, 1),
    "no heads": lambda t: t.nn.MultiheadAttention(4, 0),
    "heads do not divide": lambda t: t.nn.MultiheadAttention(4, 3),
    "one dimension": lambda t: attend(t, (4,), (4,), (4,)),
    "key dimensions": lambda t: attend(t, (3, 1, 4), (3, 4), (3, 4)),
    "unbatched key": lambda t: attend(t, (3, 4), (3, 1, 4), (3, 1, 4)),
    "width": lambda t: attend(t, (3, 1, 5), (3, 1, 5), (3, 1, 5)),
    "value length": lambda t: attend(t, (3, 1, 4), (3, 1, 4), (2, 1, 4)),
    "mask shape": lambda t: attend(t, (3, 1, 4), (3, 1, 4), (3, 1, 4), attn_mask=t.zeros(3, 2)),
    "mask by head": lambda t: attend(t, (3, 1, 4), (3, 1, 4), (3, 1, 4), attn_mask=t.zeros(3, 3, 3)),
    "unbatched mask by head": lambda t: attend(t, (3, 4), (3, 4), (3, 4), attn_mask=t.zeros(3, 3, 3)),
    "mask dimensions": lambda t: attend(t, (3, 1, 4), (3, 1, 4), (3, 1, 4), attn_mask=t.zeros(3)),
    "mask dtype": lambda t: attend(t, (3, 1, 4), (3, 1, 4), (3, 1, 4), attn_mask=t.zeros(3, 3, dtype=t.int64)),
    "padding shape": lambda t: attend(t, (3, 1, 4), (3, 1, 4), (3, 1, 4), key_padding_mask=t.zeros(1, 4)),
    "padding dimensions": lambda t: attend(t, (3, 1, 4), (3, 1, 4), (3, 1, 4), key_padding_mask=t.zeros(3)),
    "causal without mask": lambda t: attend(t, (3, 1, 4), (3, 1, 4), (3, 1, 4), is_causal=True),
    "activation": lambda t: t.nn.TransformerEncoderLayer(4, 2, activation="sine"),
    "batches": lambda t: t.nn.Transformer(4, 2, 1, 1)(t.zeros(3, 1, 4), t.zeros(3, 2, 4)),
    "features": lambda t: t.nn.Transformer(4, 2, 1, 1)(t.zeros(3, 1, 5), t.zeros(3, 1, 5)),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    with pytest.raises(Exception) as theirs:
        BAD[case](torch)
    with pytest.raises(type(theirs.value)):
        BAD[case](zth)


def test_warnings():
    for lib in (zth, torch):
        for options in ({}, {"batch_first": True, "norm_first": True}, {"batch_first": True, "bias": False}):
            with pytest.warns(UserWarning, match="enable_nested_tensor is True"):
                lib.nn.TransformerEncoder(lib.nn.TransformerEncoderLayer(4, 2, **options), 1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            lib.nn.TransformerEncoder(lib.nn.TransformerEncoderLayer(4, 2, batch_first=True), 1)
        x = lib.zeros(2, 1, 4)
        with pytest.warns(UserWarning, match="mismatched key_padding_mask and attn_mask"):
            lib.nn.MultiheadAttention(4, 2)(
                x, x, x, attn_mask=lib.zeros(2, 2), key_padding_mask=lib.zeros(1, 2, dtype=lib.bool)
            )
