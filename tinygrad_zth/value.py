"""The scalar engine: automatic differentiation of one number at a time.

Read this file first. It imports nothing from the package, and the whole framework is this file
generalised from numbers to arrays. Its ideas, which come back under the same names in
`autograd.py`:

* **Graph.** Each operation makes a new `Value` that remembers its inputs.
* **Local derivative.** It also remembers d(output)/d(input) for each of them: a plain number.
* **Chain rule.** An input's gradient is its local derivative times the incoming gradient.
* **Accumulation on fan-out.** A value used in several places receives a gradient from each of
  them; they add up.
* **Reverse topological order.** A node passes its gradient on only when it has received all of
  it. An input is always created before its output, so "newest first" is such an order.

>>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
>>> y = a * b + a**2
>>> y.backward()
>>> y.data, a.grad, b.grad          # dy/da = b + 2a,  dy/db = a
(-2.0, 1.0, 2.0)

Arithmetic is IEEE's, as in PyTorch: nothing raises where the mathematics is undefined or out of
range. `log(0)` is -inf, `log(-1)` is nan, `1/0` is inf, `0/0` is nan, `exp(1000)` is inf. The
chain rule keeps to it too: a gradient of inf times a local derivative of 0 is nan, also at a relu
that is shut, where PyTorch has a mask and gives 0.

After A. Karpathy, "The spelled-out intro to neural networks and backpropagation" (micrograd);
the method is reverse-mode differentiation, S. Linnainmaa, 1970.
"""

from __future__ import annotations

import contextlib
import html
import itertools
import math
import operator
import os
import random
from collections.abc import Iterable, Sequence
from typing import Any

_next_sequence_number = itertools.count().__next__


