"""Backward, explained: each operation's local rule at work on the numbers of one graph.

It is lecture 4 of the series ("Becoming a backprop ninja"), for any expression: from the loss back,
what each operation does to the gradient that reaches it, and what its inputs get.
"""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..graph import Node
from ..nn.module import Module
from ..operation import Output
from ..tensor import Tensor, current_node
from .drawing import draw_dot
from .formulas import rule_in_words, rule_of
from .page import page
from .watched import Flow, Pass, origin, watched_backward

__all__ = ["Explanation", "Line", "explain"]


@dataclass(frozen=True)
class Line:
    """One input of one operation.

    input: what the input is called. rule: the formula for its gradient, as source text. shape: of the
    input. raw_shape: what the formula gave. undone: in words, what of broadcasting or casting was
    undone; empty where nothing. mean, largest: of the absolute values of the gradient received.
    paths: on how many paths gradients arrive at this input in all; they are added up.
    """

    input: str
    rule: str
    shape: tuple[int, ...]
    raw_shape: tuple[int, ...]
    undone: str
    mean: float
    largest: float
    paths: int


@dataclass(frozen=True)
class Part:
    """One operation: its number in the order of the visit, name, shape of its result, and inputs."""

    number: int
    name: str
    op: str
    words: str
    shape: tuple[int, ...]
    dtype: str
    mean: float
    largest: float
    lines: tuple[Line, ...]


