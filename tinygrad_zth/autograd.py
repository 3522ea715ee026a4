"""The backward pass.

The value of a node flows forward once; its gradient flows back once, when it is complete. Nodes are
numbered in the order they were made and every edge leads to a smaller number, so taking the largest
number first (a heap, no recursion) visits each node after everything that uses it. That is the
reverse topological order of ``value.py``, without sorting.

Three things are done here, once, for every operation:

* broadcasting is undone: a gradient larger than its edge is summed to the edge's shape, and one that is
  smaller, the gradient of a sum, is repeated;
* casting is undone: a gradient takes on its edge's dtype;
* gradients that meet are added, in place once the sum is a buffer that nobody else can see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from . import backends, graph
from .backends import array_types, backend_of
from .broadcasting import alias, fitted
from .dtypes import of
from .graph import (
    Node,
    detect_anomaly,
    enable_grad,
    inference_mode,
    mode,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)
from .operation import FREED, Operation, Output, overwritten
from .tensor import Tensor, current_node, new_tensor, storage_of
from .types import Array, Value

if TYPE_CHECKING:  # torch.autograd has these, too; api.py puts them here
    from . import jacobians
    from .function import Function as Function
    from .function import once_differentiable as once_differentiable
    from .testing.gradcheck import gradcheck as gradcheck
    from .testing.gradcheck import gradgradcheck as gradgradcheck

    functional, Variable = jacobians, Tensor

__all__ = [
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

# ---------------------------------------------------------------------------- the pass


def recording_gradients() -> bool:
    """Inside a backward pass: whether it is being recorded (``create_graph``)."""
    return mode.recording


def run(
    roots: Sequence[Node],
    gradients: Any,
    keep: bool,
    create_graph: bool,
    targets: dict[Node, int] | None = None,
) -> list[Any]:
    """Propagate ``gradients``, a Tensor for each of the nodes ``roots``, to the leaves.

    Args:
        keep: leave what the nodes saved, for another pass.
        create_graph: record the computation of the gradients.
        targets: go no further than to these nodes and return what arrived (a list by the given positions, None
            where nothing did) instead of accumulating into the leaves.

    The leaves come last, in the order in which something first arrived at each: where the pass fails, none has been
    changed. (PyTorch accumulates into a leaf as soon as its gradient is complete.)
    """
    found: list[Any] = [None] * len(targets or ())
    useful: Any = None if targets is None else _ancestors_of(targets, roots)
    pending: dict[int, list[Any]] = {}  # seq -> [node, gradient so far, whether the buffer is ours alone]
    queue: list[int] = []  # a heap of -seq; the leaves are not in it, but come last
    edges = roots  # the first that something is handed to
    if not create_graph:
        gradients = [t._array for t in gradients]
    g: Any
    g, ours, fresh = None, False, False

    before = mode.recording
    mode.recording = create_graph
    plainly = not create_graph and targets is None  # every edge wants its gradient, as an array
    follow, anomaly = backends.follow, graph.anomaly
    try:
        while True:
            for edge, gi in zip(edges, gradients):
                if gi is None or edge is None:
                    continue
                # The gradient handed on unchanged stays ours if only one gets it (of two, the one who
                # adds to it would change what the other was given); a view of something is never ours;
                # anything else a formula returns is a fresh buffer.
                mine = fresh and gi.base is None if gi is not g else ours and len(edges) == 1
                seq = edge.seq
                entry = pending.get(seq)
                if gi.shape != edge.shape or gi.dtype is not edge.dtype:
                    gi, mine = fitted(gi, edge, mine, entry is None)
                if entry is None:
                    pending[seq] = [edge, gi, mine]
                    if edge.op is not None:
                        heappush(queue, -seq)
                elif entry[2]:
                    entry[1] += gi
                else:
                    entry[1] = entry[1] + gi
                    entry[2] = not create_graph
            if not queue:
                break
            node, g, ours = pending.pop(-heappop(queue))
            if node.extra is not None:
                g, ours = _arrive(node, g, ours)
            if follow is not None:
                follow(g)
            operation, edges = node.op, node.edges
            if plainly and operation.gradients is not None:
                gradients, fresh = operation.gradients(node, g, keep), True
            else:
                if targets is not None and node in targets:
                    found[targets[node]] = g
                    if useful.isdisjoint(edges):
                        edges = ()
                        continue
                    ours = False  # another target lies behind this one; what arrived here stays as it is
                if operation.__class__ is Output:
                    _collect(pending, queue, node, g)
                    edges = ()
                    continue
                gradients = _gradients(node, g, keep, create_graph, useful)
                fresh = operation.fresh and not create_graph
            if anomaly:
                _check_nan(node, gradients)
        for leaf, g, ours in pending.values():  # what is left
            if leaf.extra.hooks is not None:
                g, ours = _arrive(leaf, g, ours)
            if targets is None:
                _accumulate(leaf, g, ours)
            elif leaf in targets:
                found[targets[leaf]] = g
    finally:
        mode.recording = before
    return found


def _collect(pending: dict[int, list[Any]], queue: list[Any], node: Node, g: Value) -> None:
    """The gradient of one of several outputs waits at the producer for the others."""
    (producer,), (position, count) = node.edges, node.saved
    entry = pending.get(producer.seq)
    if entry is None:
        entry = pending[producer.seq] = [producer, [None] * count, False]
        heappush(queue, -producer.seq)
    before = entry[1][position]
    entry[1][position] = g if before is None else before + g


def _gradients(node: Node, g: Array, keep: bool, create_graph: bool, useful: set[Node] | None) -> Iterable[Any]:
    """The gradient for each edge of ``node``, in general: what ``operation.gradients`` does for a plain
    pass, also for operations on lists, where the pass is recorded, and for ``useful`` edges only."""
    operation = node.op
    values, frees = _unpack(node, operation, create_graph)
    if operation.backward is not None:
        gradients = _joint(node, g, values, create_graph, useful)
    else:
        gradients = _by_formulas(node, g, values, useful)
    if frees and not keep:
        node.saved = None
    result: Iterable[Any] = gradients
    return result


def _unpack(node: Node, operation: Operation, create_graph: bool) -> tuple[list[Any], bool]:
    """What ``node`` saved, as arrays (as Tensors under ``create_graph``), unless it was written over."""
    saved = node.saved
    if saved is None:
        raise RuntimeError(FREED)
    if operation.saves_out and node.extra is not None:
        storage = node.extra.out_storage
        if storage is not None and storage.version:
            raise overwritten(operation, node, storage.version, 0)
    for i, stamp in zip(operation.checked, node.stamps):
        t = saved[i]
        if isinstance(t, Tensor) and t._storage is not None and t._storage.version != stamp:
            raise overwritten(operation, t._array, t._storage.version, stamp)
    values, frees = [], operation.holds or any(saved[i] is not None for i in operation.checked)
    for s in saved:
        if isinstance(s, Tensor):
            frees = True
            values.append(s if create_graph else s._array)
        else:
            values.append(s)
            frees = frees or s.__class__ in array_types
    if create_graph and operation.saves_out:
        i = operation.saves.index("out")
        values[i] = new_tensor(values[i], node=node)
    return values, frees


def _by_formulas(node: Node, g: Value, values: list[Any], useful: set[Node] | None) -> list[Any]:
    """The gradients of an operation with formulas."""
    return [
        None
        if edge is None or (useful is not None and edge not in useful)
        else rule.formula(g, *[values[j] for j in rule.needs])
        for edge, rule in zip(node.edges, node.op.rules)
    ]


def _joint(node: Node, g: Value, values: list[Any], create_graph: bool, useful: set[Node] | None) -> Any:
    """The gradients of a fused operation: by its kernel, or through ``plain`` if they are recorded."""
    operation = node.op
    needs = tuple(e is not None and (useful is None or e in useful) for e in node.edges)
    if not create_graph or operation.plain is None:
        return operation.backward(g, needs, *[values[i] for i in operation.rules])
    by_name = dict(zip(operation.saves, values, strict=True))
    aliases = {name: alias(by_name[name]) for name, need in zip(operation.inputs, needs, strict=True) if need}
    result = operation.plain(*[aliases.get(p, by_name[p]) for p in operation.parameters])
    if isinstance(g, list):  # several results, of which not all need have been used
        result, g = zip(*[(r, gr) for r, gr in zip(result, g, strict=True) if gr is not None], strict=True)
    found = iter(grad(result, list(aliases.values()), g, create_graph=True, allow_unused=True))
    return [next(found) if need else None for need in needs]


def _arrive(node: Node, g: Array, ours: bool) -> tuple[Any, ...]:
    """Run the hooks on a complete gradient, and leave it with the tensor that retains it."""
    extra = node.extra
    if extra.hooks:
        t = g if isinstance(g, Tensor) else new_tensor(g)
        for hook in list(extra.hooks.values()):
            replaced = hook(t)
            if replaced is not None:
                if not isinstance(replaced, Tensor):
                    raise TypeError(f"a gradient hook must return a Tensor or None, not {type(replaced).__name__}")
                if replaced.shape != node.shape:
                    raise RuntimeError(
                        f"hook has changed the size of value: expected {list(node.shape)}, got {list(replaced.shape)}"
                    )
                if replaced._array.dtype != node.dtype:
                    raise RuntimeError(
                        f"hook has changed the type of value (was torch.{of(node.dtype).legacy}Tensor got "
                        f"torch.{of(replaced._array.dtype).legacy}Tensor)"
                    )
                t = replaced
        g, ours = (t if isinstance(g, Tensor) else t._array), False
    if node.op is not None and extra.home is not None:
        home = extra.home()
        if home is not None:
            _leave(home, g)
    return g, ours


def _leave(t: Tensor, g: Value) -> None:
    """Add a gradient to the ``.grad`` of an inner node's tensor."""
    g = g if isinstance(g, Tensor) else new_tensor(g + 0)
    t._grad = g if t._grad is None else t._grad + g


