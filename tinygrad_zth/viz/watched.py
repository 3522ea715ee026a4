"""The backward pass, one visible step at a time.

It visits the graph in the engine's order (``autograd.run``) and asks each operation for the same
gradients, but keeps what the engine forgets: the complete gradient at every node, and what flowed
along every edge, as the operation's rule gave it and as the input received it. Nothing is written
to any ``.grad``, no hook runs, and the graph can be passed again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from ..autograd import _by_formulas, _joint, _unpack
from ..backends import backend_of
from ..broadcasting import fitted
from ..graph import Node, no_grad
from ..operation import Output
from ..tensor import Tensor, current_node

__all__ = ["Flow", "Pass", "origin", "watched_backward"]


@dataclass
class Flow:
    """A gradient on its way from an operation to one of its inputs.

    node, place: the operation's node, and which of its differentiable inputs.
    to: the node the input came from.
    raw_shape: what the rule gave; where it differs from ``to.shape``, broadcasting was undone.
    gradient: what the input received, in its shape.
    """

    node: Node
    place: int
    to: Node
    raw_shape: tuple[int, ...]
    raw_dtype: Any
    gradient: Any


@dataclass
class Pass:
    """What a backward pass did: the nodes in the order of the visit, their gradients, the flows."""

    order: list[Node] = field(default_factory=list)
    gradients: dict[Node, Any] = field(default_factory=dict)
    flows: dict[Node, list[Flow]] = field(default_factory=dict)


def origin(node: Node) -> Node:
    """The node of the operation itself, for the node of one of its several outputs."""
    return node.edges[0] if node.op is not None and node.op.__class__ is Output else node


def watched_backward(root: Tensor, gradient: Any = None) -> Pass:
    """The backward pass from ``root``, seen.

    Args:
        gradient: the gradient of ``root``, an array of its shape; ones where it is None, which for a
            root of more than one element is the gradient of its sum.

    Raises:
        RuntimeError: ``root`` does not require grad; the graph was freed by an earlier backward(); a
            value it needs was written over.
    """
    start = current_node(root)
    if start is None:
        raise RuntimeError("the tensor does not require grad and does not have a grad_fn: there is no graph behind it")
    seen = Pass()
    array = root.detach()._array
    xp = backend_of(array).xp
    first = xp.ones(array.shape, array.dtype) if gradient is None else xp.asarray(gradient, array.dtype)
    pending: dict[int, Node] = {start.seq: start}
    arrived: dict[int, Any] = {start.seq: first}
    queue = [-start.seq]
    with no_grad():
        while queue:
            seq = -heappop(queue)
            node, g = pending.pop(seq), arrived.pop(seq)
            seen.order.append(node)
            if node.op is None:
                seen.gradients[node] = g
                continue
            if node.op.__class__ is Output:
                seen.gradients[node] = g
                (producer,), (place, count) = node.edges, node.saved
                if producer.seq not in pending:
                    pending[producer.seq], arrived[producer.seq] = producer, [None] * count
                    heappush(queue, -producer.seq)
                before = arrived[producer.seq][place]
                arrived[producer.seq][place] = g if before is None else before + g
                continue
            if not isinstance(g, list):
                seen.gradients[node] = g
            for flow in _flows(node, g):
                seen.flows.setdefault(node, []).append(flow)
                seq = flow.to.seq
                if seq in pending:
                    arrived[seq] = arrived[seq] + flow.gradient
                else:
                    pending[seq], arrived[seq] = flow.to, flow.gradient
                    heappush(queue, -seq)
    return seen


def _flows(node: Node, g: Any) -> list[Flow]:
    values, _ = _unpack(node, node.op, False)
    if node.op.backward is None:
        gradients = _by_formulas(node, g, values, None)
    else:
        gradients = list(_joint(node, g, values, False, None))
    flows = []
    for place, (edge, raw) in enumerate(zip(node.edges, gradients)):
        if edge is None or raw is None:
            continue
        received, _ = fitted(raw, edge, False, True)
        flows.append(Flow(node, place, edge, tuple(raw.shape), raw.dtype, received))
    return flows
