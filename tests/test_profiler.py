"""The profiler: what it counts, that it puts everything back, and its trace."""

from __future__ import annotations

import json

import pytest

import tinygrad_zth as torch
from tinygrad_zth import nn
from tinygrad_zth.operation import OPERATIONS
from tinygrad_zth.profiler import profile, record_function, schedule


def step(model, x):
    loss = model(x).tanh().sum()
    loss.backward()
    return loss


def test_calls_times_and_bytes_of_every_operation():
    model, x = nn.Linear(4, 3), torch.randn(5, 4)
    step(model, x)
    with profile(record_shapes=True) as p:
        with record_function("mine"):
            step(model, x)
        step(model, x)
    rows = {row.key: row for row in p.key_averages()}
    assert rows["linear"].count == rows["tanh"].count == rows["sum"].count == 2
    assert rows["linear backward"].count == rows["tanh backward"].count == rows["sum backward"].count == 2
    assert rows["mine"].count == 1
    assert rows["tanh"].bytes == 2 * 5 * 3 * 4
    assert rows["linear backward"].bytes == 2 * (3 * 4 + 3) * 4
    assert all(row.cpu_time_total > 0 and row.cpu_time == row.cpu_time_total / row.count for row in rows.values())
    assert p.key_averages().total() <= p.seconds * 1e6
    by_shape = {(row.key, row.input_shapes) for row in p.key_averages(group_by_input_shape=True)}
    assert ("tanh", ((5, 3),)) in by_shape


def test_everything_is_put_back_also_after_an_exception():
    kernels = {name: dict(o.kernels) for name, o in OPERATIONS.items()}
    gradients = {name: o.gradients for name, o in OPERATIONS.items()}
    with pytest.raises(ZeroDivisionError), profile():
        assert OPERATIONS["tanh"].kernels != kernels["tanh"]
        raise ZeroDivisionError
    assert kernels == {name: dict(o.kernels) for name, o in OPERATIONS.items()}
    assert gradients == {name: o.gradients for name, o in OPERATIONS.items()}
    with profile() as p, pytest.raises(RuntimeError, match="do not nest"), profile():
        pass
    assert not p.events


def test_gradients_are_the_same_under_a_profile():
    x = torch.randn(6, 3, requires_grad=True)
    (x.softmax(1) @ x.t()).exp().sum().backward()
    plain, x.grad = x.grad, None
    with profile():
        (x.softmax(1) @ x.t()).exp().sum().backward()
    assert torch.equal(plain, x.grad)


def test_a_recurrent_layer_is_clocked_as_one_operation():
    rnn = nn.LSTM(3, 4)
    with profile() as p:
        rnn(torch.randn(5, 2, 3))[0].sum().backward()
    rows = {row.key: row.count for row in p.key_averages()}
    assert rows["lstm"] == rows["lstm backward"] == 1


def test_the_table_is_sorted_and_cut():
    with profile() as p:
        for _ in range(3):
            torch.ones(2).exp()
        torch.randn(300, 300) @ torch.randn(300, 300)
    text = p.key_averages().table(sort_by="count", row_limit=1, header="the header")
    assert text.splitlines()[0] == "the header"
    assert text.splitlines()[3].split()[:2] == ["exp", "3"]
    assert "more" in text and "between operations" in text
    with pytest.raises(ValueError, match="cannot sort by 'name'"):
        p.key_averages().table(sort_by="name")
    assert str(p) == p.key_averages().table()


def test_the_trace_is_whole_and_can_be_read(tmp_path):
    with profile() as p:
        torch.ones(2, requires_grad=True).exp().sum().backward()
    path = tmp_path / "trace.json"
    p.export_chrome_trace(str(path))
    events = json.loads(path.read_text())["traceEvents"]
    assert [e["name"] for e in events] == [e.name + " backward" * (e.kind == "backward") for e in p.events]
    assert all(e["ph"] == "X" and e["dur"] >= 0 for e in events)
    assert list(tmp_path.iterdir()) == [path]


def test_a_schedule_records_its_active_steps():
    plan = schedule(wait=1, warmup=1, active=2, repeat=2, skip_first=1)
    assert [plan(i) for i in range(11)] == [False, False, False, True, True, False, False, True, True, False, False]
    ready = []
    with profile(schedule=schedule(wait=1, warmup=0, active=1), on_trace_ready=ready.append) as p:
        for _ in range(4):
            torch.ones(2).exp()
            p.step()
    assert p.key_averages()[0].count == 2 and ready == [p]
    with pytest.raises(ValueError, match="active at least 1"):
        schedule(wait=0, warmup=0, active=0)
