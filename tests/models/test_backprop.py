"""Every gradient written by hand, held against autograd."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from models.backprop import (
    SPEC,
    BackpropConfig,
    BackpropMLP,
    ByHand,
    batch_norm_gradient,
    cmp,
    compare_all,
    cross_entropy_gradient,
    every_step,
    loss_and_gradients,
)
from models.shared.command_line import main
from models.shared.trainer import Trainer, TrainSettings

STEPS = [
    "logprobs", "probs", "counts_sum_inv", "counts_sum", "counts", "norm_logits", "logit_maxes", "logits", "h",
    "W2", "b2", "hpreact", "bngain", "bnbias", "bnraw", "bnvar_inv", "bnvar", "bndiff2", "bndiff", "bnmeani",
    "hprebn", "embcat", "W1", "b1", "emb", "C",
]  # fmt: skip


def parameters(seed: int = 0, **settings) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return dict(BackpropMLP(BackpropConfig(**settings)).double().named_parameters())


def examples(n: int = 32, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(27, (n, 3), generator=generator), torch.randint(27, (n,), generator=generator)


def test_every_intermediate_gradient_is_autograds_to_the_bit():
    found = {difference.name: difference for difference in compare_all(parameters(n_hidden=64), *examples())}
    assert list(found)[: len(STEPS)] == STEPS
    # All but C: its rows are summed in another order by the gradient of indexing.
    assert {name for name in STEPS if not found[name].exact} <= {"C"} and found["C"].largest < 1e-15
    formulas = [difference for name, difference in found.items() if name not in STEPS]
    assert len(formulas) == 9  # cross-entropy, batch normalisation, and training's seven
    assert all(difference.largest <= 1e-15 for difference in formulas)


@given(st.integers(2, 12), st.integers(1, 9), st.integers(0, 99))
def test_every_gradient_at_any_size(n, hidden, seed):
    x, y = examples(n, seed)
    for difference in compare_all(parameters(seed, n_hidden=hidden, n_embd=2), x, y):
        assert difference.approximate and difference.largest <= 1e-8, str(difference)


def test_cmp_sees_what_differs():
    t = torch.tensor([1.0, 2.0], requires_grad=True)
    (t * t).sum().backward()
    assert cmp("t", torch.tensor([2.0, 4.0]), t) == ("t", True, True, 0.0)
    near, far = cmp("t", torch.tensor([2.0, 4.000001]), t), cmp("t", torch.tensor([2.0, 5.0]), t)
    assert (near.exact, near.approximate) == (False, True) and 0 < near.largest < 1e-5
    assert (far.exact, far.approximate, far.largest) == (False, False, 1.0)
    assert "exact: False" in str(far)


def test_a_wrong_formula_would_be_seen():
    p = {name: t.detach().clone().requires_grad_() for name, t in parameters().items()}
    x, y = examples()
    t = every_step(p, x, y)
    for result in t.values():
        result.retain_grad()
    t["loss"].backward()
    biased = batch_norm_gradient(t["hpreact"].grad, t["bnraw"], t["bnvar_inv"], p["bngain"]) * 32 / 31
    assert not cmp("hprebn", biased.detach(), t["hprebn"]).approximate


def test_cross_entropy_in_one_formula():
    logits = torch.randn(6, 27, dtype=torch.float64, requires_grad=True)
    y = torch.randint(27, (6,))
    F.cross_entropy(logits, y).backward()
    by_hand = cross_entropy_gradient(logits.detach(), y)
    assert (by_hand - logits.grad).abs().max() < 1e-15
    assert by_hand.sum(1).abs().max() < 1e-15  # what pulls up equals what pushes down


def test_the_small_steps_and_the_fused_forward_are_one_loss():
    p, (x, y) = parameters(), examples()
    small = every_step(p, x, y)["loss"].item()
    fused, gradients, _, _ = loss_and_gradients(p, x, y)
    assert fused.item() == pytest.approx(small, abs=1e-14) and set(gradients) == set(p)
    model = BackpropMLP(BackpropConfig()).double()
    model.load_state_dict({**p, **dict(model.named_buffers())})
    assert model(x, y)[1].item() == pytest.approx(small, abs=1e-14)


def test_a_step_by_hand_is_a_step_by_autograd():
    corpus = SPEC.task.load(None)
    config = BackpropConfig(n_hidden=16)
    settings = TrainSettings(max_iters=5, batch_size=16, grad_accum=2, eval_iters=1)
    states = []
    for kind in (ByHand, Trainer):
        torch.manual_seed(4)
        trainer = kind(BackpropMLP(config).double(), corpus.batches(config, 16), settings)
        losses = [trainer.train_step()[0] for _ in range(5)]
        states.append((losses, dict(trainer.model.named_parameters()), trainer.model.running_mean))
    assert states[0][0] == pytest.approx(states[1][0], abs=1e-10)
    for name, p in states[0][1].items():
        if name != "b1":  # its gradient is zero but for rounding, and AdamW makes that a step
            torch.testing.assert_close(p, states[1][1][name], rtol=0, atol=1e-8)
    assert states[0][2].any() and not states[1][2].any()  # only training by hand keeps running statistics


def test_training_makes_no_graph():
    corpus = SPEC.task.load(None)
    config = BackpropConfig(n_hidden=8)
    trainer = ByHand(BackpropMLP(config), corpus.batches(config, 8), TrainSettings(batch_size=8))
    loss = trainer.gradients(trainer.data.batch("train", trainer.generator), 1.0)
    assert loss.grad_fn is None
    assert all(p.grad is not None and p.grad.grad_fn is None for p in trainer.model.parameters())


def test_it_learns_to_a_stated_loss(real_names, learn_by_hand):
    before, after = learn_by_hand(300)
    assert after < 2.38 < 3.2 < before


@pytest.fixture
def learn_by_hand():
    def learn(steps: int) -> tuple[float, float]:
        corpus = SPEC.task.load(None)
        config = BackpropConfig.from_dict({**SPEC.presets["large"].model, **corpus.sizes()})
        values = {**SPEC.presets["large"].train, "max_iters": steps, "lr": 1e-2, "warmup_iters": 20, "eval_iters": 5}
        torch.manual_seed(1337)
        trainer = ByHand(BackpropMLP(config), corpus.batches(config, 256), TrainSettings.from_dict(values))
        before = trainer.evaluate()
        for _ in range(steps):
            trainer.train_step()
        return before, trainer.evaluate()

    return learn


def test_training_begins_with_the_comparison(tmp_path, capsys):
    flags = ["--max-iters", "2", "--eval-iters", "1", "--n-hidden", "16", "--batch-size", "8"]
    assert main(SPEC, ["train", "--out", str(tmp_path), *flags]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "| exact:" in line]
    assert len(lines) == len(STEPS) + 9 and all("approximate: True" in line for line in lines)
