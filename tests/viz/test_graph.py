"""Graphs drawn and explained: what they show is what the engine computes."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tests.viz.small_models import Heads, Tagger, batch
from tinygrad_zth import nn, value, viz
from tinygrad_zth.testing.memory import on_host
from tinygrad_zth.value import Value
from tinygrad_zth.viz.formulas import expression_of
from tinygrad_zth.viz.watched import watched_backward


def test_a_value_graph_is_that_of_the_scalar_engine():
    a = Value(2.0, label="a")
    y = a * a + 3.0
    y.backward()
    dot = viz.draw_dot(y)
    assert isinstance(dot, value.Dot) and dot.source == value.draw_dot(y).source
    assert "grad 4.0000" in dot.svg and dot._repr_svg_() == dot.svg


def test_a_tensor_graph_has_names_shapes_data_and_gradients():
    w = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    b = torch.tensor(0.5, requires_grad=True)
    y = ((w * b).exp()).sum()
    dot = viz.draw_dot(y, names={"w": w, "b": b})
    texts = {tuple(texts): (op, inputs) for texts, op, inputs in dot.nodes}
    (gw, gb) = torch.autograd.grad(y, (w, b), retain_graph=True)
    assert (("w", "(2, 2) float32", f"grad |mean| {gw.abs().mean().item():.2g}")) in texts
    assert (("b", "() float32", "data 0.5", f"grad {gb.item():.4g}")) in texts
    assert dot.nodes[0][0] == ["() float32", f"data {y.item():.4g}", "grad 1"]
    assert [op for _, op, _ in dot.nodes] == ["sum", "exp", "mul", "", ""]
    for i, (_, _, inputs) in enumerate(dot.nodes):
        assert all(x > i for x in inputs)
    ElementTree.fromstring(dot.svg)
    assert w.grad is None  # nothing was accumulated, and the graph can still be passed
    y.backward()
    after = viz.draw_dot(y, names={"w": w})  # freed: leaves show what they have
    assert any("grad |mean|" in text for texts, _, _ in after.nodes for text in texts)


def test_a_leaf_and_a_tensor_without_a_graph_can_be_drawn():
    assert viz.draw_dot(torch.tensor(3.0)).nodes == [(["() float32", "data 3"], "", [])]
    leaf = torch.ones(2, requires_grad=True)
    assert len(viz.draw_dot(leaf).nodes) == 1


def test_several_outputs_are_one_operation():
    x = torch.randn(6, requires_grad=True)
    a, b = x.split(3)
    dot = viz.draw_dot((a * b).sum(), names={"x": x})
    assert len([op for _, op, _ in dot.nodes if op]) <= 4
    assert dot.nodes[-1][0][0] == "x"


def test_a_model_is_folded_by_its_modules():
    model = Tagger(depth=3)
    whole = viz.draw_dot(model, *batch())
    boxes = viz.draw_dot(model, *batch(), depth=1)
    assert len(boxes.nodes) < len(whole.nodes)
    ops = [op for _, op, _ in boxes.nodes]
    assert ops == ["Tagger", "Linear", "Sequential", "Tagger", "Embedding"]  # the root first
    (layers,) = [texts for texts, op, _ in boxes.nodes if op == "Sequential"]
    assert layers[0] == "layers" and "tanh ×3, linear ×3" in layers
    assert f"6 leaves, {sum(p.numel() for p in model.layers.parameters()):,} numbers" in layers
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@given(st.integers(1, 40), st.integers(2, 30), st.data())
def test_folding_makes_no_circles_and_keeps_the_ends(count, limit, data):
    xs = [Value(1.0) for _ in range(3)]
    for _ in range(count):
        a, b = data.draw(st.sampled_from(xs)), data.draw(st.sampled_from(xs))
        xs.append(a * b)
    dot = viz.draw_dot(xs[-1], limit=limit)
    for i, (texts, _, inputs) in enumerate(dot.nodes):
        assert texts and all(x > i for x in inputs)
    reached, stack = {0}, [0]
    while stack:
        for x in dot.nodes[stack.pop()][2]:
            if x not in reached:
                reached.add(x)
                stack.append(x)
    assert len(reached) == len(dot.nodes)
    ElementTree.fromstring(dot.svg)


@pytest.mark.parametrize("kind", ["value", "tensor", "leaves"])
def test_a_graph_of_100_000_nodes_is_drawn(kind):
    if kind == "leaves":
        leaves = [Value(1.0) for _ in range(33_000)]
        y = Value(0.0)
        for leaf in leaves:
            y = y + leaf
        for leaf in leaves:  # each is used twice, so that none belongs to one group
            y = y * leaf
    else:
        y = Value(1.0) if kind == "value" else torch.tensor(1.0, requires_grad=True)
        for _ in range(100_000):
            y = y * 1.0 if kind == "tensor" else -y
    dot = viz.draw_dot(y)
    assert 2 < len(dot.nodes) <= 200
    assert len(dot.svg) < 200_000
    ElementTree.fromstring(dot.svg)
    folded_ops = sum(int(op.split()[0].replace(",", "")) for _, op, _ in dot.nodes if op.endswith("operations"))
    assert folded_ops >= 60_000


def test_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(TypeError, match="expected a Value, a Tensor or an nn.Module, got int"):
        viz.draw_dot(3)
    with pytest.raises(ValueError, match="limit: expected at least 2"):
        viz.draw_dot(Value(1.0), limit=1)
    with pytest.raises(ValueError, match="ending in .svg, .dot or .gv"):
        viz.draw_dot(Value(1.0), path=tmp_path / "a.png")
    viz.draw_dot(Tagger(), *batch(), path=tmp_path / "a.svg")
    assert [p.name for p in tmp_path.iterdir()] == ["a.svg"]


# ---- the watched backward pass, and its explanation ----------------------------------------------


def expressions():
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    b = torch.randn(4, requires_grad=True)
    c = torch.randn(3, 1, dtype=torch.float64, requires_grad=True)
    model = Heads()
    lstm = nn.LSTM(4, 3)
    return {
        "broadcast and cast": ((x * b + c).tanh().sum(), [x, b, c]),
        "fan-out": ((x * x + x.exp() * c).mean(), [x, c]),
        "several outputs": (sum(p.prod() for p in (x * c).unbind(1)), [x, c]),
        "max, index, cat": (torch.cat([x.max(1).values, x[1:, 2]]).sum(), [x]),
        "views": ((x.t().reshape(2, 6)[:, ::2] ** 2).sum(), [x]),
        "written": (_written(x, c), [x, c]),
        "fused": (F.cross_entropy(F.layer_norm(F.linear(x, x.detach().requires_grad_()), (3,)), torch.tensor([0, 1, 2])), [x]),
        "attention": (model(torch.randint(0, 7, (2, 5))).pow(2).sum(), list(model.parameters())),
        "recurrent": (lstm(torch.randn(5, 2, 4))[0].sum(), list(lstm.parameters())),
    }  # fmt: skip


def _written(x, c):
    h = x * c
    h[0] = 0
    h[:, 1] *= 2
    return h.sum()


@pytest.mark.parametrize("name", expressions())
def test_the_watched_pass_is_the_engines(name):
    torch.manual_seed(2)
    root, leaves = expressions()[name]
    expected = torch.autograd.grad(root, leaves, retain_graph=True)
    seen = watched_backward(root)
    for leaf, g in zip(leaves, expected):
        np.testing.assert_array_equal(on_host(seen.gradients[leaf._node]), g.numpy())
        assert leaf.grad is None
    text = str(viz.explain(root))
    assert text.startswith("The gradient starts as 1") and "nan" not in text


def test_an_explanation_has_rules_shapes_and_where_broadcasting_was_undone():
    x = torch.randn(5, 3, requires_grad=True)
    b = torch.randn(3, requires_grad=True)
    s = torch.randn(5, 1, dtype=torch.float64, requires_grad=True)
    h = (x + b).tanh()
    loss = (h * s).sum()
    explanation = viz.explain(loss, {"x": x, "b": b, "s": s, "h": h})
    by_input = {(part.op, line.input): line for part in explanation.parts for line in part.lines}
    into_b, into_s = by_input["add", "b"], by_input["mul", "s"]
    assert into_b.undone == "broadcasting undone: (5, 3) summed over dim 0 to (3,)"
    assert into_s.undone == "broadcasting undone: (5, 3) summed over dim 1 to (5, 1)"
    assert by_input["to", "h"].undone == "cast undone: float64 to float32"
    (gb, gs) = torch.autograd.grad(loss, (b, s), retain_graph=True)
    assert into_b.mean == pytest.approx(gb.abs().mean().item(), rel=1e-5)
    assert into_b.largest == pytest.approx(gb.abs().max().item(), rel=1e-5)
    assert into_s.mean == pytest.approx(gs.abs().mean().item(), rel=1e-5)
    (tanh,) = [part for part in explanation.parts if part.op == "tanh"]
    assert tanh.name == "h" and tanh.shape == (5, 3) and tanh.lines[0].rule == "g * (1 - out * out)"
    assert [leaf.input for leaf in explanation.leaves] == ["b", "s", "x"]
    loss.backward()  # nothing was freed


def test_the_rule_shown_is_the_rule_that_runs():
    a, b = torch.tensor(3.0, requires_grad=True), torch.tensor(5.0, requires_grad=True)
    for root in (a * b, a / b, a**b, a - b, a.exp() + b, a.sigmoid() * b.log()):
        for part in viz.explain(root, {"a": a, "b": b}).parts:
            for line in part.lines:
                assert line.rule, part.op
    (line, _) = viz.explain(a / b).parts[0].lines
    assert eval(line.rule, {"g": 2.0, "x": 3.0, "y": 5.0}) == pytest.approx(0.4)


def test_two_rules_on_one_line_are_told_apart():
    mul = torch.ones(1, requires_grad=True) * torch.ones(1, requires_grad=True)
    rules = [rule.formula for rule in mul.grad_fn.op.rules]
    assert [expression_of(f) for f in rules] == ["g * y", "g * x"]
    first, second = (lambda g, x: g + x), (lambda g, x: g - x)
    assert (expression_of(first), expression_of(second)) == ("g + x", "g - x")


@pytest.mark.host  # the stand-in composes fused operations of primitives
def test_a_fused_operation_is_explained_by_its_kernel_and_in_words():
    logits = torch.randn(4, 3, requires_grad=True)
    (part,) = [
        p for p in viz.explain(F.cross_entropy(logits, torch.tensor([0, 1, 2, 0]))).parts if p.op == "cross_entropy"
    ]
    assert "softmax(logits) - one_hot(target)" in part.words
    assert part.lines[0].rule


def test_gradients_that_meet_are_said_to_be_added():
    x = torch.tensor(2.0, requires_grad=True)
    text = str(viz.explain(x * x + x, {"x": x}))
    assert text.count("one of 3 that are added up") == 3


def test_the_gradient_of_many_elements_is_that_of_their_sum():
    x = torch.ones(2, 3, requires_grad=True)
    explanation = viz.explain(x * 4, {"x": x})
    assert "ones (2, 3) at the root (that of its sum)" in str(explanation)
    assert explanation.leaves[0].mean == 4


def test_an_explanation_is_written_as_page_and_text(tmp_path):
    x = torch.ones(2, requires_grad=True)
    explanation = viz.explain((x * 2).sum(), {"<x>": x}, path=tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page == explanation.html and page.startswith("<!DOCTYPE html>") and "<svg" in page
    assert "&lt;x&gt;" in page and "<x>" not in page and "http" not in page.replace("http://www.w3.org", "")
    explanation.save(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == f"{explanation}\n"
    with pytest.raises(ValueError, match="ending in .html or .txt"):
        explanation.save(tmp_path / "a.pdf")


def test_a_long_graph_is_cut_and_the_rest_counted():
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y * 1.0
    explanation = viz.explain(y, limit=10)
    assert len(explanation.parts) == 11 and "19,990 more operations" in str(explanation)
    assert explanation.leaves[0].mean == 1


def test_no_graph_or_a_freed_one_is_refused():
    with pytest.raises(RuntimeError, match="does not require grad"):
        viz.explain(torch.ones(1))
    x = torch.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        viz.explain(y)
    z = x.exp()
    w = z * 2
    z.mul_(3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        viz.explain((w * w).sum())
