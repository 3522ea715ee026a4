"""How a module is called: forward, and the hooks around forward and backward."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from ..graph import RemovableHandle, mode
from ..operation import Output, joint, record
from ..tensor import Tensor, current_node, new_tensor, storage_of

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Calls"]

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class _Computes(Protocol[P, R]):
    """Anything with a ``forward``."""

    @property
    def forward(self) -> Callable[P, R]: ...


class Calls:
    """The part of Module that runs it. A module without hooks goes straight to ``forward``."""

    _forward_hooks: OrderedDict[int, Callable[..., Any]]
    _forward_hooks_with_kwargs: dict[int, bool]
    _forward_hooks_always_called: dict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _forward_pre_hooks_with_kwargs: dict[int, bool]
    _backward_hooks: OrderedDict[int, Callable[..., Any]]
    _backward_pre_hooks: OrderedDict[int, Callable[..., Any]]

    def _init_hooks(self) -> None:
        self.__dict__.update(
            _backward_pre_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
            _forward_hooks=OrderedDict(),
            _forward_hooks_with_kwargs={},
            _forward_hooks_always_called={},
            _forward_pre_hooks=OrderedDict(),
            _forward_pre_hooks_with_kwargs={},
        )

    if TYPE_CHECKING:  # a module takes and returns what its forward does: calls are checked by that
        forward: Callable[..., Any]

        @property
        def __call__(self: _Computes[P, R]) -> Callable[P, R]:
            """Run ``forward``, and the hooks around it."""
            return self.forward

    else:

        def forward(self, *input):
            """What the module computes; defined by every subclass."""
            raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

        def __call__(self, *args, **kwargs):
            """Run ``forward``, and the hooks around it."""
            try:
                plain = not (
                    self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks
                )
            except AttributeError:
                raise AttributeError(f"cannot call {type(self).__name__} before Module.__init__() call") from None
            return self.forward(*args, **kwargs) if plain else self._call_with_hooks(args, kwargs)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        called: set[int] = set()
        result = None
        try:
            args, kwargs = self._run_pre_hooks(args, kwargs)
            watch = None
            if (self._backward_hooks or self._backward_pre_hooks) and mode.recording:
                watch = _BackwardWatch(self)
                args = watch.enter(args)
            result = self.forward(*args, **kwargs)
            for key, hook in list(self._forward_hooks.items()):
                called.add(key)
                result = self._run_hook(key, hook, args, kwargs, result)
            return result if watch is None else watch.leave(result)
        except Exception:
            # Hooks registered with always_call run even now; what they raise themselves is dropped.
            for key, hook in list(self._forward_hooks.items()):
                if key in self._forward_hooks_always_called and key not in called:
                    try:
                        result = self._run_hook(key, hook, args, kwargs, result)
                    except Exception:
                        continue
            raise

    def _run_pre_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for key, hook in list(self._forward_pre_hooks.items()):
            if key in self._forward_pre_hooks_with_kwargs:
                replaced = hook(self, args, kwargs)
                if replaced is None:
                    continue
                if not (isinstance(replaced, tuple) and len(replaced) == 2):
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {replaced}."
                    )
                args, kwargs = replaced
            else:
                replaced = hook(self, args)
                if replaced is not None:
                    args = replaced if isinstance(replaced, tuple) else (replaced,)
        return args, kwargs

    def _run_hook(
        self, key: int, hook: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> Any:
        if key in self._forward_hooks_with_kwargs:
            replaced = hook(self, args, kwargs, result)
        else:
            replaced = hook(self, args, result)
        return result if replaced is None else replaced

    # ------------------------------------------------------------------ registering

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before every forward; what it returns replaces the arguments.

        With ``with_kwargs``, ``hook(module, args, kwargs)``, which may return both as a pair.
        Returns a handle with ``remove()``.
        """
        handle = RemovableHandle(self._forward_pre_hooks, hook)
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        if prepend:
            self._forward_pre_hooks.move_to_end(handle.id, last=False)
        return handle

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after every forward; a result replaces the output.

        With ``with_kwargs``, ``hook(module, args, kwargs, output)``; with ``always_call``, also
        when forward raises. Returns a handle with ``remove()``.
        """
        handle = RemovableHandle(self._forward_hooks, hook)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        if prepend:
            self._forward_hooks.move_to_end(handle.id, last=False)
        return handle

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients with respect to the
        module's positional inputs are there; what it returns replaces ``grad_input``.

        Both are tuples, None standing for what is no tensor or needs no gradient.
        """
        handle = RemovableHandle(self._backward_hooks, hook)
        if prepend:
            self._backward_hooks.move_to_end(handle.id, last=False)
        return handle

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Alias of :meth:`register_full_backward_hook`, which it has been superseded by."""
        return self.register_full_backward_hook(hook)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's backward; a result replaces it."""
        handle = RemovableHandle(self._backward_pre_hooks, hook)
        if prepend:
            self._backward_pre_hooks.move_to_end(handle.id, last=False)
        return handle