class Value:
    """One number, its gradient, and how it was made.

    A *leaf* is made by hand, `Value(2.0, label="a")`. The operations below make all the others.

    Args:
        data: any real number; kept as a float.
        inputs: the Values it was computed from; none for a leaf.
        local: d(self)/d(input) for each of `inputs`, as floats.
        op: the operation's name, for pictures.
        label: the value's own name, for pictures.

    Attributes:
        grad: d(root)/d(self), filled by `root.backward()`; 0.0 before.

    A new operation is one line, its value and its local derivative side by side:

    >>> x = Value(0.0)
    >>> sin = Value(math.sin(x.data), (x,), (math.cos(x.data),), "sin")

    Raises:
        TypeError: `data` is not a real number.
    """

    __slots__ = ("_local", "_op", "_prev", "_sequence_number", "data", "grad", "label")

    def __init__(
        self,
        data: float,
        inputs: tuple[Value, ...] = (),
        local: tuple[float, ...] = (),
        op: str = "",
        label: str = "",
    ) -> None:
        self.data = data if type(data) is float else _real(data)
        self.grad = 0.0
        self._prev = inputs
        self._local = local
        self._op = op
        self.label = label
        self._sequence_number = _next_sequence_number()

    # ---- operations: the value, the inputs, the local derivatives ------------------------------

    def __add__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0), "+")

    def __sub__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data - other.data, (self, other), (1.0, -1.0), "-")

    def __mul__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        x, y = self.data, other.data
        return Value(x * y, (self, other), (y, x), "*")

    def __truediv__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        y = other.data
        out = _divide(self.data, y)
        return Value(out, (self, other), (_divide(1.0, y), _divide(-out, y)), "/")

    def __pow__(self, other: Value | float) -> Value:
        x = self.data
        if not isinstance(other, Value):  # a constant exponent has no gradient to work out
            y = _real(other)
            return Value(_power(x, y), (self,), (_power_slope(x, y),), f"**{other}")
        y = other.data
        out = _power(x, y)
        # 0**y stays 0 as y moves, though log(0) is -inf
        by_exponent = 0.0 if x == 0.0 and y >= 0.0 else out * _log(x)
        return Value(out, (self, other), (_power_slope(x, y), by_exponent), "**")

    def __neg__(self) -> Value:
        return Value(-self.data, (self,), (-1.0,), "neg")

    def exp(self) -> Value:
        """e to this power; inf above 709.78, where a float ends."""
        out = _exp(self.data)
        return Value(out, (self,), (out,), "exp")

    def log(self) -> Value:
        """The natural logarithm; -inf at 0, nan below."""
        return Value(_log(self.data), (self,), (_divide(1.0, self.data),), "log")

    def tanh(self) -> Value:
        """The hyperbolic tangent, an S from -1 to 1."""
        out = math.tanh(self.data)
        return Value(out, (self,), (1.0 - out * out,), "tanh")

    def sigmoid(self) -> Value:
        """1 / (1 + exp(-x)), an S from 0 to 1, exact in both tails."""
        z = math.exp(-abs(self.data))  # at most 1: never overflows
        small, large = z / (1.0 + z), 1.0 / (1.0 + z)
        return Value(large if self.data >= 0.0 else small, (self,), (small * large,), "sigmoid")

    def relu(self) -> Value:
        """max(x, 0), a nan left as it is; the derivative at 0 is 0."""
        if self.data <= 0.0:
            return Value(0.0, (self,), (0.0,), "relu")
        return Value(self.data, (self,), (1.0,), "relu")

    def __radd__(self, other: float) -> Value:
        return Value(other) + self

    def __rsub__(self, other: float) -> Value:
        return Value(other) - self

    def __rmul__(self, other: float) -> Value:
        return Value(other) * self

    def __rtruediv__(self, other: float) -> Value:
        return Value(other) / self

    def __rpow__(self, other: float) -> Value:
        return Value(other) ** self

    # ---- the backward pass ---------------------------------------------------------------------

    def backward(self) -> None:
        """Fill `grad` of every Value that this one was computed from, by the chain rule.

        Leaves accumulate, as in PyTorch: a second `backward()`, from here or from another root,
        adds to their `grad`, until it is set back to 0. What lies between starts from 0 each time
        and afterwards holds d(self)/d(value) of the last pass that went through it. The graph
        stays and can be passed again; it goes, without the collector's help, when the last name
        for its root does. Time and memory are linear in the graph, and nothing recurses.
        """
        order = reverse_topological_order(self)
        for node in order:
            if node._prev:
                node.grad = 0.0
        self.grad += 1.0
        for node in order:
            node._backward()

    def _backward(self) -> None:
        """One step of the chain rule, from this node to its inputs."""
        incoming = self.grad
        for x, local in zip(self._prev, self._local):
            x.grad += local * incoming

    # ---- a number among numbers ----------------------------------------------------------------

    def __float__(self) -> float:
        return float(self.data)

    def __int__(self) -> int:
        return int(self.data)

    def __bool__(self) -> bool:
        return self.data != 0.0

    def __lt__(self, other: Value | float) -> bool:
        return self.data < (other.data if isinstance(other, Value) else other)

    def __le__(self, other: Value | float) -> bool:
        return self.data <= (other.data if isinstance(other, Value) else other)

    def __gt__(self, other: Value | float) -> bool:
        return self.data > (other.data if isinstance(other, Value) else other)

    def __ge__(self, other: Value | float) -> bool:
        return self.data >= (other.data if isinstance(other, Value) else other)

    def __eq__(self, other: object) -> bool:
        return self.data == (other.data if isinstance(other, Value) else other)

    # Equal numbers are still different variables. As for a Tensor, sets and dictionaries tell
    # Values apart by identity, while == compares what they hold.
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self.data}, grad={self.grad}{label})"

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles are made anew, inputs first, so that they too are numbered in order.
        arguments = (self.data, self._prev, self._local, self._op, self.label)
        return type(self), arguments, (None, {"grad": self.grad})


def reverse_topological_order(root: Value) -> list[Value]:
    """`root` and every Value it depends on, each before all of its inputs."""
    seen = {root}
    stack = [root]
    while stack:
        for x in stack.pop()._prev:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    return sorted(seen, key=operator.attrgetter("_sequence_number"), reverse=True)


# ---- IEEE arithmetic, where Python's raises --------------------------------------------------