def _accumulate(node: Node, g: Array, ours: bool) -> None:
    """Add a complete gradient to the leaf's ``.grad`` (in place, where one is already there)."""
    leaf = node.extra.home()
    if leaf is None or leaf._node is None:  # gone, or no longer asking for a gradient
        return
    old = leaf._grad
    known = g.__class__ in array_types
    if not known and isinstance(g, Tensor):
        leaf._grad = g if old is None else old + g
    elif old is None:
        if not known:  # a NumPy scalar
            g = backend_of(leaf._array).xp.asarray(g)
        leaf._grad = new_tensor(g if ours else g.copy())
    elif old._node is None and backend_of(old._array).is_writeable(old._array):
        old._array += g
        storage_of(old).version += 1
    else:
        leaf._grad = new_tensor(old._array + g)
    if node.extra.after:
        for hook in list(node.extra.after.values()):
            hook(leaf)


def _check_nan(node: Node, gradients: Iterable[Any]) -> None:
    for gi in gradients:
        array = gi._array if isinstance(gi, Tensor) else gi
        if array is not None and (array != array).any():
            place = "" if node.extra is None or node.extra.trace is None else node.extra.trace
            raise RuntimeError(
                f"Function '{node.op.grad_name}' returned nan values in its gradient. The forward "
                f"operation was {node.op.name}()" + (f", called here:\n{place}" if place else "")
            )