# ---------------------------------------------------------------------------- the backward hooks


def _cross(g: list[Any], needs: tuple[Any, ...], watcher: Callable[..., Any]) -> list[Any]:
    """The gradients that pass a boundary, after the watcher has seen (and perhaps replaced) them."""
    tensors = [None if x is None else x if isinstance(x, Tensor) else new_tensor(x) for x in g]
    passed = watcher(tuple(tensors))
    return [new if new is None or isinstance(old, Tensor) else new._array for old, new in zip(g, passed, strict=True)]


_BOUNDARY = joint("module_boundary", ("watcher",), _cross, "BackwardHookFunctionBackward")
_PASSED = Output(_BOUNDARY.name, _BOUNDARY.grad_name)


def _boundary(tensors: list[Tensor], watcher: Callable[..., Any]) -> list[Tensor]:
    """The same tensors behind one node of the graph, which calls ``watcher(gradients)``."""
    nodes = tuple(current_node(t) for t in tensors)
    producer = record(new_tensor(tensors[0]._array), _BOUNDARY, nodes, (watcher,))
    passed = []
    for i, t in enumerate(tensors):
        twin = new_tensor(t._array)
        twin._storage = storage_of(t)
        record(twin, _PASSED, (producer,), (i, len(tensors)))
        passed.append(twin)
    return passed


class _BackwardWatch:
    """Puts a boundary before and after one call of a module, and runs its hooks between them."""

    def __init__(self, module: Any) -> None:
        self.module: Module = module
        self.hooks = list(module._backward_hooks.values())
        self.pre_hooks = list(module._backward_pre_hooks.values())
        self.grad_output: tuple[Any, ...] = ()
        self.n_inputs = 0
        self.places: list[int] = []

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.n_inputs = len(args)
        self.places = _tracked_places(args)
        return self._replaced(args, self.places, self._on_input) if self.hooks else args

    def leave(self, result: Any) -> Any:
        single = isinstance(result, Tensor)
        if not single and not isinstance(result, (tuple, list)):
            return result
        outputs = (result,) if single else tuple(result)
        places = _tracked_places(outputs)

        def on_output(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
            full: list[Any] = [None] * len(outputs)
            for place, g in zip(places, gradients, strict=True):
                full[place] = g
            grad_output = tuple(full)
            for hook in self.pre_hooks:
                grad_output = _new_gradients(hook(self.module, grad_output), grad_output, "output")
            self.grad_output = grad_output
            if self.hooks and not self.places:
                nothing = (None,) * self.n_inputs
                for hook in self.hooks:
                    answer = hook(self.module, nothing, grad_output)
                    if answer is not None and not (isinstance(answer, tuple) and all(g is None for g in answer)):
                        raise RuntimeError(
                            "Backward hook for Modules where no input requires gradient should "
                            "always return None or None for all gradients."
                        )
            return tuple(grad_output[place] for place in places)

        passed = self._replaced(outputs, places, on_output)
        return passed[0] if single else type(result)(passed)

    @staticmethod
    def _replaced(values: tuple[Any, ...], places: list[int], watcher: Callable[..., Any]) -> tuple[Any, ...]:
        if not places:
            return values
        changed = list(values)
        for place, t in zip(places, _boundary([values[i] for i in places], watcher), strict=True):
            changed[place] = t
        return tuple(changed)

    def _on_input(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        full: list[Any] = [None] * self.n_inputs
        for place, g in zip(self.places, gradients, strict=True):
            full[place] = g
        grad_input = tuple(full)
        for hook in self.hooks:
            replaced = hook(self.module, grad_input, self.grad_output)
            grad_input = _new_gradients(replaced, grad_input, "input")
        return tuple(grad_input[place] for place in self.places)


def _tracked_places(values: tuple[Any, ...]) -> list[int]:
    return [i for i, v in enumerate(values) if isinstance(v, Tensor) and current_node(v) is not None]


def _new_gradients(replaced: Any, old: tuple[Any, ...], which: str) -> tuple[Any, ...]:
    if replaced is None:
        return old
    if not isinstance(replaced, tuple):
        replaced = (replaced,)
    if len(replaced) != len(old):
        raise RuntimeError(
            f"Backward hook returned an invalid number of grad_{which}, got {len(replaced)}, but expected {len(old)}"
        )
    result: tuple[Any, ...] = replaced
    return result
