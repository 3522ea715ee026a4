"""``draw_dot``: the graph behind a Value, a Tensor or a model's output, drawn."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..graph import enable_grad
from ..nn.module import Module
from ..tensor import Tensor
from ..value import Dot, Value
from .attention_maps import tensors_in
from .recorder import first_loss
from .steps import Call, calls_of, folded, steps_of_tensor, steps_of_value

__all__ = ["draw_dot"]

LIMIT = 200  # nodes beyond which a graph is folded


def draw_dot(
    root: Value | Tensor | Module,
    *inputs: Any,
    names: Mapping[str, Tensor] | Module | None = None,
    depth: int | None = None,
    limit: int = LIMIT,
    gradients: bool = True,
    path: str | os.PathLike[str] | None = None,
) -> Dot:
    """A picture of a graph of computation; a notebook shows it as it is.

    How to read it: from left to right. A box is a number or tensor (name, shape and dtype, data where it is
    one number, gradient), a circle the operation that made the box to its right. A gradient is that of
    the root with respect to the box; of a tensor, the mean of its absolute values is shown. In a folded
    graph a box is a whole module, with what it is made of.

    Args:
        root: a Value; a Tensor; or a Module, which is run on ``inputs`` (the graph is then that of its
            loss, or else of its first output, and is folded by module).
        names: what to call tensors: name to Tensor, or a Module (the names of its parameters).
        depth: fold the graph to the modules that deep: 1 for the model's children. Default, as deep as
            ``limit`` allows, and not at all where the whole graph fits.
        limit: nodes beyond which a graph is folded: by module, or where there are none into runs of
            operations. A graph of 100,000 nodes is drawn in about a second.
        gradients: work out the gradients of inner tensors too (not where the graph was freed by
            ``backward()``, nor of more than ``limit`` nodes: then leaves show their ``.grad``).
        path: also write it there: .svg the picture, .dot or .gv its text for Graphviz.

    Returns:
        a :class:`value.Dot`, with ``source``, ``svg`` and ``render(path)``.

    Raises:
        TypeError: ``root`` is none of these, or a Module gave no Tensor. ValueError: the path's suffix, or
            a limit below 2.
    """
    if limit < 2:
        raise ValueError(f"draw_dot: limit: expected at least 2, got {limit}")
    calls: list[Call] = []
    if isinstance(root, Module):
        names = root if names is None else names
        with calls_of(root) as calls, enable_grad():
            output = root(*inputs)
        loss = first_loss(output)
        found = [loss] if loss is not None else tensors_in(output)
        if not found:
            raise TypeError(f"draw_dot: {type(root).__name__} gave no Tensor, but {type(output).__name__}")
        root = found[0]
    if isinstance(root, Value):
        steps = steps_of_value(root)
    elif isinstance(root, Tensor):
        called = dict(names.named_parameters()) if isinstance(names, Module) else dict(names or {})
        few = depth is None and _fewer_than(root, limit)
        steps = steps_of_tensor(root, called, gradients and few and root.is_floating_point())
    else:
        raise TypeError(f"draw_dot: expected a Value, a Tensor or an nn.Module, got {type(root).__name__}")
    drawn = folded(steps, calls, depth, limit)
    dot = Dot([(step.texts, step.op, step.inputs) for step in drawn])
    if path is not None:
        dot.render(path)
    return dot


def _fewer_than(root: Tensor, limit: int) -> bool:
    from .attention_maps import nodes_behind

    return all(count < limit for count, _ in enumerate(nodes_behind([root])))
