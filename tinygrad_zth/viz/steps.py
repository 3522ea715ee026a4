"""A graph of computation as a list of steps, the same for Values and for Tensors.

Every step has a number, in the order of creation, and leads to smaller ones only. So any run of
numbers can be folded into one step without making a circle: that is how a large graph is drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..dtypes import of
from ..graph import Node, tick
from ..nn.module import Module
from ..tensor import Tensor, current_node
from ..value import Value, reverse_topological_order
from .attention_maps import nodes_behind
from .watched import origin, watched_backward

__all__ = ["Call", "Step", "calls_of", "folded", "steps_of_tensor", "steps_of_value"]


@dataclass
class Step:
    """An operation with its result, or a leaf (``op`` is empty).

    texts: the lines in its box. inputs: the steps' places in the list. size: numbers in a leaf.
    """

    number: int
    op: str
    texts: list[str]
    inputs: list[int] = field(default_factory=list)
    size: int = 0


@dataclass
class Call:
    """One call of a module: the numbers of its steps lie between ``first`` and ``last``."""

    name: str
    kind: str
    first: int
    last: int = 0
    depth: int = 0


def steps_of_value(root: Value) -> list[Step]:
    """The graph behind a Value, the root first."""
    order = reverse_topological_order(root)
    place = {node: i for i, node in enumerate(order)}
    return [
        Step(
            node._sequence_number,
            node._op,
            [*filter(None, [node.label]), f"data {node.data:.4f}", f"grad {node.grad:.4f}"],
            [place[x] for x in node._prev],
            0 if node._op else 1,
        )
        for node in order
    ]


def steps_of_tensor(root: Tensor, names: Mapping[str, Tensor], gradients: bool) -> list[Step]:
    """The graph behind a Tensor, the root first: names, shapes, dtypes, gradients.

    Args:
        names: of leaves (parameters) and of other tensors.
        gradients: work out those of inner nodes; else only what leaves have in ``.grad`` is shown.
    """
    start = current_node(root)
    if start is None:
        return [Step(0, "", [*_shape_lines(tuple(root.shape), root.dtype), *_value_line(root)], [], root.numel())]
    called: dict[Node, str] = {}
    for name, t in names.items():
        node = current_node(t)
        if node is not None:
            called.setdefault(node, name)
    nodes = sorted({origin(node) for node in nodes_behind([root])}, key=lambda node: node.seq, reverse=True)
    place = {node: i for i, node in enumerate(nodes)}
    flowing: dict[Node, Any] = {}
    if gradients and all(node.op is None or node.saved is not None for node in nodes):
        flowing = watched_backward(root).gradients
    steps = []
    for node in nodes:
        leaf = node.variable if node.op is None else None
        texts = [called[node]] if node in called else []
        texts += _shape_lines(tuple(node.shape), of(node.dtype))
        if leaf is not None:
            texts += _value_line(leaf)
        elif node is origin(start):
            texts += _value_line(root)
        g = flowing.get(node)
        if g is None and leaf is not None and leaf.grad is not None:
            g = leaf.grad.numpy(force=True)
        texts += [] if g is None else [f"grad {_size_of(g)}"]
        inputs = [place[origin(edge)] for edge in node.edges if edge is not None]
        size = int(np.prod(node.shape)) if node.op is None else 0
        steps.append(Step(node.seq, "" if node.op is None else node.op.name, texts, inputs, size))
    return steps


def _shape_lines(shape: tuple[int, ...], dtype: Any) -> list[str]:
    kind = str(dtype).removeprefix("torch.")
    return [f"{shape} {kind}"]


def _value_line(t: Tensor) -> list[str]:
    return [f"data {float(t.detach().numpy(force=True).ravel()[0]):.4g}"] if t.numel() == 1 else []


def _size_of(g: Any) -> str:
    if g.size == 1:
        return f"{float(g.ravel()[0]):.4g}"
    return f"|mean| {float(abs(g).mean()):.2g}" if g.size else "of nothing"


# ---- large graphs ------------------------------------------------------------------------------


@contextmanager
def calls_of(model: Module) -> Iterator[list[Call]]:
    """Inside the block, the calls of ``model`` and the modules in it are noted in the list."""
    calls: list[Call] = []
    running: list[Call] = []
    handles = []
    for name, module in model.named_modules():

        def enter(m: Module, args: Any, name: str = name) -> None:
            call = Call(name, type(m).__name__, tick(), depth=len(running))
            calls.append(call)
            running.append(call)

        def leave(m: Module, args: Any, output: Any) -> None:
            if running:
                running.pop().last = tick()

        handles.append(module.register_forward_pre_hook(enter))
        handles.append(module.register_forward_hook(leave, always_call=True))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def folded(steps: list[Step], calls: list[Call], depth: int | None, limit: int) -> list[Step]:
    """The graph with runs of steps folded into one each, so that at most about ``limit`` are left.

    Args:
        calls: of modules; a call at ``depth`` (or less deep, where there is none) becomes one step.
        depth: 1 for the model's own children, and so on; None takes the deepest that fits.
    """
    if depth is None and len(steps) <= limit:
        return steps
    deepest = max((call.depth for call in calls), default=0)
    for at in [depth] if depth is not None else range(deepest, 0, -1):
        owners = _owners(steps, calls, at)
        groups = _groups(steps, owners)
        if calls and (depth is not None or len(groups) <= limit):
            return _joined(steps, groups)
    # No modules to go by: runs of equal length.
    operations = sum(bool(step.op) for step in steps)
    length = -(-operations // max(1, limit // 2))
    count = 0
    owners = []
    for step in steps:
        owners.append((count // length, "", "") if step.op else None)
        count += bool(step.op)
    return _joined(steps, _groups(steps, owners))


Owner = tuple[int, str, str] | None


def _owners(steps: list[Step], calls: list[Call], depth: int) -> list[Owner]:
    """For each operation the deepest call it was in, down to ``depth``: (first number, name, kind)."""
    able = sorted((call for call in calls if call.depth <= depth), key=lambda call: call.first)
    owners: list[Owner] = [None] * len(steps)
    running: list[Call] = []
    following = 0
    for i in range(len(steps) - 1, -1, -1):  # in the order of creation
        step = steps[i]
        if not step.op:
            continue
        while following < len(able) and able[following].first < step.number:
            running.append(able[following])
            following += 1
        while running and running[-1].last < step.number:
            running.pop()
        owners[i] = (running[-1].first, running[-1].name, running[-1].kind) if running else (0, "", "")
    return owners


def _groups(steps: list[Step], owners: list[Owner]) -> list[tuple[Owner, list[int]]]:
    """Runs of operations with one owner, in order; a leaf goes to its only user, or stays alone."""
    groups: list[tuple[Owner, list[int]]] = []
    group_of: dict[int, int] = {}
    last: Owner = None
    for i, step in enumerate(steps):
        if not step.op:
            continue
        if not groups or owners[i] != last:
            groups.append((owners[i], []))
            last = owners[i]
        groups[-1][1].append(i)
        group_of[i] = len(groups) - 1
    users: dict[int, set[int]] = {}
    for i, step in enumerate(steps):
        for x in step.inputs:
            if not steps[x].op:
                users.setdefault(x, set()).add(group_of[i])
    alone: list[tuple[Owner, list[int]]] = []
    for i, step in enumerate(steps):
        if not step.op:
            of_leaf = users.get(i, set())
            if len(of_leaf) == 1:
                groups[min(of_leaf)][1].append(i)
            else:
                alone.append((None, [i]))
    many = len(alone) > max(100, 2 * len(groups))
    return [*groups, (None, [i for _, (i,) in alone])] if many else groups + alone


def _joined(steps: list[Step], groups: list[tuple[Owner, list[int]]]) -> list[Step]:
    place = {i: g for g, (_, members) in enumerate(groups) for i in members}
    joined = []
    for g, (owner, members) in enumerate(groups):
        if len(members) > 1 and owner is None:
            size = sum(steps[i].size for i in members)
            joined.append(Step(0, "", [f"{len(members):,} leaves", f"{size:,} numbers"], [], size))
            continue
        if len(members) == 1:
            step = steps[members[0]]
            inputs = list(dict.fromkeys(place[x] for x in step.inputs))
            joined.append(Step(step.number, step.op, step.texts, inputs, step.size))
            continue
        operations = [steps[i] for i in members if steps[i].op]
        leaves = [steps[i] for i in members if not steps[i].op]
        inputs = list(dict.fromkeys(p for s in operations for x in s.inputs if (p := place[x]) != g))
        assert owner is not None
        _, name, kind = owner
        counts = Counter(step.op for step in operations).most_common()
        texts = [name] if name else []
        texts.append(
            ", ".join(f"{op} ×{n}" if n > 1 else op for op, n in counts[:3]) + (", ..." if len(counts) > 3 else "")
        )
        if leaves:
            what = "leaf" if len(leaves) == 1 else "leaves"
            texts.append(f"{len(leaves)} {what}, {sum(leaf.size for leaf in leaves):,} numbers")
        shape = next((t for t in operations[0].texts if t.startswith("(")), "")
        texts += [f"out {shape}"] if shape else []
        n = len(operations)
        joined.append(
            Step(operations[0].number, kind or (f"{n:,} operations" if n > 1 else operations[0].op), texts, inputs)
        )
    return joined
