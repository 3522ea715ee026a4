"""The scalar engine: gradients against finite differences and torch, the graph, the network."""

from __future__ import annotations

import ast
import copy
import doctest
import gc
import math
import operator
import os
import pickle
import random
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinygrad_zth import value as value_module
from tinygrad_zth.value import (
    MLP,
    Layer,
    Module,
    Neuron,
    Value,
    draw_dot,
    linear,
    linear_plain,
    reverse_topological_order,
)

UNARY = ["exp", "log", "tanh", "sigmoid", "relu", "neg"]
BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}


def apply_unary(name, x):
    return -x if name == "neg" else getattr(x, name)()


def values_alive() -> int:
    return sum(type(o) is Value for o in gc.get_objects())


# ---- expressions drawn at random -----------------------------------------------------------------

# A program is a list of instructions on a growing list of results, so that any earlier result may
# be used again: a DAG with fan-out. It runs on Values, on torch tensors and on floats alike.


@st.composite
def programs(draw, n_leaves: int = 3, length: int = 12):
    program = []
    for i in range(draw(st.integers(1, length))):
        operand = st.integers(0, n_leaves + i - 1)
        constant = st.floats(-2, 2).map(lambda c: round(c, 2))
        kind = draw(st.sampled_from(["unary", "binary", "left", "right", "power"]))
        if kind == "unary":
            program.append((kind, draw(st.sampled_from(UNARY)), draw(operand), None))
        elif kind == "binary":
            program.append((kind, draw(st.sampled_from([*BINARY])), draw(operand), draw(operand)))
        elif kind == "power":
            exponent = draw(st.sampled_from([-2, -1, 0, 0.5, 1, 2, 3]))
            program.append((kind, "**", draw(operand), exponent))
        else:  # a constant at one side
            program.append((kind, draw(st.sampled_from("+-*/")), draw(operand), draw(constant)))
    return program


def execute(program, leaves):
    results = list(leaves)
    for kind, op, a, b in program:
        if kind == "unary":
            out = apply_unary(op, results[a])
        elif kind == "binary":
            out = BINARY[op](results[a], results[b])
        elif kind == "left":
            out = BINARY[op](b, results[a])
        else:  # "right", "power"
            out = BINARY[op](results[a], b)
        results.append(out)
    return results


LEAVES = st.lists(st.floats(-2, 2).map(lambda x: round(x, 3)), min_size=3, max_size=3)


def same(ours: float, theirs: float, tolerance: float) -> bool:
    if math.isnan(ours) or math.isnan(theirs) or math.isinf(theirs) or math.isinf(ours):
        return ours == theirs or (math.isnan(ours) and math.isnan(theirs))
    return math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance)


@pytest.mark.parity
@given(programs(), LEAVES)
def test_random_graphs_give_torchs_values_and_gradients(program, leaves):
    torch = pytest.importorskip("torch")
    ours = [Value(x) for x in leaves]
    theirs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in leaves]
    our_results, their_results = execute(program, ours), execute(program, theirs)
    # Beyond finite numbers inf - inf and 0 * inf depend on how a formula is written.
    for mine, other in zip(our_results, their_results):
        assume(math.isfinite(mine.data) and math.isfinite(other.item()) and abs(mine.data) < 1e6)
    for mine, other in zip(our_results, their_results):
        assert same(mine.data, other.item(), 1e-9)

    for other in their_results:
        other.retain_grad()
    our_results[-1].backward()
    their_results[-1].backward()
    for mine, other in zip(our_results, their_results):
        theirs_grad = 0.0 if other.grad is None else other.grad.item()
        assume(math.isfinite(theirs_grad) and abs(theirs_grad) < 1e9 and math.isfinite(mine.grad))
        assert math.isclose(mine.grad, theirs_grad, rel_tol=1e-7, abs_tol=1e-7)