def _ancestors_of(targets: dict[Node, int], roots: Sequence[Node]) -> set[Node]:
    """The nodes on some path from ``roots`` to ``targets``: the only ones worth visiting."""
    users: dict[Node, list[Node]] = {}
    stack, seen = list(roots), set(roots)
    while stack:
        node = stack.pop()
        for edge in node.edges:
            if edge is not None:
                users.setdefault(edge, []).append(node)
                if edge not in seen:
                    seen.add(edge)
                    stack.append(edge)
    useful, stack = set(targets), list(targets)
    while stack:
        for user in users.get(stack.pop(), ()):
            if user not in useful:
                useful.add(user)
                stack.append(user)
    return useful


# ---------------------------------------------------------------------------- what users call


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Accumulate into ``.grad`` of every leaf the gradient of the sum of ``tensors``.

    Args:
        tensors: a Tensor or a sequence of them.
        grad_tensors: the gradient of each; may be left out (None) for one-element tensors.
        retain_graph: keep the graph for another pass (default: the value of ``create_graph``).
        create_graph: record the backward pass, so that the gradients can be differentiated.
        inputs: accumulate into these leaves only.

    Raises:
        RuntimeError: if a tensor has no graph, if a gradient is missing or of the wrong shape, if
            the graph was freed, or if a saved value has been written over.
    """
    roots, gradients = _roots(tensors, grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        run(roots, gradients, keep, create_graph)
        return
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if not inputs:
        raise RuntimeError("'inputs' argument to backward() cannot be empty.")
    targets = _targets(inputs)
    found = run(roots, gradients, keep, create_graph, targets)
    for node, place in targets.items():
        g = found[place]
        if g is None:
            continue
        if node.op is None:
            _accumulate(node, g, False)
        elif node.extra is None or node.extra.home is None:  # else it has been left there already
            t = next(t for t in inputs if current_node(t) is node)
            _leave(t, g)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of the sum of ``outputs`` with respect to ``inputs``; no ``.grad`` is touched.

    Returns a tuple with one Tensor per input (None, if ``allow_unused``, where an input was not
    used; zeros with ``materialize_grads``).

    Raises:
        RuntimeError: as ``backward``; also if an input does not require grad or was not used.
    """
    if is_grads_batched:
        raise NotImplementedError("grad(): is_grads_batched is not supported")
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True")
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    roots, gradients = _roots(outputs, grad_outputs)
    targets = _targets(inputs)
    found = run(roots, gradients, create_graph if retain_graph is None else retain_graph, create_graph, targets)
    result: list[Any] = []
    for i, t in enumerate(inputs):
        g = found[targets[current_node(t)]]
        if g is None and materialize_grads:
            g = t._array * 0
        if g is None:
            if not allow_unused:
                raise RuntimeError(
                    f"The differentiated Tensor at index {i} appears to not have been used in the graph. "
                    "Set allow_unused=True if this is the desired behavior."
                )
        elif not isinstance(g, Tensor):
            g = new_tensor(backend_of(t._array).xp.array(g))
        result.append(g)
    return tuple(result)