def _real(x: float) -> float:
    if not hasattr(x, "__float__"):  # float("1") would be accepted
        raise TypeError(f"a Value holds one real number, got {x!r} ({type(x).__name__})")
    return float(x)


def _divide(x: float, y: float) -> float:
    try:
        return x / y
    except ZeroDivisionError:
        return x * math.copysign(math.inf, y)  # 0 * inf is nan


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _log(x: float) -> float:
    if x > 0.0:
        return math.log(x)
    return -math.inf if x == 0.0 else math.nan


def _power(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except OverflowError:
        size = math.inf
    except ValueError:  # a root of a negative number, or one over a power of zero
        size = math.nan if x != 0.0 else math.inf
    return math.copysign(size, x) if y % 2.0 == 1.0 else size


def _power_slope(x: float, y: float) -> float:
    """d(x**y)/dx"""
    return 0.0 if y == 0.0 else y * _power(x, y - 1.0)


# ---- a neural network of Values ----------------------------------------------------------------


def linear_plain(x: Iterable[Value | float], weight: Iterable[Value], bias: Value) -> Value:
    """What `linear` computes, as one would write it: 2n nodes for n inputs."""
    return sum((wi * xi for wi, xi in zip(weight, x)), bias)


def linear(x: Iterable[Value | float], weight: Sequence[Value], bias: Value) -> Value:
    """The weighted sum w[0]*x[0] + w[1]*x[1] + ... + b, as one node of the graph.

    Fusing an operation means to do the work of many nodes in one, whose local derivatives are
    known: x for the weights, w for the inputs, 1 for the bias. It gives what `linear_plain`
    gives, to the last bit, in value and in gradients, several times faster. The framework's
    `fused/` is built on the same pair: a plain text that defines, a fast one that is held to it.

    Raises:
        RuntimeError: there are not as many inputs as weights.
    """
    inputs = [xi if isinstance(xi, Value) else Value(xi) for xi in x]
    if len(inputs) != len(weight):
        raise RuntimeError(f"linear: expected {len(weight)} inputs, one a weight, got {len(inputs)}")
    xs = [xi.data for xi in inputs]
    ws = [wi.data for wi in weight]
    out = bias.data
    for product in map(operator.mul, ws, xs):
        out += product
    return Value(out, (bias, *weight, *inputs), (1.0, *xs, *ws), "linear")


class Module:
    """Something with parameters to learn."""

    def parameters(self) -> list[Value]:
        """Every Value that training moves."""
        return []

    def zero_grad(self) -> None:
        """Forget the gradients of the last step, which would otherwise add up."""
        for p in self.parameters():
            p.grad = 0.0


class Neuron(Module):
    """nonlin(w . x + b), the weights drawn by `random.uniform(-1, 1)`, the bias 0.

    Args:
        nin: the number of inputs.
        nonlin: "relu", "tanh", "sigmoid", or None for none; True and False are "relu" and None.

    Raises:
        ValueError: no such nonlinearity.
    """

    def __init__(self, nin: int, nonlin: str | bool | None = "relu") -> None:
        nonlin = "relu" if nonlin is True else nonlin or None
        if nonlin not in ("relu", "tanh", "sigmoid", None):
            raise ValueError(f"nonlin must be relu, tanh, sigmoid or None, got {nonlin!r}")
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0.0)
        self.nonlin = nonlin

    def __call__(self, x: Iterable[Value | float]) -> Value:
        out = linear(x, self.w, self.b)
        return getattr(out, self.nonlin)() if self.nonlin else out

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]

    def __repr__(self) -> str:
        kind = {"relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid", None: "Linear"}[self.nonlin]
        return f"{kind}Neuron({len(self.w)})"