@given(programs(length=8), LEAVES)
def test_random_graphs_agree_with_finite_differences(program, leaves):
    def run(xs: list[float]) -> list[Value]:
        return execute(program, [Value(x) for x in xs])

    results = run(leaves)
    assume(all(math.isfinite(r.data) and abs(r.data) < 50 for r in results))
    # Away from kinks and poles: the arguments of relu, log, division and powers.
    for kind, op, a, b in program:
        if op == "relu":
            assume(abs(results[a].data) > 1e-2)
        if op in ("log", "**"):
            assume(results[a].data > 0.1)
        if op == "/":
            divisor = results[b] if kind == "binary" else results[a] if kind == "left" else b
            assume(abs(float(divisor)) > 0.1)
    root = results[-1]
    root.backward()
    assume(all(abs(r.grad) < 1e3 for r in results))

    h = 1e-5
    for i in range(len(leaves)):

        def at(step: float, i: int = i) -> float:
            return run([x + step * (k == i) for k, x in enumerate(leaves)])[-1].data

        slope, wide = (at(h) - at(-h)) / (2 * h), (at(2 * h) - at(-2 * h)) / (4 * h)
        assume(math.isfinite(slope) and abs(slope - wide) < 1e-5)  # smooth here
        assert math.isclose(results[i].grad, slope, rel_tol=1e-4, abs_tol=1e-4)


# ---- each operation by itself --------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 2.0, 800.0, -800.0, 1e308, math.inf, -math.inf]
SPECIAL += [math.nan, 1e-310, 20.0, -40.0]


@pytest.mark.parity
@pytest.mark.parametrize("name", UNARY)
def test_unary_operations_are_torchs_on_special_values(name):
    torch = pytest.importorskip("torch")
    for x in SPECIAL:
        mine, other = Value(x), torch.tensor(x, dtype=torch.float64, requires_grad=True)
        out, other_out = apply_unary(name, mine), apply_unary(name, other)
        out.backward()
        other_out.backward()
        assert same(out.data, other_out.item(), 1e-14), x
        assert same(mine.grad, other.grad.item(), 1e-14), x


@pytest.mark.parity
@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("constant", [False, True])
def test_binary_operations_are_torchs_on_special_values(name, constant):
    torch = pytest.importorskip("torch")
    for x in SPECIAL:
        for y in SPECIAL:
            if constant and (name, y) == ("**", 0.5) and x in (0.0, -math.inf):
                continue  # torch takes sqrt for this constant, not for a tensor of 0.5
            a, b = Value(x), y if constant else Value(y)
            p = torch.tensor(x, dtype=torch.float64, requires_grad=True)
            q = y if constant else torch.tensor(y, dtype=torch.float64, requires_grad=True)
            mine, other = BINARY[name](a, b), BINARY[name](p, q)
            mine.backward()
            other.backward()
            assert same(mine.data, other.item(), 1e-14), (x, y)
            pairs = [(a, p)] if constant else [(a, p), (b, q)]
            for v, t in pairs:
                assert same(v.grad, t.grad.item(), 1e-14), (x, y)


def test_nothing_raises_where_the_mathematics_is_undefined():
    def data(v: Value) -> float:
        return v.data

    assert data(Value(0).log()) == -math.inf
    assert math.isnan(data(Value(-1).log()))
    assert data(Value(1) / 0) == math.inf
    assert data(Value(1) / -0.0) == -math.inf
    assert math.isnan(data(Value(0) / 0))
    assert data(Value(1000).exp()) == math.inf
    assert data(Value(10) ** 400) == math.inf
    assert data(Value(-10) ** 401) == -math.inf
    assert data(Value(-0.0) ** -1) == -math.inf
    assert math.isnan(data(Value(-8) ** (1 / 3)))
    assert data(Value(-1000).sigmoid()) == 0.0


def test_an_infinite_gradient_through_a_dead_relu_is_nan():
    """0 * inf, the documented difference from torch, whose mask gives 0."""
    x = Value(-1.0)
    (x.relu() ** 0.5).backward()
    assert math.isnan(x.grad)


def test_sigmoid_keeps_its_digits_in_both_tails():
    for x in (-700.0, -40.0, -1.0, 0.0, 1.0, 40.0):
        v = Value(x)
        out = v.sigmoid()
        out.backward()
        expected = math.exp(x) / (1 + math.exp(x)) if x < 0 else 1 / (1 + math.exp(-x))
        assert math.isclose(out.data, expected, rel_tol=1e-15)
        slope = math.exp(-abs(x)) / (1 + math.exp(-abs(x))) ** 2
        assert math.isclose(v.grad, slope, rel_tol=1e-14)


@pytest.mark.parametrize("op", BINARY.values(), ids=BINARY.keys())
def test_numbers_stand_on_either_side(op):
    for x, y in [(2.0, 3.0), (0.5, 2), (4, 0.25)]:
        assert op(Value(x), y).data == op(x, Value(y)).data == op(Value(x), Value(y)).data
        assert op(Value(x), y).data == pytest.approx(op(x, y), rel=1e-15)
        left, right, both = Value(x), Value(y), (Value(x), Value(y))
        op(left, y).backward()
        op(x, right).backward()
        op(*both).backward()
        assert (left.grad, right.grad) == (both[0].grad, both[1].grad)


