"""The graph that a forward pass leaves behind: nodes, and whether to record them.

A :class:`Node` is one application of an operation: where its inputs came from (``edges``) and what
its gradient formulas need (``saved``). Nodes never point at the tensors they produced, so a graph
has no reference cycles: when the loss goes out of scope, everything goes with it.

``value.py`` has the same three ideas in miniature: a node remembers its inputs, nodes are numbered
in the order of creation, and that order, reversed, is the order of the backward pass.
"""

from __future__ import annotations

import functools
import inspect
import os
import threading
import traceback
import weakref
from collections.abc import Callable, Generator
from itertools import count
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "Node",
    "detect_anomaly",
    "enable_grad",
    "inference_mode",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

tick = count(1).__next__
_new: Callable[..., Any] = object.__new__


Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Node:
    """One edge-bearing step of the graph: a ``grad_fn``, or the place where a leaf's gradient goes.

    Attributes:
        op: the operation (an ``operation.Operation``), None for a leaf.
        edges: per differentiable input, the Node it came from, or None if it needs no gradient.
        saved: what the gradient formulas asked for; None once freed.
        stamps: the versions of the saved inputs at the time they were saved.
        shape, dtype: of the value, hence of its gradient.
        seq: number in order of creation; an edge always leads to a smaller one.
        extra: hooks and other rare things (:class:`Extra`), usually None.
    """

    __slots__ = ("__weakref__", "dtype", "edges", "extra", "op", "saved", "seq", "shape", "stamps")

    op: Any
    edges: tuple[Any, ...]
    saved: Any
    stamps: tuple[Any, ...]
    shape: tuple[int, ...]
    dtype: Any
    seq: int
    extra: Any  # Extra or None

    def name(self) -> str:
        """The name PyTorch prints for this function, e.g. ``MulBackward0``."""
        if self.op is None:
            return "torch::autograd::AccumulateGrad"
        shown = self.op.shown if self.extra is None else self.extra.shown or self.op.shown
        return shown if isinstance(shown, str) else self.op.grad_name if shown is None else shown(self)

    @property
    def next_functions(self) -> tuple[Any, ...]:
        """``((node, 0), ...)`` for the inputs, as in PyTorch; ``(None, 0)`` where none is needed."""
        return tuple((edge, 0) for edge in self.edges)

    @property
    def variable(self) -> Any:
        """The leaf tensor whose gradient accumulates here (None for an inner node)."""
        return None if self.op is not None else self.extra.home()

    def register_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(grad)`` with the gradient of this node's value before it is used."""
        return extra_of(self).add_hook(hook)

    def __repr__(self) -> str:
        name = self.name().rpartition("::")[2]
        return f"<{name} object at {id(self):#x}>"


class Extra:
    """What few nodes have: a tensor to leave the gradient with, hooks, a traceback."""

    __slots__ = ("after", "home", "hooks", "out_storage", "shown", "trace")

    def __init__(self) -> None:
        self.home: Any = None  # weakref to the tensor whose .grad receives what arrives
        self.hooks: dict[int, Any] | None = None  # {key: hook}, in order of registration
        self.after: dict[int, Any] | None = None  # hooks that run when a leaf's .grad has been accumulated
        self.out_storage: Any = None  # Storage of the output, once it has one (the output may be saved)
        self.shown: str | None = None  # the name that is shown, where PyTorch has one function for a composition
        self.trace: str | None = None  # where in the forward the node was made (anomaly mode)

    def add_hook(self, hook: Callable[..., Any], kind: str = "hooks") -> RemovableHandle:
        if not callable(hook):
            raise TypeError(f"register_hook: the hook must be callable, not {type(hook).__name__}")
        hooks = getattr(self, kind)
        if hooks is None:
            hooks = {}
            setattr(self, kind, hooks)
        return RemovableHandle(hooks, hook)


class RemovableHandle:
    """Returned by every ``register_*hook``: ``remove()`` takes the hook off; a context manager too."""

    __slots__ = ("_hooks", "id")

    def __init__(self, hooks: dict[int, Any], hook: Callable[..., Any]) -> None:
        self.id = tick()
        self._hooks = hooks
        hooks[self.id] = hook

    def remove(self) -> None:
        """Take the hook off. Doing so twice is allowed."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def extra_of(node: Node) -> Extra:
    if node.extra is None:
        node.extra = Extra()
    extra: Extra = node.extra
    return extra


def leaf_node(tensor: Tensor) -> Node:
    """The node where ``tensor``'s gradient will accumulate. It refers to the tensor weakly."""
    node = Node()
    node.op = None
    node.edges = node.saved = node.stamps = ()
    node.shape, node.dtype = tensor._array.shape, tensor._array.dtype
    node.seq = tick()
    node.extra = Extra()
    node.extra.home = weakref.ref(tensor)
    return node


