"""Attention weights read out of the graph that a forward pass leaves: no model has to hand them out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..fused.attention import attention as attend
from ..graph import Node, enable_grad, no_grad
from ..nn.module import Module
from ..tensor import Tensor, current_node, new_tensor
from ..types import Array

__all__ = ["attention_weights", "nodes_behind", "tensors_in"]


def attention_weights(model: Module, *inputs: Any) -> list[np.ndarray]:
    """The weights of every attention in ``model(*inputs)``, in the order of computation: (B, H, T, S) each.

    Found are calls of ``scaled_dot_product_attention``, and softmaxes whose result has the last input's
    T in both of its last dimensions (attention written out by hand). The model runs in evaluation
    mode, with gradients on, since it is the recorded graph that is read; it is left as it was.
    """
    was_training = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with enable_grad():
            output = model(*inputs)
    finally:
        for module, training in was_training:
            module.training = training
    lengths = {t.shape[1] for t in tensors_in(inputs) if t.ndim > 1}
    found = []
    for node in sorted(nodes_behind(tensors_in(output)), key=lambda node: node.seq):
        weights = _weights_of(node, lengths)
        if weights is not None:
            found.append(_with_heads(weights))
    return found


def _weights_of(node: Node, lengths: set[int]) -> Array:
    name = "" if node.op is None else getattr(node.op, "name", "")
    if name == "scaled_dot_product_attention" and node.saved is not None:
        saved = dict(zip(node.op.saves, node.saved))
        k = saved["k"]
        values = np.eye(k.shape[-2], dtype=k.numpy(force=True).dtype)
        identity = new_tensor(np.broadcast_to(values, (*k.shape[:-2], *values.shape)))
        # softmax(scale Q K^T + mask) I: with the identity for values the result is the weights.
        with no_grad():
            q, mask = saved["q"].detach(), saved["mask"]
            return attend(q, k.detach(), identity.to(k.device), mask, None, saved["causal"], saved["scale"]).numpy(
                force=True
            )
    if name == "softmax" and node.saved is not None:
        shape = node.shape
        if len(shape) >= 2 and shape[-1] == shape[-2] and shape[-1] in lengths:
            out = dict(zip(node.op.saves, node.saved))["out"]
            return out.numpy(force=True) if isinstance(out, Tensor) else np.asarray(out)
    return None


def _with_heads(weights: np.ndarray) -> np.ndarray:
    """(T, S), (B, T, S) or (B, H, T, S) as (B, H, T, S)."""
    if weights.ndim == 2:
        return weights[None, None]
    return weights[:, None] if weights.ndim == 3 else weights.reshape(-1, *weights.shape[-3:])


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [t for each in value for t in tensors_in(each)]
    return []


def nodes_behind(tensors: list[Tensor]) -> Iterator[Node]:
    """Every node of the graph that ``tensors`` were computed in, each once."""
    stack = [node for t in tensors if (node := current_node(t)) is not None]
    seen = set(stack)
    while stack:
        node = stack.pop()
        yield node
        for edge in node.edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