def test_numpy_numbers_are_numbers():
    np = pytest.importorskip("numpy")
    x = Value(np.float64(3.0))
    assert type(x.data) is float
    for out in (np.float64(2.0) * x, x * np.float32(2.0), np.int64(2) * x, -np.int64(-2) * x):
        assert type(out) is Value
        assert out.data == 6.0
    assert [v.data for v in np.array([1.0, 2.0]) * x] == [3.0, 6.0]


@pytest.mark.parametrize("wrong", ["1", "a", None, [1.0], 1j, {}, object()])
def test_what_is_not_a_number_is_refused(wrong):
    with pytest.raises(TypeError, match="a Value holds one real number, got"):
        Value(wrong)
    for op in BINARY.values():
        with pytest.raises(TypeError):
            op(Value(1.0), wrong)
        with pytest.raises(TypeError):
            op(wrong, Value(1.0))
    with pytest.raises(TypeError):
        assert Value(1.0) < wrong


def test_any_real_number_becomes_a_float():
    from fractions import Fraction

    for x in (2, True, Fraction(1, 2), 2.0):
        assert type(Value(x).data) is float
        assert Value(x).data == float(x)


# ---- a number among numbers ----------------------------------------------------------------------


@given(st.floats(), st.floats())
def test_comparisons_are_those_of_the_numbers(x, y):
    for op in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
        assert op(Value(x), Value(y)) is op(x, y)
        assert op(Value(x), y) is op(x, y)
        assert op(x, Value(y)) is op(x, y)


def test_equal_values_are_different_members_of_a_set():
    a, b = Value(1.0), Value(1.0)
    assert a == b
    assert not a != b
    assert len({a, b}) == 2
    assert {a: "a", b: "b"}[a] == "a"
    a.data = 5.0
    assert a in {a}
    assert hash(a) != hash(b)
    assert a != "a"


def test_conversions_and_text():
    a = Value(-2.75, label="a")
    assert float(a) == -2.75
    assert int(a) == -2
    assert bool(a) and not Value(0.0)
    assert repr(a) == "Value(data=-2.75, grad=0.0, label='a')"
    assert repr(Value(2)) == "Value(data=2.0, grad=0.0)"
    assert f"{a:.1f} {Value(2)}" == "-2.8 Value(data=2.0, grad=0.0)"
    assert math.isfinite(a)
    assert max([Value(1), Value(3), Value(2)]).data == 3.0


# ---- the backward pass ---------------------------------------------------------------------------


def test_micrograds_readme_expression():
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert f"{g.data:.4f}" == "24.7041"
    g.backward()
    assert f"{a.grad:.4f}" == "138.8338"
    assert f"{b.grad:.4f}" == "645.5773"


def test_lecture_one_neuron():
    """The lecture's neuron, its chain rule by hand, and its backward() by hand."""
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    x1w1 = x1 * w1
    x1w1.label = "x1*w1"
    x2w2 = x2 * w2
    n = x1w1 + x2w2 + b
    n.label = "n"
    e = (2 * n).exp()
    o = (e - 1) / (e + 1)
    o.label = "o"

    topo, visited = [], set()

    def build_topo(v):
        if v not in visited:
            visited.add(v)
            for child in v._prev:
                build_topo(child)
            topo.append(v)

    build_topo(o)
    o.grad = 1.0
    for node in reversed(topo):
        node._backward()
    by_hand = [v.grad for v in (x1, w1, x2, w2, n)]
    assert by_hand == pytest.approx([-1.5, 1.0, 0.5, 0.0, 0.5])
    assert o._op == "/"
    assert x1._op == ""
    assert set(x1w1._prev) == {x1, w1}

    for v in (x1, x2, w1, w2, b):
        v.grad = 0.0
    o.backward()
    assert [v.grad for v in (x1, w1, x2, w2, n)] == pytest.approx(by_hand)
    t = n.tanh()
    assert t.data == pytest.approx(o.data)


def test_lecture_one_training_loop():
    random.seed(0)
    n = MLP(3, [4, 4, 1], nonlin="tanh", nonlin_out="tanh")
    xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
    ys = [1.0, -1.0, -1.0, 1.0]
    assert len(n.parameters()) == 41
    losses = []
    for _ in range(200):
        ypred = [n(x) for x in xs]
        loss = sum((yout - ygt) ** 2 for ygt, yout in zip(ys, ypred))
        for p in n.parameters():
            p.grad = 0.0
        loss.backward()
        for p in n.parameters():
            p.data += -0.05 * p.grad
        losses.append(loss.data)
    assert losses[-1] < 0.05 < losses[0]


