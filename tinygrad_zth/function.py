"""``torch.autograd.Function``: an operation whose forward and backward a user writes.

class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * grad_output

y = Cube.apply(x)
"""

from __future__ import annotations

import functools
import weakref
from typing import Any

from .backends import backend_of
from .graph import mode, no_grad
from .operation import Operation, Output, joint, record
from .tensor import Tensor, current_node, new_tensor, storage_of

__all__ = ["Function", "once_differentiable"]


class FunctionCtx:
    """What ``forward`` leaves for ``backward``: ``save_for_backward`` for tensors, attributes for the rest."""

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()
        self._stamps: tuple[Any, ...] = ()
        self._producer: Any = None  # weakref to the node, for saved outputs
        self._outputs: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._not_differentiable: tuple[Any, ...] = ()
        self._materialize = True
        self.needs_input_grad: tuple[bool, ...] = ()
        self._inputs: tuple[Any, ...] = ()  # their shapes

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keep inputs, outputs or intermediate tensors (or None) for ``backward``."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is of type {type(t).__name__}"
                )
        self._saved = tensors
        self._stamps = tuple(None if t is None else storage_of(t).version for t in tensors)

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved. Raises RuntimeError if one was written over since."""
        for t, stamp in zip(self._saved, self._stamps, strict=True):
            if t is not None and t._storage.version != stamp:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace "
                    f"operation: [{t.dtype.legacy}Tensor {list(t.shape)}] is at version {t._storage.version}; "
                    f"expected version {stamp} instead."
                )
        return tuple(self._connected(t) for t in self._saved) if mode.recording else self._saved

    def _connected(self, t: Tensor | None) -> Tensor | None:
        """A saved output with its place in the graph, which it must not hold while it is saved (a cycle)."""
        producer = None if self._producer is None else self._producer()
        for i, output in enumerate(self._outputs):
            if t is not None and t is output and producer is not None:
                again = new_tensor(t._array)
                again._storage = t._storage
                record(again, Output(producer.op.name, producer.op.grad_name), (producer,), (i, len(self._outputs)))
                return again
        return t

    def mark_dirty(self, *tensors: Any) -> None:
        """Declare inputs that ``forward`` changed in place."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Declare outputs that have no gradient."""
        self._not_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` gets zeros (the default) or None for outputs that were not used."""
        self._materialize = value


class Function:
    """Base class of custom operations; call them through ``apply``, never construct them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            f"{type(self).__name__} should not be instantiated. Methods on autograd functions are all static, so you should invoke them on the class itself: {type(self).__name__}.apply"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The result, computed on tensors that are not recorded: ``forward(ctx, *inputs)``."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """One gradient (or None) per input of ``forward``, from one per output."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
        )

    setup_context: Any = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run ``forward`` and record ``backward``. Returns what ``forward`` returns."""
        ctx = FunctionCtx()
        nodes = tuple(current_node(a) if isinstance(a, Tensor) else None for a in args)
        ctx.needs_input_grad = tuple(n is not None for n in nodes)
        with no_grad():
            if cls.setup_context is not None:
                results = cls.forward(*args)
                cls.setup_context(ctx, args, results)
            else:
                results = cls.forward(ctx, *args)
        outputs = results if isinstance(results, tuple) else (results,)
        if not mode.recording or not any(ctx.needs_input_grad):
            return results

        like = [t if isinstance(t, Tensor) else None for t in outputs]
        produced = [_own(t, ctx) if isinstance(t, Tensor) else t for t in outputs]
        operation = _operation(cls)  # type: ignore[arg-type]  # a class has a hash of its own
        first = next((t for t in produced if isinstance(t, Tensor)), None)
        if first is None:
            return results
        ctx._inputs = tuple(None if n is None else n.shape for n in nodes)
        shapes = tuple(None if t is None else (t._array.shape, t._array.dtype) for t in like)
        kept = tuple(t for t in ctx._saved if t is not None)  # freed with the graph, as all that is saved
        producer = record(new_tensor(first._array), operation, nodes, (ctx, shapes, *kept))
        ctx._producer, ctx._outputs = weakref.ref(producer), outputs
        port = Output(operation.name, operation.grad_name)
        for i, t in enumerate(produced):
            apart = any(outputs[i] is other for other in ctx._not_differentiable)
            if isinstance(t, Tensor) and t._array.dtype.kind == "f" and not apart:
                record(t, port, (producer,), (i, len(outputs)))
        return tuple(produced) if isinstance(results, tuple) else produced[0]


def _own(t: Tensor, ctx: Any) -> Tensor:
    """The tensor to return for an output: inputs passed through become tensors of their own."""
    if any(t is d for d in ctx._dirty):
        storage_of(t).version += 1
        t._view = None
        return t
    alias = new_tensor(t._array)
    alias._storage = storage_of(t)
    return alias


@functools.cache
def _operation(cls: Any) -> Operation:
    def backward(gs: list[Any], needs: tuple[bool, ...], ctx: Any, shapes: tuple[Any, ...]) -> list[Any]:
        from .autograd import recording_gradients

        recorded = recording_gradients()
        arguments: list[Tensor | None] = []
        for g, made in zip(gs, shapes, strict=True):
            if g is None and made is not None and ctx._materialize:
                some = next(x for x in gs if x is not None)
                array = some._array if isinstance(some, Tensor) else some
                arguments.append(new_tensor(backend_of(array).xp.zeros(*made)))
            else:
                arguments.append(g if g is None or isinstance(g, Tensor) else new_tensor(g))
        results = cls.backward(ctx, *arguments)
        results = results if isinstance(results, tuple) else (results,)
        if len(results) < len(needs) or any(r is not None for r in results[len(needs) :]):
            raise RuntimeError(
                f"function {cls.__name__}Backward returned an incorrect number of gradients (expected {len(needs)}, got {len(results)})"
            )
        gradients: list[Any] = []
        for i, (r, need) in enumerate(zip(results, needs, strict=False)):
            if r is not None and not isinstance(r, Tensor):
                raise RuntimeError(
                    f"{cls.__name__}.backward: expected Variable or None (got {type(r).__name__}) for input {i}"
                )
            if r is None or not need:
                gradients.append(None)
                continue
            if r._array.shape != ctx._inputs[i] and not _reaches(ctx._inputs[i], r._array.shape):
                raise RuntimeError(
                    f"Function {cls.__name__}Backward returned an invalid gradient at index {i} - got "
                    f"{list(r._array.shape)} but expected shape compatible with {list(ctx._inputs[i])}"
                )
            gradients.append(r if recorded else r._array)
        return gradients

    return joint(cls.__name__, ("ctx", "shapes"), backward, f"{cls.__name__}Backward")


def _reaches(shape: tuple[int, ...], larger: tuple[int, ...]) -> bool:
    """Whether ``shape`` broadcasts to ``larger``, so that a gradient of that shape can be summed to it."""
    lead = len(larger) - len(shape)
    return lead >= 0 and all(n in (1, m) for n, m in zip(shape, larger[lead:], strict=True))


def once_differentiable(function: Any) -> Any:
    """Decorates a ``backward`` that must not itself be differentiated."""

    @functools.wraps(function)
    def wrapped(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            results = function(ctx, *grads)
        if not mode.recording or not any(isinstance(g, Tensor) and g.requires_grad for g in grads):
            return results

        def refuse(g: Any) -> None:
            raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")

        listed = results if isinstance(results, tuple) else (results,)
        marked = []
        for r in listed:
            if isinstance(r, Tensor):
                r = new_tensor(r._array).requires_grad_()
                r = r.clone()
                r.register_hook(refuse)
            marked.append(r)
        return tuple(marked) if isinstance(results, tuple) else marked[0]

    return wrapped