class Layer(Module):
    """`nout` neurons that look at the same `nin` inputs."""

    def __init__(self, nin: int, nout: int, nonlin: str | bool | None = "relu") -> None:
        self.neurons = [Neuron(nin, nonlin) for _ in range(nout)]

    def __call__(self, x: Iterable[Value | float]) -> Any:
        """The neurons' outputs, a list of Values; of a single neuron the Value itself."""
        x = [xi if isinstance(xi, Value) else Value(xi) for xi in x]
        out = [neuron(x) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self) -> list[Value]:
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """A multi-layer perceptron: `MLP(2, [16, 16, 1])` has 2 inputs, 2 hidden layers, 1 output.

    Args:
        nin: the number of inputs.
        nouts: the width of each layer.
        nonlin: the hidden layers' nonlinearity (see `Neuron`).
        nonlin_out: the last layer's.
    """

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        nonlin: str | bool | None = "relu",
        nonlin_out: str | bool | None = None,
    ) -> None:
        widths = [nin, *nouts]
        nonlins = [nonlin] * (len(nouts) - 1) + [nonlin_out]
        self.layers = [Layer(*shape) for shape in zip(widths, nouts, nonlins)]

    def __call__(self, x: Iterable[Value | float]) -> Any:
        """`nin` numbers to a list of `nouts[-1]` Values; to the Value itself where that is 1."""
        out: Any = x
        for layer in self.layers:
            out = layer([out] if isinstance(out, Value) else out)
        return out

    def parameters(self) -> list[Value]:
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"


# ---- pictures ------------------------------------------------------------------------------------


def draw_dot(root: Value) -> Dot:
    """A picture of the graph behind `root`: each Value's label, data and grad, each operation.

    A notebook shows it as it is. `draw_dot(y).render("y.svg")` writes a picture, "y.dot" its
    text for Graphviz, which need not be installed.
    """
    order = reverse_topological_order(root)
    number = {node: i for i, node in enumerate(order)}
    return Dot(
        [
            (
                [*filter(None, [node.label]), f"data {node.data:.4f}", f"grad {node.grad:.4f}"],
                node._op,
                [number[x] for x in node._prev],
            )
            for node in order
        ]
    )