# ---------------------------------------------------------------------------- grad mode


class _Mode(threading.local):
    """Per thread: whether operations are recorded, and whether inference mode is on."""

    recording = True
    inference = False


mode = _Mode()


def is_grad_enabled() -> bool:
    """Whether operations in this thread are being recorded."""
    return mode.recording


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside ``inference_mode``."""
    return mode.inference


class _ModeSwitch:
    """A grad mode as a context manager and as a decorator; both can be nested and re-entered."""

    _setting: bool
    _before: list[tuple[bool, bool]]

    if TYPE_CHECKING:  # what is made is one, but for ``@no_grad``

        def __init__(self) -> None: ...

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = _new(cls)
        self._before = []
        if args and cls in (no_grad, enable_grad) and len(args) == 1 and callable(args[0]):  # @no_grad
            return self(args[0])
        return self

    def __enter__(self) -> None:
        self._before.append((mode.recording, mode.inference))
        mode.recording = self._setting

    def __exit__(self, *exc: object) -> None:
        mode.recording, mode.inference = self._before.pop()

    def __call__(self, function: Decorated) -> Decorated:
        if isinstance(function, type):
            raise TypeError(f"{type(self).__name__} decorates functions and methods, not the class {function.__name__}")
        if inspect.isgeneratorfunction(function):
            return cast(Decorated, functools.wraps(function)(functools.partial(self._generate, function)))

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return cast(Decorated, wrapped)

    def _generate(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        """A generator that runs in this mode, while whoever takes from it stays in his own."""
        generator = function(*args, **kwargs)
        advance: Callable[[], Any] = functools.partial(next, generator)
        while True:
            try:
                with self.clone():
                    item = advance()
            except StopIteration as end:
                return end.value
            try:
                sent = yield item
                advance = functools.partial(generator.send, sent)
            except GeneratorExit:
                with self.clone():
                    generator.close()
                raise
            except BaseException as error:
                advance = functools.partial(generator.throw, error)

    def clone(self) -> Self:
        """The same mode, to be entered anew."""
        return type(self)()


class no_grad(_ModeSwitch):
    """Do not record: results do not require grad. ``with no_grad():``, ``@no_grad()`` or ``@no_grad``."""

    _setting = False


class enable_grad(_ModeSwitch):
    """Record, also inside ``no_grad``."""

    _setting = True


class set_grad_enabled(_ModeSwitch):
    """Switch recording on or off: as a function at once, as a context manager until its end."""

    def __init__(self, mode_: bool) -> None:
        self._setting = bool(mode_)
        self._before_call = (mode.recording, mode.inference)
        mode.recording = self._setting

    def __enter__(self) -> None:
        self._before.append(self._before_call)
        mode.recording = self._setting

    def __call__(self, function: Decorated) -> Decorated:
        mode.recording = self._before_call[0]  # a decorator changes nothing where it is written
        return super().__call__(function)

    def clone(self) -> set_grad_enabled:
        return set_grad_enabled(self._setting)


class inference_mode(_ModeSwitch):
    """``no_grad``, and a promise that nothing made inside takes part in autograd later.

    Here it does what ``no_grad`` does, and ``is_inference_mode_enabled()`` says so.
    """

    def __new__(cls, mode_: bool = True) -> Any:
        self = super().__new__(cls)
        self._setting = bool(mode_)
        return self(mode_) if callable(mode_) else self

    def __enter__(self) -> None:
        self._before.append((mode.recording, mode.inference))
        mode.inference = self._setting
        mode.recording = not self._setting

    def clone(self) -> inference_mode:
        same: inference_mode = inference_mode(self._setting)
        return same


# ---------------------------------------------------------------------------- anomaly mode

anomaly = False  # read by the engine and by operations; global, as in PyTorch


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return anomaly


class set_detect_anomaly:
    """Switch anomaly detection on or off; as a context manager, until its end.

    When on, every node remembers where in the forward pass it was made, and a backward pass that
    produces NaN raises a RuntimeError that names the function and shows that place.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        global anomaly
        self._before = anomaly
        anomaly = bool(mode) and check_nan

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        global anomaly
        anomaly = self._before


class detect_anomaly(set_detect_anomaly):
    """``with detect_anomaly():`` find the operation whose gradient is NaN."""

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)


def remember_place(node: Node) -> None:
    """Keep the user's lines that led to ``node`` (the package's own frames are left out)."""
    mine = (os.path.dirname(__file__) + os.sep, "<operation")
    frames = [f for f in traceback.extract_stack() if not f.filename.startswith(mine)]
    extra_of(node).trace = "".join(traceback.format_list(frames[-8:]))