def test_fan_out_accumulates():
    a = Value(3.0)
    (a + a).backward()
    assert a.grad == 2.0
    a = Value(3.0)
    (a * a * a).backward()
    assert a.grad == 27.0
    a, b = Value(-2.0), Value(3.0)
    d, e = a * b, a + b
    (d * e).backward()
    assert (a.grad, b.grad) == (-3.0, -8.0)


def test_second_backward_adds_to_leaves_and_does_not_double_between():
    a, b = Value(2.0), Value(5.0)
    h = a * b
    y = h * h + h
    for times in (1, 2, 3):
        y.backward()
        assert h.grad == 2 * 10 + 1
        assert (a.grad, b.grad) == (times * 105.0, times * 42.0)
        assert y.grad == 1.0


def test_two_roots_over_one_intermediate_add_at_the_leaves():
    a = Value(2.0)
    h = a * a
    y, z = h * 3.0, h.exp()
    y.backward()
    z.backward()
    assert a.grad == pytest.approx(3 * 4 + math.exp(4) * 4)
    assert h.grad == pytest.approx(math.exp(4))


def test_backward_from_a_leaf_and_of_what_is_not_reached():
    a, apart = Value(2.0), Value(3.0)
    unused = a * apart
    a.backward()
    a.backward()
    assert (a.grad, apart.grad, unused.grad) == (2.0, 0.0, 0.0)


def test_a_new_operation_is_one_line():
    x = Value(0.7)
    sin = Value(math.sin(x.data), (x,), (math.cos(x.data),), "sin")
    (sin * sin).backward()
    assert x.grad == pytest.approx(math.sin(1.4))


@given(programs())
def test_reverse_topological_order(program):
    leaves = [Value(1.0), Value(2.0), Value(3.0)]
    root = execute(program, leaves)[-1]
    order = reverse_topological_order(root)
    place = {node: i for i, node in enumerate(order)}
    assert order[0] is root
    assert len(place) == len(order)
    for node in order:
        for x in node._prev:
            assert place[x] > place[node]


@pytest.mark.parametrize(
    "link",
    [lambda x, a: x + a, lambda x, a: a * x, lambda x, a: x + x * 0.0],
    ids=["add", "multiply", "diamond"],
)
def test_a_chain_of_100_000_nodes(link: Callable[[Value, Value], Value]):
    a = Value(1.0)
    x = start = Value(2.0)
    for _ in range(100_000):
        x = link(x, a)
    x.backward()
    assert start.grad == 1.0
    before = values_alive()
    del x  # freed without recursing either
    assert before - values_alive() >= 100_000


@pytest.mark.slow
def test_a_chain_of_a_million_nodes_takes_ten_times_that_of_a_hundred_thousand():
    import time

    def seconds(n: int) -> float:
        began = time.perf_counter()
        x = start = Value(1.0)
        for _ in range(n):
            x = -x
        x.backward()
        assert start.grad == 1.0
        return time.perf_counter() - began

    small = min(seconds(100_000) for _ in range(3))
    assert seconds(1_000_000) < 30 * small


def test_memory_returns_without_the_collector():
    random.seed(0)
    model = MLP(2, [4, 4, 1])
    gc.collect()
    gc.disable()
    try:
        before = values_alive()
        for _ in range(3):
            y = (linear_plain([model([1.0, 2.0])], [Value(2.0)], Value(0.0)).tanh() - 1) ** 2
            y.backward()
            draw_dot(y)
            assert values_alive() > before + 20
            del y
            assert values_alive() == before
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_copies_and_pickles_keep_working_in_a_graph():
    a = Value(2.0, label="a")
    h = a * a
    h.backward()
    for copied in (copy.deepcopy(h), pickle.loads(pickle.dumps(h))):
        leaf = copied._prev[0]
        assert copied._prev[1] is leaf and leaf is not a
        assert (leaf.grad, leaf.label, copied.grad, copied._op) == (4.0, "a", 1.0, "*")
        assert leaf._sequence_number < copied._sequence_number
        leaf.grad = 0.0
        (copied * 10.0 + leaf).backward()
        assert leaf.grad == 41.0
    assert a.grad == 4.0


# ---- the network ---------------------------------------------------------------------------------

