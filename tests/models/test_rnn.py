"""Recurrent networks: the cells against nn's, the truncated gradient, vanishing and clipping."""

from __future__ import annotations

import math

import pytest

import tinygrad_zth as torch
from models.rnn import CELLS, FUSED, RNN, SPEC, Fused, RNNConfig, Unrolled, gradient_by_distance, main
from tinygrad_zth import nn
from tinygrad_zth.testing import assert_close

KINDS = ("rnn", "gru", "lstm")


def pair(kind: str, dtype=torch.float64) -> tuple[Unrolled, Fused]:
    """A cell written out and the fused layer, with the same weights."""
    own, fused = Unrolled(CELLS[kind](5, 7)).to(dtype), Fused(kind, 5, 7).to(dtype)
    fused.layer.load_state_dict({f"{name}_l0": p for name, p in own.cell.state_dict().items()})
    return own, fused


@pytest.mark.parametrize("kind", KINDS)
def test_the_cells_equal_the_fused_layers(kind):
    own, fused = pair(kind)
    x = torch.randn(3, 9, 5, dtype=torch.float64)
    first = tuple(torch.randn(3, 7, dtype=torch.float64) for _ in range(own.cell.states))
    results = []
    for layer in (own, fused):
        inputs = [t.clone().requires_grad_() for t in (x, *first)]
        outputs, last = layer(inputs[0], tuple(inputs[1:]))
        assert outputs.shape == (3, 9, 7) and len(last) == own.cell.states
        loss = (outputs * torch.arange(7.0)).sum() + sum((s**2).sum() for s in last)
        weights = list(layer.parameters())
        results.append([outputs, *last, *torch.autograd.grad(loss, [*inputs, *weights])])
    for a, b in zip(*results):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_the_cells_equal_nns_cells(kind):
    own = CELLS[kind](5, 7)
    cell = getattr(nn, FUSED[kind] + "Cell")(5, 7)
    cell.load_state_dict(own.state_dict())  # the names and shapes are the same
    x, state = torch.randn(3, 5), tuple(torch.randn(3, 7) for _ in range(own.states))
    theirs = cell(x, state if kind == "lstm" else state[0])
    for a, b in zip(own(x, state), theirs if kind == "lstm" else (theirs,)):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_model_runs_both_ways_and_sees_no_later_input(kind, fused):
    model = RNN(RNNConfig(cell=kind, n_embd=6, n_hidden=8, fused=fused))
    x, y = torch.randint(27, (4, 10)), torch.randint(27, (4, 10))
    logits, loss = model(x, y)
    assert logits.shape == (4, 10, 27) and math.isfinite(loss.item())
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    other = x.clone()
    other[:, 6:] = (x[:, 6:] + 1) % 27
    torch.testing.assert_close(model(other)[0][:, :6], logits[:, :6], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_truncation_changes_gradients_and_nothing_else(kind):
    torch.manual_seed(3)
    whole = RNN(RNNConfig(cell=kind, n_embd=6, n_hidden=8)).double()
    cut = RNN(RNNConfig(cell=kind, n_embd=6, n_hidden=8, truncate=4)).double()
    cut.load_state_dict(whole.state_dict())
    x, y = torch.randint(27, (2, 10)), torch.randint(27, (2, 10))
    (a, la), (b, lb) = whole(x, y), cut(x, y)
    torch.testing.assert_close(a, b)
    la.backward(), lb.backward()
    assert not torch.allclose(whole.layer.cell.weight_hh.grad, cut.layer.cell.weight_hh.grad)
    # A whole sequence in one piece is no truncation.
    long = RNN(RNNConfig(cell=kind, n_embd=6, n_hidden=8, truncate=10)).double()
    long.load_state_dict(whole.state_dict())
    long(x, y)[1].backward()
    for p, q in zip(whole.parameters(), long.parameters()):
        torch.testing.assert_close(p.grad, q.grad)


def test_no_gradient_reaches_back_over_a_cut():
    model = RNN(RNNConfig(cell="rnn", n_embd=6, n_hidden=8, truncate=4))
    h = model.embed(torch.randint(27, (2, 11))).detach().requires_grad_()
    outputs, _ = model.run(h, model.first_state(2))
    (g,) = torch.autograd.grad(outputs[:, 9].sum(), h)  # in the third piece: positions 8, 9, 10
    reached = g.abs().sum((0, 2)) > 0
    assert reached.tolist() == [False] * 8 + [True, True, False]


def test_gradients_vanish_in_a_vanilla_network_and_not_behind_an_open_gate():
    torch.manual_seed(0)
    x = torch.randint(27, (8, 60))
    vanilla = RNN(RNNConfig(cell="rnn"))
    norms = gradient_by_distance(vanilla, x)
    assert len(norms) == 60
    assert norms[40] < 1e-6 * norms[0]
    # An LSTM whose forget gates begin open (bias 3, as Gers et al. 2000 and Jozefowicz et al. 2015 advise).
    gated = RNN(RNNConfig(cell="lstm"))
    with torch.no_grad():
        H = gated.config.n_hidden
        gated.layer.cell.bias_ih[H : 2 * H] = 3.0
    norms = gradient_by_distance(gated, x)
    assert norms[40] > 1e-2 * norms[0]


def test_gradients_explode_and_clipping_bounds_them():
    model = RNN(RNNConfig(cell="rnn", n_hidden=32))
    with torch.no_grad():
        nn.init.orthogonal_(model.layer.cell.weight_hh)
        model.layer.cell.weight_hh *= 3.0
        model.embed.weight *= 0.0  # near zero tanh is the identity: each step multiplies by 3
        model.layer.cell.bias_ih.zero_(), model.layer.cell.bias_hh.zero_()
    x = torch.zeros(1, 12, dtype=torch.int64)
    norms = gradient_by_distance(model, x)
    assert norms[11] == pytest.approx(norms[0] * 3.0**11, rel=0.5)
    outputs, _ = model.run(model.embed(x), model.first_state(1))
    outputs[:, -1].sum().backward()
    before = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    after = math.sqrt(sum((p.grad**2).sum().item() for p in model.parameters() if p.grad is not None))
    assert before > 1e4 and after == pytest.approx(1.0, rel=1e-3)


def test_a_training_draws_it(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    names = tmp_path / "names.txt"
    names.write_text("\n".join(["anna", "otto", "emma", "ada", "bob"] * 8))
    command = ["train", "--data", str(names), "--out", str(tmp_path / "run"), "--max-iters", "2", "--batch-size", "4"]
    assert main(SPEC, [*command, "--n-hidden", "8", "--eval-iters", "1", "--quiet"]) == 0
    assert (tmp_path / "run" / "vanishing.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_is_all_there_is_to_keep(kind):
    """Written character by character, with the state carried on: the logits of the whole text each time."""
    model = RNN(RNNConfig(cell=kind, n_embd=6, n_hidden=8)).eval()
    x = torch.randint(27, (2, 9))
    kept, anew = model.continuation(), model.continuation(use_cache=False)
    for t in range(1, 10):
        whole = model(x[:, :t])[0][:, -1]
        assert_close(kept(x[:, :t]), whole, rtol=1e-5, atol=1e-6)
        assert_close(anew(x[:, :t]), whole, rtol=1e-5, atol=1e-6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="cell: expected one of rnn, gru, lstm"):
        RNNConfig(cell="qrnn")
    with pytest.raises(ValueError, match=r"got \(3, 0\)"):
        RNN(RNNConfig())(torch.zeros(3, 0, dtype=torch.int64))