class Dot:
    """A graph of computation, as text for Graphviz (`source`) and as a picture (`svg`).

    Args:
        nodes: for each node its lines of text, the operation that made it ("" for a leaf) and
            the indices of its inputs. A node comes before its inputs, the root first.
    """

    def __init__(self, nodes: Sequence[tuple[Sequence[str], str, Sequence[int]]]) -> None:
        self.nodes = nodes

    @property
    def source(self) -> str:
        """The graph in the DOT language."""
        lines = ["digraph {", "  rankdir=LR;", "  node [fontname=monospace];"]
        for i, (texts, op, inputs) in enumerate(self.nodes):
            record = " | ".join(map(_dot_escape, texts))
            lines.append(f'  n{i} [shape=record, label="{{ {record} }}"];')
            if op:
                lines.append(f'  op{i} [label="{_dot_escape(op)}"];')
                lines.append(f"  op{i} -> n{i};")
            lines += [f"  n{x} -> op{i};" for x in inputs]
        return "\n".join([*lines, "}", ""])

    def __str__(self) -> str:
        return self.source

    @property
    def svg(self) -> str:
        """The graph drawn: the root at the right, each node left of all that use it."""
        line, radius, gap = 18, 17, 36  # a line's height, an operation's radius, between columns
        longest = max((len(op) for _, op, _ in self.nodes), default=0)
        half = max(radius, min(4 * longest, 90))  # of an operation's width: a long name makes it an ellipse
        width = 20 + 7.3 * max(len(text) for texts, _, _ in self.nodes for text in texts)
        left, middle = self._layout(width + 2 * half + 2 * gap, line)
        arrows, boxes, words = [], [], []
        for i, (texts, op, inputs) in enumerate(self.nodes):
            x, y, height = left[i], middle[i], 10 + line * len(texts)
            boxes.append(_tag("rect", x=x, y=y - height / 2, width=width, height=height, rx=4))
            for k, text in enumerate(texts):
                y_text = y - height / 2 + line * (k + 1)
                words.append(_tag("text", text, x=x + width / 2, y=y_text))
            if not op:
                continue
            own = radius if len(op) < 6 else half
            centre = x - gap - half
            shape: dict[str, Any] = {"r": own} if own == radius else {"rx": own, "ry": radius}
            boxes.append(_tag("circle" if own == radius else "ellipse", cx=centre, cy=y, **shape))
            size = min(12, 3.1 * own / len(op))  # a long name still fits
            words.append(_tag("text", op, x=centre, y=y + size / 3, font_size=size))
            arrows.append(_tag("path", d=f"M{centre + own:.1f} {y:.1f}H{x:.1f}"))
            for j in inputs:
                x0, x1, y0 = left[j] + width, centre - own, middle[j]
                turn = centre - half - gap  # from the input straight on, then over to this row
                bend = turn + gap / 2
                curve = f"{turn:.1f} {y0:.1f}C{bend:.1f} {y0:.1f} {bend:.1f} {y:.1f}"
                arrows.append(_tag("path", d=f"M{x0:.1f} {y0:.1f}L{curve} {x1:.1f} {y:.1f}"))
        right, bottom = left[0] + width + gap, max(middle) + 3 * line
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right:.0f} {bottom:.0f}" '
            f'width="{right:.0f}" height="{bottom:.0f}" font-family="monospace" font-size="12">\n'
            '<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker>\n'
            + _group(arrows, 'fill="none" stroke="#555" marker-end="url(#tip)"')
            + _group(boxes, 'fill="#fff" stroke="#333"')
            + _group(words, 'text-anchor="middle"')
            + "</svg>\n"
        )

    def _layout(self, column_width: float, line: float) -> tuple[list[float], list[float]]:
        """For each node the left edge and the middle of its box."""
        column = [0] * len(self.nodes)  # counted from the root
        users: list[list[int]] = [[] for _ in self.nodes]
        for i, (_, _, inputs) in enumerate(self.nodes):
            for x in inputs:
                column[x] = max(column[x], column[i] + 1)
                users[x].append(i)
        members: list[list[int]] = [[] for _ in range(max(column) + 1)]
        for i, c in enumerate(column):
            members[c].append(i)

        row = [0.0] * len(self.nodes)
        for nodes in members:  # in the order of those that use them, so that few arrows cross
            nodes.sort(key=lambda i: (sum(row[u] for u in users[i]) / max(len(users[i]), 1), -i))
            for place, i in enumerate(nodes):
                row[i] = place - (len(nodes) - 1) / 2
        row_height = line * (1.5 + max(len(texts) for texts, _, _ in self.nodes))
        left = [(max(column) - c + 0.2) * column_width for c in column]
        return left, [(r - min(row)) * row_height + 3 * line for r in row]

    def _repr_svg_(self) -> str:
        return self.svg

    def render(self, path: str | os.PathLike[str]) -> str:
        """Write the graph to a file, which appears whole or not at all.

        Args:
            path: ending in .svg (added if there is no suffix) for the picture, in .dot or .gv for
                the source.

        Returns:
            The path written.

        Raises:
            ValueError: another suffix.
        """
        path = os.fspath(path)
        suffix = os.path.splitext(path)[1].lower()
        if suffix not in ("", ".svg", ".dot", ".gv"):
            raise ValueError(f"render: expected a path ending in .svg, .dot or .gv, got {path!r}")
        text = self.source if suffix in (".dot", ".gv") else self.svg
        path = path if suffix else path + ".svg"
        temporary = f"{path}.{os.getpid()}.tmp"
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
        return path

    save = render


def _dot_escape(text: str) -> str:
    return "".join("\\" + c if c in '\\"{}|<>' else c for c in text)


def _tag(name: str, text: str = "", **attributes: float | str) -> str:
    pairs = [
        f'{key.replace("_", "-")}="{value if isinstance(value, str) else round(value, 1)}"'
        for key, value in attributes.items()
    ]
    return f"<{' '.join([name, *pairs])}>{html.escape(text)}</{name}>\n"


def _group(tags: list[str], style: str) -> str:
    return f"<g {style}>\n{''.join(tags)}</g>\n"