NUMBERS = st.floats(-100, 100)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8), NUMBERS)
def test_linear_is_its_plain_composition_to_the_last_bit(pairs, bias):
    got = []
    for function in (linear, linear_plain):
        w = [Value(p) for p, _ in pairs]
        x = [Value(q) for _, q in pairs]
        b = Value(bias)
        out = function(x, w, b)
        (out * out + out).backward()
        got.append([v.data for v in (out,)] + [v.grad for v in (*w, *x, b)])
    assert got[0] == got[1]


def test_linear_is_one_node_and_checks_its_length():
    w, b = [Value(1.0), Value(2.0)], Value(3.0)
    out = linear([10.0, Value(20.0)], w, b)
    assert out.data == 53.0
    assert len(reverse_topological_order(out)) == 6
    for wrong in ([1.0], [1.0, 2.0, 3.0], []):
        with pytest.raises(RuntimeError, match="expected 2 inputs.*got"):
            linear(wrong, w, b)
    with pytest.raises(RuntimeError, match="expected 2 inputs"):
        Neuron(2)([1.0])
    assert linear(iter([1.0, 1.0]), w, b).data == 6.0


def plain_mlp(model: MLP, x):
    for layer in model.layers:
        x = [linear_plain(x, n.w, n.b) for n in layer.neurons]
        x = [getattr(v, n.nonlin)() if n.nonlin else v for v, n in zip(x, layer.neurons)]
    return x[0] if len(x) == 1 else x


@pytest.mark.parametrize("nonlin", ["relu", "tanh", "sigmoid", None])
@pytest.mark.parametrize("nouts", [[3, 2, 1], [1, 1], [4], [2, 3]])
def test_mlp_equals_its_plain_composition(nonlin, nouts):
    grads = []
    for forward in (MLP.__call__, plain_mlp):
        random.seed(3)
        model = MLP(2, nouts, nonlin=nonlin)
        for neuron in (n for layer in model.layers for n in layer.neurons):
            neuron.b.data = 1.0  # so that not every path is dead
        out = forward(model, [0.3, -0.8])
        outs = out if isinstance(out, list) else [out]
        assert len(outs) == nouts[-1]
        sum(o * o for o in outs).backward()
        grads.append([o.data for o in outs] + [p.grad for p in model.parameters()])
    assert grads[0] == grads[1]
    assert any(grads[0])


def test_parameters_and_zero_grad():
    model = MLP(2, [16, 16, 1])
    parameters = model.parameters()
    assert len(parameters) == len(set(parameters)) == 2 * 16 + 16 + 16 * 16 + 16 + 16 + 1
    assert all(isinstance(m, Module) for m in (model, model.layers[0], model.layers[0].neurons[0]))
    assert Module().parameters() == []
    model([1.0, 2.0]).backward()
    assert any(p.grad for p in parameters)
    model.zero_grad()
    assert all(p.grad == 0.0 for p in parameters)


def test_weights_are_drawn_as_micrograd_draws_them():
    random.seed(1337)
    expected = [random.uniform(-1, 1) for _ in range(6)]
    random.seed(1337)
    layer = Layer(3, 2)
    assert [w.data for n in layer.neurons for w in n.w] == expected
    assert [n.b.data for n in layer.neurons] == [0.0, 0.0]


def test_nonlinearities_and_reprs():
    assert repr(MLP(2, [2, 1])) == ("MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]")
    assert repr(Neuron(3, nonlin=True)) == "ReLUNeuron(3)"
    assert repr(Neuron(3, nonlin=False)) == "LinearNeuron(3)"
    assert repr(Layer(1, 1, "tanh")) == "Layer of [TanhNeuron(1)]"
    for name, inside in (("tanh", 0.0), ("sigmoid", 0.5), ("relu", 0.0), (None, 0.0)):
        assert Neuron(1, name)([0.0]).data == inside
    with pytest.raises(ValueError, match="nonlin must be relu, tanh, sigmoid or None, got 'gelu'"):
        Neuron(2, "gelu")


def test_a_single_neuron_gives_a_value_and_a_layer_gives_a_list():
    assert isinstance(Layer(2, 1)([1.0, 2.0]), Value)
    out = Layer(2, 3)([1.0, 2.0])
    assert isinstance(out, list) and len(out) == 3


# ---- pictures ------------------------------------------------------------------------------------


def expression() -> Value:
    a, b = Value(2.0, label="a"), Value(-3.0, label='<b> & {"c"|d}')
    y = (a * b).relu() + a**2
    y.label = "y"
    y.backward()
    return y