def _targets(inputs: list[Tensor]) -> dict[Any, int]:
    targets: dict[Any, int] = {}  # by node
    for t in inputs:
        node = current_node(t)
        if node is None:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
        targets.setdefault(node, len(targets))
    return targets


def _roots(
    tensors: Tensor | Sequence[Tensor], gradients: Tensor | Sequence[Tensor | None] | None
) -> tuple[list[Node], list[Tensor]]:
    """The node of each tensor, and its gradient, checked."""
    if isinstance(tensors, Tensor):
        tensors = [tensors]
    tensors = list(tensors)
    if gradients is None or isinstance(gradients, Tensor):
        gradients = [gradients]
    gradients = list(gradients)
    if len(gradients) == 1 and gradients[0] is None:
        gradients = [None] * len(tensors)
    if len(gradients) != len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(gradients)} gradients")
    nodes, firsts = [], []
    for i, (t, g) in enumerate(zip(tensors, gradients, strict=True)):
        nodes.append(_root(t, i))
        firsts.append(_first_gradient(t, g, i))
    return nodes, firsts


def _root(t: Tensor, i: int = 0) -> Node:
    """The node of the ``i``-th tensor."""
    node = current_node(t)
    if node is None:
        raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
    return node


def _first_gradient(t: Tensor, g: Tensor | None, i: int = 0) -> Tensor:
    """The gradient of the ``i``-th tensor: ``g``, or 1 where that is None."""
    array = t._array
    if g is None:
        if array.size != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        xp = backend_of(array).xp
        return new_tensor(xp.ones(array.shape, array.dtype) if array.ndim else xp.array(1, array.dtype))
    if not isinstance(g, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if g._array.shape != array.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a shape of {t.shape}."
        )
    if g._array.__class__ is not array.__class__ and g.device != t.device:
        raise RuntimeError(f"invalid gradient at index {i} - expected device {t.device} but got {g.device}")
    return g


def _backward_method(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """The gradient of this tensor with respect to the leaves; see ``torch.autograd.backward``."""
    plain = gradient is None or isinstance(gradient, Tensor)
    if plain and inputs is None and not create_graph:  # the common case, without ado
        run((_root(self),), (_first_gradient(self, gradient),), bool(retain_graph), False)
    else:
        backward(self, gradient, retain_graph, create_graph, inputs)


_backward_method.__name__ = "backward"
Tensor.backward = _backward_method  # type: ignore[method-assign]  # the table of methods, as the stub has it
