"""What the pictures and checks do with what is seldom: large tables, other layers, models that cannot be checked."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tests.viz.small_models import Heads, Tagger, batch
from tinygrad_zth import nn, viz
from tinygrad_zth.viz import formulas

pytest.importorskip("matplotlib", reason="pictures need matplotlib (extra: plot)")


def texts(figure) -> list[str]:
    return [t.get_text() for ax in figure.axes for t in ax.texts]


# ---- pictures -------------------------------------------------------------------------------------


def test_a_model_is_asked_for_its_classes_in_evaluation_mode():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 3, bias=False))
    with torch.no_grad():
        model[1].weight.copy_(torch.eye(3))
    x = torch.eye(3)[torch.tensor([0, 1, 2, 0])]
    figure = viz.confusion(model, torch.tensor([0, 1, 2, 1]), inputs=x)
    assert "75.0 % of 4" in figure.axes[0].get_title(loc="left") and model.training and model[0].training
    viz.confusion(model, torch.tensor([0, 1, 2, 1]), inputs=(x,))
    with pytest.raises(ValueError, match="give inputs="):
        viz.confusion(model, torch.tensor([0]))
    with pytest.raises(ValueError, match="got a negative one"):
        viz.confusion(torch.tensor([-1]), torch.tensor([0]))


def test_many_classes_have_no_numbers_in_their_cells():
    right = torch.arange(50)
    assert not texts(viz.confusion(right, right)) and len(texts(viz.confusion(right[:9], right[:9]))) == 9


def test_samples_beside_their_targets_are_marked_where_they_differ_and_thinned():
    rows = {"input": ["a"] * 40, "predicted": list(range(40)), "target": [0, *range(1, 39), 7]}
    shown = texts(viz.samples(rows, most=5))
    assert shown.count("x") == 1 and shown.count("a") == 5 and "39" in shown
    with pytest.raises(ValueError, match="not of equal length"):
        viz.samples({"a": [1], "b": [1, 2]})


@pytest.mark.host  # the stand-in composes attention of primitives
def test_a_named_layer_of_attention_and_a_named_embedding():
    torch.manual_seed(0)
    model, x = nn.Sequential(Heads(heads=2), nn.Flatten(2)), torch.randint(0, 7, (2, 4))
    assert len(viz.attention(model, x, layer=0).axes) == 2
    with pytest.raises(ValueError, match="no layer 3: there are 1"):
        viz.attention(model, x, layer=3)
    with pytest.raises(ValueError, match="no embedding or parameter 'nothing'"):
        viz.embedding(Tagger(), name="nothing")
    points = viz.embedding(np.arange(400.0).reshape(200, 2) % 7)
    assert not texts(points)  # too many for labels
    assert not texts(viz.bigrams(np.eye(70, dtype=int))) and texts(viz.bigrams(np.eye(3, dtype=int)))


def test_parameters_by_name_and_what_never_moved():
    torch.manual_seed(0)
    model, data = Tagger(), batch()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    with viz.record(model, layers=["layers.1"], every=1) as recording:
        model(*data)[1].backward()
        optimiser.step()
    assert list(recording.at().layers) == ["layers.1"]
    figure = viz.update_ratios(recording, parameters=["head.bias"])
    assert [line.get_label() for line in figure.axes[0].lines][0] == "head.bias"
    with pytest.raises(ValueError, match="there is no 'nothing'"):
        viz.update_ratios(recording, parameters=["nothing"])
    with pytest.raises(ValueError, match="no layer 'nothing'"), viz.record(model, layers=["nothing"]):
        pass


# ---- checks ---------------------------------------------------------------------------------------


def verdict(name: str, model, data, **options):
    torch.manual_seed(0)
    return {v.name: v for v in viz.check(model, data, **options)}[name]


class Constant(nn.Module):
    """Its answer is a given tensor, whatever it is asked."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer


def test_a_loss_that_is_no_number_fails_at_once():
    model = nn.Linear(2, 3)
    with torch.no_grad():
        model.weight.fill_(math.inf)
    found = viz.initial_loss(model, (torch.ones(4, 2), torch.zeros(4, dtype=torch.int64)), loss=F.cross_entropy)
    assert found.passed is False and "the loss is" in found.why


def test_a_model_without_parameters_is_not_trained():
    data = (torch.ones(4, 2), torch.zeros(4, dtype=torch.int64))
    for check in (viz.overfit_one_batch, viz.input_dependence, viz.gradient_flow):
        found = check(Constant(torch.zeros(4, 3)), data, loss=F.cross_entropy)
        assert found.passed is None and "no parameter requires a gradient" in found.why


def test_inputs_that_are_zero_say_nothing():
    found = viz.input_dependence(
        nn.Linear(2, 3), (torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64)), loss=F.cross_entropy
    )
    assert found.passed is None and "all zero" in found.why


def test_a_model_of_pairs_is_told_from_one_that_cannot_learn():
    """Of a sequence whose next token hangs on the one before the last, a bigram model learns what pairs can tell."""
    torch.manual_seed(0)
    x = torch.randint(0, 3, (8, 12))
    y = torch.roll(x, 2, 1)

    class Bigram(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(3, 3)

        def forward(self, x, y):
            logits = self.table(x)
            return logits, F.cross_entropy(logits.view(-1, 3), y.reshape(-1))

    found = viz.overfit_one_batch(Bigram(), (x, y), lr=0.3)
    assert found.passed is None and "as good as a table of pairs" in found.why


def test_an_output_without_rows_for_examples_is_not_compared():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x, y):
            return ((x.mean() * self.scale - y.mean()) ** 2,)

    found = viz.batch_independence(Mean(), (torch.ones(3, 2), torch.ones(3)), loss=None)
    assert found.passed is None


# ---- formulas -------------------------------------------------------------------------------------


def _of_two_statements(g, x):
    twice = g * 2
    return twice * x


def _of_one_statement(g, x):
    """A docstring does not count."""
    return g * x


def test_the_rule_of_anything_is_text():
    assert formulas.expression_of(_of_one_statement) == "g * x"
    assert formulas.expression_of(_of_two_statements) == "_of_two_statements(g, x)"
    assert formulas.expression_of(np.exp) == "exp"
    assert formulas.expression_of(eval("lambda g: g * 3")) == ""
    space: dict = {}
    exec("def nowhere(g, y):\n    return g", space)
    assert formulas.expression_of(space["nowhere"]) == "nowhere(g, y)"
    assert formulas.rule_of(torch.exp.op, 0) == "g * out" and formulas.rule_of(torch.exp.op, 5) == ""