class Explanation:
    """What :func:`explain` found: ``str()`` is its text; a notebook shows its HTML; ``save`` writes either.

    Attributes:
        parts: the operations, from the root back.
        leaves: name, shape and gradient (mean and largest absolute value) of each leaf.
    """

    def __init__(self, root: Tensor, parts: list[Part], leaves: list[Line], drawing: str) -> None:
        self.root_shape = tuple(root.shape)
        self.parts, self.leaves, self._drawing = parts, leaves, drawing

    def __str__(self) -> str:
        lines = ["The gradient starts as 1 at the root and goes back:" if self.root_shape == () else
                 f"The gradient starts as ones {self.root_shape} at the root (that of its sum) and goes back:"]  # fmt: skip
        for part in self.parts:
            lines.append(f"\n{part.number:4d}  {part.name} = {part.op}(...)  {part.shape} {part.dtype}")
            lines.append(f"      arrives: {_size(part.mean, part.largest)}")
            if part.words:
                lines.append(f"      rule: {part.words}")
            for each in part.lines:
                lines.append(f"      -> {each.input} {each.shape}: {each.rule}")
                if each.undone:
                    lines.append(f"         {each.undone}")
                more = f", one of {each.paths} that are added up" if each.paths > 1 else ""
                lines.append(f"         gets {_size(each.mean, each.largest)}{more}")
        lines.append("\nLeaves:")
        lines += [f"      {leaf.input} {leaf.shape}: {_size(leaf.mean, leaf.largest)}" for leaf in self.leaves]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    @property
    def html(self) -> str:
        """The explanation as one self-contained page, with the graph."""
        return page("Backward, explained", self._drawing_html() + self._table())

    def _repr_html_(self) -> str:
        return self._drawing_html() + self._table()

    def _drawing_html(self) -> str:
        return f'<div class="wide graph">{self._drawing}</div>' if self._drawing else ""

    def _table(self) -> str:
        rows = []
        for part in self.parts:
            head = f'<b>{_esc(part.name)}</b> = {_esc(part.op)}(…) <code class="shape">{_esc(part.shape)}</code>'
            if part.words:
                head += f"<br><small>{_esc(part.words)}</small>"
            span = max(1, len(part.lines))
            first = f'<td rowspan="{span}">{part.number}</td><td rowspan="{span}">{head}</td><td rowspan="{span}">{_size(part.mean, part.largest)}</td>'
            cells = [
                f'<td>{_esc(each.input)} <code class="shape">{_esc(each.shape)}</code></td><td><code>{_esc(each.rule)}</code>'
                + (f"<br><small>{_esc(each.undone)}</small>" if each.undone else "")
                + f"</td><td>{_size(each.mean, each.largest)}"
                + (f"<br><small>one of {each.paths}, added up</small>" if each.paths > 1 else "")
                + "</td>"
                for each in part.lines
            ] or ["<td></td><td></td><td></td>"]
            rows.append(f"<tr>{first}{cells[0]}</tr>" + "".join(f"<tr>{cell}</tr>" for cell in cells[1:]))
        leaves = "".join(
            f"<tr><td>{_esc(leaf.input)}</td><td><code>{_esc(leaf.shape)}</code></td><td>{_size(leaf.mean, leaf.largest)}</td></tr>"
            for leaf in self.leaves
        )
        return (
            '<div class="wide"><table><thead><tr><th></th><th>operation</th><th>gradient that arrives</th><th>to</th>'
            "<th>rule</th><th>gradient it gets</th></tr></thead><tbody>"
            + "".join(rows)
            + "</tbody></table></div><h2>Leaves</h2>"
            '<div class="wide"><table><thead><tr><th>leaf</th><th>shape</th><th>gradient</th></tr></thead><tbody>'
            + leaves
            + "</tbody></table></div>"
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it: .html the page, .txt the text. The file appears whole or not at all.

        Raises:
            ValueError: another suffix.
        """
        target = Path(path)
        if target.suffix not in (".html", ".txt"):
            raise ValueError(f"path: expected a name ending in .html or .txt, got {os.fspath(path)!r}")
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            temporary.write_text(self.html if target.suffix == ".html" else f"{self}\n", encoding="utf-8")
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        return target


def explain(
    root: Tensor,
    names: Mapping[str, Tensor] | Module | None = None,
    *,
    limit: int = 400,
    path: str | os.PathLike[str] | None = None,
) -> Explanation:
    """Walk the graph behind ``root`` as the backward pass does and say what each operation does to the gradient.

    Per operation: the shapes, its local rule (the formula that runs, as it is written in the operation's
    entry, and in words where they say it faster), where broadcasting or a cast was undone, and the size of
    the gradient before and after. No ``.grad`` is touched, and ``backward()`` can follow.

    Args:
        root: a Tensor that requires grad: a loss, usually. Of one with many elements, the gradient of its sum.
        names: what to call tensors, name to Tensor, inner ones too; or a Module (its parameters' names).
        limit: operations explained one by one; of a longer graph the rest is left out, and counted.
        path: also write it there (.html, .txt).

    Raises:
        RuntimeError: there is no graph, or ``backward()`` has freed it.

    >>> import tinygrad_zth as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> print(explain((x * 3).sum(), {"x": x}))
    The gradient starts as 1 at the root and goes back:
    <BLANKLINE>
       1  root = sum(...)  () float32
          arrives: mean |g| 1, largest 1
          rule: spreads the gradient over everything that was added up
          -> %1 (2,): _sum_gradient(g, x_shape, dim, keepdim)
             gets mean |g| 1, largest 1
    <BLANKLINE>
       2  %1 = mul(...)  (2,) float32
          arrives: mean |g| 1, largest 1
          rule: each input gets the gradient times the other input
          -> x (2,): g * y
             gets mean |g| 3, largest 3
    <BLANKLINE>
    Leaves:
          x (2,): mean |g| 3, largest 3
    """
    seen = watched_backward(root)
    called = _names_of(root, names, seen)
    arrivals: dict[Node, int] = {}
    for flows in seen.flows.values():
        for flow in flows:
            arrivals[flow.to] = arrivals.get(flow.to, 0) + 1
    visited = [node for node in seen.order if node.op is not None and node.op.__class__ is not Output]
    parts = []
    for number, node in enumerate(visited[:limit], 1):
        g = seen.gradients.get(node)
        mean, largest = (float("nan"), float("nan")) if g is None else _sizes(g)
        lines = tuple(_line(flow, called, arrivals) for flow in seen.flows.get(node, []))
        dtype = str(np.dtype(node.dtype))
        parts.append(
            Part(
                number,
                called[node],
                node.op.name,
                rule_in_words(node.op.name),
                tuple(node.shape),
                dtype,
                mean,
                largest,
                lines,
            )
        )
    leaves = []
    for node in seen.order:
        if node.op is None:
            leaves.append(
                Line(called[node], "", tuple(node.shape), (), "", *_sizes(seen.gradients[node]), arrivals.get(node, 0))
            )
    leaves.sort(key=lambda leaf: leaf.input)
    drawing = draw_dot(root, names=names, limit=60).svg
    explanation = Explanation(root, parts, leaves, drawing)
    if len(visited) > limit:
        more = len(visited) - limit
        parts.append(Part(limit + 1, f"{more:,} more operations", "", "left out: see limit=", (), "", 0.0, 0.0, ()))
    if path is not None:
        explanation.save(path)
    return explanation


def _line(flow: Flow, called: dict[Node, str], arrivals: dict[Node, int]) -> Line:
    operation = flow.node.op
    undone = []
    shape = tuple(flow.to.shape)
    if flow.raw_shape != shape:
        lead = len(flow.raw_shape) - len(shape)
        dims = [*range(lead), *(i for i, n in enumerate(shape, lead) if n == 1 and flow.raw_shape[i] != 1)]
        undone.append(f"broadcasting undone: {flow.raw_shape} summed over dim {', '.join(map(str, dims))} to {shape}")
    if flow.raw_dtype != flow.to.dtype:
        undone.append(f"cast undone: {flow.raw_dtype} to {flow.to.dtype}")
    rule = rule_of(operation, flow.place)
    return Line(
        called[flow.to],
        rule,
        shape,
        flow.raw_shape,
        "; ".join(undone),
        *_sizes(flow.gradient),
        arrivals.get(flow.to, 1),
    )


def _names_of(root: Tensor, names: Mapping[str, Tensor] | Module | None, seen: Pass) -> dict[Node, str]:
    """A name for every node: the user's, else ``%1``, ``%2`` in the order of the visit."""
    given = dict(names.named_parameters()) if isinstance(names, Module) else dict(names or {})
    called: dict[Node, str] = {}
    start = current_node(root)
    for name, t in given.items():
        node = current_node(t)
        if node is not None:
            called.setdefault(node, name)
    if start is not None:
        called.setdefault(start, "root")
        called.setdefault(origin(start), called[start])
    count = 0
    leaves = 0
    for node in seen.order:
        if node in called:
            continue
        if node.op is None:
            called[node] = f"leaf {leaves}"
            leaves += 1
        elif node.op.__class__ is Output:
            called[node] = f"{called.get(origin(node), '')}[{node.saved[0]}]"
        else:
            count += 1
            called[node] = f"%{count}"
    return called


def _sizes(g: Any) -> tuple[float, float]:
    if not g.size:
        return 0.0, 0.0
    size = abs(g)
    return float(size.mean()), float(size.max())


def _size(mean: float, largest: float) -> str:
    if mean != mean and largest != largest:
        return "several gradients, one an output"
    return f"mean |g| {mean:.3g}, largest {largest:.3g}"


def _esc(value: Any) -> str:
    return html.escape(str(value))
