"""What the recurrent rooms share: which rows a step has, and how an operation over all steps is applied.

A sequence is a matrix of rows, step after step: ``sizes[t]`` rows at step t, one for each sequence
that is still going on, the longest first. So a padded batch is the case in which all sizes are one,
and a cell the case of one step. The projections of all inputs are then one gemm, and so are the
gradients of the weights; only the product with the state has to wait for the step before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise
from typing import Any

from ..backends import array_types, backend_of
from ..dtypes import of
from ..graph import mode
from ..operation import Operation, Output, joint, record
from ..refusal import on_several_devices
from ..tensor import Tensor, current_node, new_tensor
from ..types import Array, Namespace

__all__ = ["FEW_STEPS", "Steps", "by_gate", "carried", "recurrence"]


class Steps:
    """The rows of each step, in the order in which the steps are taken.

    Args:
        sizes: rows of each step, not increasing.
        reverse: from the last step to the first.
    """

    __slots__ = ("batch", "reverse", "rows", "total", "uniform")

    def __init__(self, sizes: tuple[int, ...], reverse: bool = False) -> None:
        rows = list(pairwise((0, *accumulate(sizes))))
        self.rows = rows[::-1] if reverse else rows
        self.reverse, self.batch, self.total = reverse, sizes[0], rows[-1][1]
        self.uniform = sizes[-1] == sizes[0]

    def last(self, states: Any, join: Callable[..., Any]) -> Any:
        """Of the ``states`` after every row, (total, H), those that are final, (batch, H): a window, or several joined
        by ``join``. (A list of rows would be copied to a device at every call.)"""
        if self.reverse:
            return states[: self.batch]
        if self.uniform:
            return states[self.total - self.batch :]
        parts, done = [], 0
        for a, b in reversed(self.rows):
            if b - a > done:  # sequences that end with this step
                parts.append(states[a + done : b])
                done = b - a
        return join(parts)

    def before(self, join: Callable[..., Any], first: Array, states: Array, k: int) -> Array:
        """The states before the ``k``-th step, one for each of its rows: ``first`` (batch, H), or
        rows of ``states`` (total, H), or both, joined by ``join``."""
        a, b = self.rows[k]
        n = b - a
        if k == 0:
            return first[:n]
        start, end = self.rows[k - 1]
        if end - start >= n:
            return states[start : start + n]
        return join([states[start:end], first[end - start : n]])

    def befores(self, join: Callable[..., Any], first: Array, states: Array) -> Iterator[Array]:
        """``before`` of each step, in turn; ``states`` may be filled in meanwhile."""
        if self.uniform:
            yield first
            yield from self.split(states)[:-1]
        else:
            for k in range(len(self.rows)):
                yield self.before(join, first, states, k)

    def split(self, x: Array) -> list[Any]:
        """Windows on x, (total, H) or (steps, batch, H), for the steps, in their order."""
        if x.ndim == 3 or self.uniform:
            windows = list(x if x.ndim == 3 else x.reshape(len(self.rows), self.batch, x.shape[1]))
            return windows[::-1] if self.reverse else windows
        return [x[a:b] for a, b in self.rows]

    def split_gates(self, x: Array, gates: int, size: int) -> list[Any]:
        """Windows (gates, rows, size) on x, a vector of gates * total * size elements, for the steps, in
        their order: what is done to one gate, or to all, goes through memory in one piece."""
        each = gates * size
        return [x[a * each : b * each].reshape(gates, b - a, size) for a, b in self.rows]

    def all_before(self, xp: Namespace, first: Array, states: Array) -> Array:
        """``before`` of all steps, (total, H), each where the step's own rows are."""
        if self.uniform:
            if self.total == self.batch:
                return first
            between = states[self.batch :] if self.reverse else states[: -self.batch]
            return xp.concatenate([between, first] if self.reverse else [first, between])
        parts = [self.before(xp.concatenate, first, states, k) for k in range(len(self.rows))]
        return xp.concatenate(parts[::-1] if self.reverse else parts)


FEW_STEPS = 3
"""Fewer steps than this do not repay laying out the weights anew."""


def by_gate(weight: Array, gates: int) -> Array:
    """(gates * H, K) as one (K, H) for each gate, a window: what rows are multiplied by."""
    return weight.reshape(gates, -1, weight.shape[1]).swapaxes(1, 2)


def carried(xp: Namespace, first: Array, g: Array) -> Array:
    """The gradient of a state that is carried from step to step, as it begins: zero, or that of the
    final state, which is not written to."""
    return xp.zeros_like(first) if g is None else xp.array(g)


def recurrence(
    name: str, inputs: tuple[str, ...], extras: tuple[str, ...], forward: Callable[..., Any], backward: Callable[..., Any], plain: Callable[..., Any],
    options: tuple[str, ...] = ("steps",), outputs: int = 1,
) -> Callable[..., Any]:  # fmt: skip
    """The operation ``name(*inputs, *options)``, which returns a Tensor, or a tuple of several.

    Args:
        forward: ``(xp, *inputs, *options) -> (outputs..., extras...)`` on arrays.
        backward: ``(gs, needs, *inputs, *options, *extras, out)``: a gradient per input, each a
            buffer of its own; ``gs`` has one per output, None for one that nobody used.
        plain: the definition, on Tensors, ``(*inputs, *options)``.
    """
    self = joint(name, (*inputs, *options, *extras, "out"), backward, name.capitalize() + "Backward0")
    self.forward, self.plain, self.inputs, self.fresh = forward, plain, inputs, True
    self.parameters = (*inputs, *options)
    self.checked = (*range(len(inputs)), len(self.saves) - 1)
    port = Output(self.name, self.grad_name)
    count = len(inputs)

    def apply(*arguments: Any) -> Tensor | tuple[Tensor, ...]:
        given = arguments[:count]
        arrays = [t._array if isinstance(t, Tensor) else t for t in given]
        _check_dtypes(self, arrays)
        try:
            results = self.forward(backend_of(arrays[0]).xp, *arrays, *arguments[count:])
        except (TypeError, ValueError) as error:
            raise on_several_devices(name, [a for a in arrays if a.__class__ in array_types]) or error from None
        outs = [new_tensor(r) for r in results[:outputs]]
        nodes = [current_node(t) if isinstance(t, Tensor) else None for t in given]
        if mode.recording and any(n is not None for n in nodes):
            kept = (*given, *arguments[count:], *results[outputs:], outs[0].detach())
            stamps = tuple(_version(kept[i]) for i in self.checked)
            producer = record(new_tensor(results[0]), self, tuple(nodes), kept, stamps)
            if outputs == 1:
                outs[0]._node = producer
            else:
                for i, t in enumerate(outs):
                    record(t, port, (producer,), (i, outputs))
        return outs[0] if outputs == 1 else tuple(outs)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = plain.__doc__
    applied: Any = apply
    applied.op = self
    return apply


def _version(t: Tensor | None) -> int:
    return t._storage.version if isinstance(t, Tensor) and t._storage else 0


def _check_dtypes(operation: Operation, arrays: list[Array]) -> None:
    kinds = {a.dtype for a in arrays if a.__class__ in array_types}
    if len(kinds) > 1:
        names = ", ".join(sorted(of(k).name for k in kinds))
        raise RuntimeError(f"{operation.name}: input, state and weights must have the same dtype, but got {names}")