def test_dot_source():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    y = a * b
    y.backward()
    assert str(draw_dot(y)) == "\n".join(
        [
            "digraph {",
            "  rankdir=LR;",
            "  node [fontname=monospace];",
            '  n0 [shape=record, label="{ data -6.0000 | grad 1.0000 }"];',
            '  op0 [label="*"];',
            "  op0 -> n0;",
            "  n2 -> op0;",
            "  n1 -> op0;",
            '  n1 [shape=record, label="{ b | data -3.0000 | grad 2.0000 }"];',
            '  n2 [shape=record, label="{ a | data 2.0000 | grad -3.0000 }"];',
            "}",
            "",
        ]
    )
    assert r"\<b\> & \{\"c\"\|d\}" in draw_dot(expression()).source


SVG = "{http://www.w3.org/2000/svg}"


def test_svg_shows_every_node_inside_the_canvas_and_apart():
    y = expression()
    drawing = draw_dot(y)
    assert drawing._repr_svg_() == drawing.svg
    root = ElementTree.fromstring(drawing.svg)
    order = reverse_topological_order(y)
    boxes = [{k: float(v) for k, v in r.attrib.items()} for r in root.iter(f"{SVG}rect")]
    assert len(boxes) == len(order)
    assert len([*root.iter(f"{SVG}circle")]) == sum(bool(v._op) for v in order)
    arrows = [p for p in root.iter(f"{SVG}path") if not p.get("d", "").endswith("z")]
    assert len(arrows) == sum(len(v._prev) + bool(v._op) for v in order)
    words = [t.text for t in root.iter(f"{SVG}text")]
    for v in order:
        assert f"data {v.data:.4f}" in words and f"grad {v.grad:.4f}" in words
        assert v.label == "" or v.label in words
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for i, p in enumerate(boxes):
        assert 0 <= p["x"] and p["x"] + p["width"] <= width
        assert 0 <= p["y"] and p["y"] + p["height"] <= height
        for q in boxes[:i]:
            beside = p["x"] + p["width"] <= q["x"] or q["x"] + q["width"] <= p["x"]
            above = p["y"] + p["height"] <= q["y"] or q["y"] + q["height"] <= p["y"]
            assert beside or above
    rightmost = max(boxes, key=lambda box: box["x"])
    assert rightmost is boxes[0]  # the root


def test_svg_has_each_input_left_of_all_that_use_it():
    a = Value(0.1)
    near = a * 2.0
    y = a.exp().exp().exp() + near
    order = reverse_topological_order(y)
    boxes = ElementTree.fromstring(draw_dot(y).svg).iter(f"{SVG}rect")
    left = {v: float(box.attrib["x"]) for v, box in zip(order, boxes, strict=True)}
    for v in order:
        assert all(left[x] < left[v] for x in v._prev)


def test_a_leaf_and_a_large_graph_can_be_drawn():
    ElementTree.fromstring(draw_dot(Value(math.nan)).svg)
    x = Value(1.0)
    for _ in range(3000):
        x = x * x
    drawing = draw_dot(x)
    assert drawing.source.count("shape=record") == 3001
    ElementTree.fromstring(drawing.svg)


def test_render_writes_whole_files_only(tmp_path, monkeypatch):
    drawing = draw_dot(expression())
    assert drawing.render(tmp_path / "a.svg") == str(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == drawing.svg
    assert drawing.save(str(tmp_path / "a.DOT")) == str(tmp_path / "a.DOT")
    assert (tmp_path / "a.DOT").read_text(encoding="utf-8") == drawing.source
    assert drawing.render(tmp_path / "gout") == str(tmp_path / "gout.svg")
    with pytest.raises(ValueError, match=r"expected a path ending in .svg, .dot or .gv"):
        drawing.render(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError):
        drawing.render(tmp_path / "nowhere" / "a.svg")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        draw_dot(Value(1.0)).render(tmp_path / "a.svg")
    monkeypatch.undo()
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == drawing.svg
    assert sorted(os.listdir(tmp_path)) == ["a.DOT", "a.svg", "gout.svg"]


# ---- the file itself -----------------------------------------------------------------------------


def test_value_py_imports_nothing_but_the_standard_library():
    import sys

    tree = ast.parse(Path(value_module.__file__).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [node.module]
        assert all(name.split(".")[0] in sys.stdlib_module_names for name in names)


def test_the_examples_in_the_docstrings():
    result = doctest.testmod(value_module)
    assert result.attempted >= 6
    assert result.failed == 0
