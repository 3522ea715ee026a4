"""How a rule of ``fused.optimizer_steps`` reaches the parameters: in blocks that fit in the cache.

A large parameter is cut into blocks of its own memory. Small parameters are bundled: their values
and gradients are gathered into a flat array, updated at once and written back, since a dozen NumPy
calls on each of a hundred biases would cost more than all the arithmetic. Either way the states
(momentum, moving averages) of a bundle lie in one flat array for each name; the state tensors that
the user sees are windows on it, and may be read, written and replaced like any others.

The bundles stay as they are from step to step. Whatever the user may have changed since, the set of
parameters with gradients, a parameter's memory, a state, is compared first, and if it differs the
bundles are made anew from what is there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from operator import is_
from typing import Any, overload

import numpy as np

from .. import dtypes
from ..backends import backend_of
from ..backends.parallel import BLOCK, run_blocks
from ..fused.optimizer_steps import descend
from ..graph import enable_grad, no_grad
from ..inplace import check_writeable
from ..storage import Storage
from ..tensor import Tensor, new_tensor, storage_of
from .optimizer import Loss, Optimizer

__all__ = ["BlockOptimizer", "Counts", "Rule", "counter_dtype", "number"]

NS_PER_ELEMENT, NS_PER_SUBTRACTION = 1.5, 0.2  # of a rule, roughly: is a second thread worth asking?

_BLOCK = 65536
"""Elements in a block: parameter, gradient, two states and scratch are 400 kB of float32."""
_SMALL = 4096
"""Parameters of at most so many elements are bundled."""
_ALONE = 2048
"""Where a rule is one subtraction, parameters of more elements than this on average are not gathered."""
_GPU_BLOCK, _GPU_SMALL = 1 << 62, 1 << 62  # calls are dear: all parameters are worked on at once

Rule = Callable[[Any, Any, Any, Any, Any], None]
Task = Callable[[], None]


class Counts(dict[str, float]):
    """The values of a bundle's counters, and the types they are kept in."""

    __slots__ = ("kinds",)
    kinds: dict[str, type[np.floating]]


class BlockOptimizer(Optimizer):
    """An optimiser that is a rule on flat arrays. A subclass says which, and what it remembers."""

    counters: dict[str, float] = {"step": 0.0}
    """States of one number per parameter, and what they begin as."""

    def counters_of(self, group: dict[str, Any]) -> dict[str, float]:
        """What the counters begin as in a group."""
        return self.counters

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The states of the parameter's shape that the group's options ask for."""
        raise NotImplementedError

    def _initial(self, name: str, group: dict[str, Any]) -> float:
        """What such a state begins as."""
        return 0.0

    def _rule(self, xp: Any, group: dict[str, Any], first: bool, counts: Counts) -> Rule:
        """The update of this step. ``counts`` has the counters' values; they are moved on in it.
        ``first``: the states were made just now."""
        raise NotImplementedError

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], Loss]) -> Loss: ...
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, in place.

        Args:
            closure: computes the gradients anew and returns the loss; it is called first.

        Returns:
            What the closure returned; None without one.

        Raises:
            RuntimeError: for a parameter whose elements share memory.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        kept: list[_Bundles] = self.__dict__.setdefault("_bundles", [])
        while len(kept) < len(self.param_groups):
            kept.append(_Bundles())
        tasks: list[Task] = []
        work, on_host = 0.0, True  # in nanoseconds
        for group, bundles in zip(self.param_groups, kept, strict=False):
            params = [p for p in group["params"] if p._grad is not None]
            if not params:
                continue
            names = self._state_names(group)
            if not bundles.still_hold(params, names, self.state):
                bundles.make(params, names, self, group)
            rules: dict[tuple[Any, ...], tuple[Any, ...]] = {}
            for bundle in bundles.all:
                now = Counts({name: flat.item(0) for name, flat in bundle.counters.items()})
                now.kinds = bundle.kinds
                key = (bundle.xp, bundle.first, *bundle.kinds.values(), *now.values())
                if key not in rules:
                    rules[key] = self._rule(bundle.xp, group, bundle.first, now), now
                rule, after = rules[key]
                bundle.add_tasks(tasks, rule, after)
                work += bundle.size * (NS_PER_ELEMENT if getattr(rule, "rate", None) is None else NS_PER_SUBTRACTION)
                on_host = on_host and bundle.backend.on_host
        if on_host:
            _work_off(tasks, work)
        else:  # a device's queue is one thread's
            for task in tasks:
                task()
        return loss


def counter_dtype() -> type[np.floating]:
    """The type in which counters are kept: float32, or float64 if that is the default dtype."""
    return np.float64 if dtypes.get_default_dtype() is dtypes.float64 else np.float32


def number(value: Any) -> float:
    """An option's value, which may be a one-element Tensor or a NumPy scalar, as a float."""
    return value if value.__class__ is float else float(value)


def _work_off(tasks: list[Task], work: float) -> None:
    def some(start: int, stop: int) -> None:
        for i in range(start, stop):
            tasks[i]()

    if tasks:
        # As many blocks as tasks: a row is a task, too wide for two of them to be one block.
        run_blocks(some, len(tasks), BLOCK, work / (len(tasks) * BLOCK))


class _Bundle:
    """Parameters that are updated together: one large one, or several small ones.

    They agree in dtype, device and in their counters.
    """

    def __init__(self, params: list[Tensor], first: bool, counters: dict[str, float], kinds: dict[str, type]) -> None:
        arrays = [p._array for p in params]
        backend = backend_of(arrays[0])
        self.backend, self.xp, self.params, self.first = backend, backend.xp, params, first
        self.dtype = arrays[0].dtype
        self.size = sum(a.size for a in arrays)
        self.orders = [_memory_order(a) for a in arrays]
        self.windows = [_ordered(a, order) for a, order in zip(arrays, self.orders, strict=True)]
        self.plain = not any(self.orders)
        self.gathered = len(params) > 1 or not self.windows[0].flags.c_contiguous
        self.storage = Storage()
        self.kinds = kinds
        self.counters: dict[str, np.ndarray] = {k: np.full(len(params), v, kinds[k]) for k, v in counters.items()}
        self.states: list[Any] = []
        self.blocks: list[tuple[Any, ...]] | None = None

    def cut(self, flat: Any) -> list[Any]:
        """Windows on ``flat``, one for each parameter, of its shape and order in memory."""
        out, at = [], 0
        for window in self.windows:
            out.append(flat[at : at + window.size].reshape(window.shape))
            at += window.size
        return out

    def add_state(self, found: list[Any], value: float) -> list[Any]:
        """Room for a state. Where ``found`` has an array the state begins as that, else as
        ``value``. Returns the windows, of the parameters' shapes."""
        flat = self.xp.full(self.size, value, self.dtype)
        self.states.append(flat)
        windows = []
        for window, order, old in zip(self.cut(flat), self.orders, found, strict=True):
            window = window if order is None else window.transpose(np.argsort(order).tolist())
            if old is not None:
                if old.shape != window.shape:
                    raise RuntimeError(
                        f"optimizer: a state of shape {list(old.shape)} does not fit a parameter "
                        f"of shape {list(window.shape)}"
                    )
                window[...] = old
            windows.append(window)
        return windows

    def cut_blocks(self) -> list[tuple[Any, ...]]:
        """Everything cut into blocks, made when it is first needed: some kernels need none."""
        if self.gathered:
            self.p = self.xp.empty(self.size, self.dtype)
            self.g = self.xp.empty_like(self.p)
            self.slots, self.grad_slots = self.cut(self.p), self.cut(self.g)
        else:
            self.p = self.windows[0].reshape(-1)
        block = _limits(self.p)[1]
        parts = [slice(at, at + block) for at in range(0, self.size, block)]
        return [(part, self.p[part], [s[part] for s in self.states]) for part in parts]

    def add_tasks(self, tasks: list[Task], rule: Rule, counts: dict[str, float]) -> None:
        """Note the step in the counters and versions, and add what is to be done to ``tasks``."""
        for name, flat in self.counters.items():
            flat.fill(counts[name])
        self.first = False
        self.storage.version += 1
        for p in self.params:
            (p._storage or storage_of(p)).version += 1
        grads: list[Any] = [p._grad._array for p in self.params]
        if not self.plain:
            grads = [_ordered(g, order) for g, order in zip(grads, self.orders, strict=True)]
        kernel = getattr(rule, "all_at_once", {}).get(self.backend.name)
        if kernel is not None and all(w.flags.c_contiguous for w in self.windows):
            kernel(self.windows, grads, self.states)
            return
        rate = getattr(rule, "rate", None)
        if rate is not None and self.backend.on_host and _ALONE * len(grads) <= self.size <= _BLOCK:
            tasks.append(lambda: descend(self.windows, grads, rate, _scratch(self.dtype)[0]))
            return
        if self.blocks is None:
            self.blocks = self.cut_blocks()
        if self.gathered:
            tasks.append(partial(self.update_gathered, rule, grads))
            return
        g = grads[0].reshape(-1)
        tasks += [partial(_update, rule, p, g[where], states) for where, p, states in self.blocks]

    def update_gathered(self, rule: Rule, grads: list[Any]) -> None:
        concatenate = self.xp.concatenate
        concatenate(grads, None, self.g)
        rate = getattr(rule, "rate", None)
        if rate is not None:  # p need not be gathered
            self.xp.multiply(self.g, rate, self.g)
            subtract = self.xp.subtract
            for window, slot in zip(self.windows, self.grad_slots, strict=True):
                subtract(window, slot, window)
            return
        concatenate(self.windows, None, self.p)
        for where, p, states in self.blocks or ():
            _update(rule, p, self.g[where], states)
        for window, slot in zip(self.windows, self.slots, strict=True):
            window[...] = slot


class _Bundles:
    """The bundles of a group, and by what to see that nothing was changed behind their back."""

    def __init__(self) -> None:
        self.all: list[_Bundle] = []
        self.params: list[Tensor] = []

    def still_hold(self, params: list[Tensor], names: tuple[str, ...], state: dict[Tensor, Any]) -> bool:
        """Whether parameters, their memory, and their states are those that were bundled."""
        if len(params) != len(self.params) or names != self.names:
            return False
        if not all(map(is_, params, self.params)):
            return False
        if not all(map(is_, [p._array for p in params], self.arrays)):
            return False
        if self.tensors:
            mine: list[Any] = [state.get(p) for p in params]
            for name, tensors in self.tensors.items():
                try:
                    found = [states[name] for states in mine]
                except (KeyError, TypeError):
                    return False
                if not all(map(is_, found, tensors)):
                    return False
                if not all(map(is_, [t._array for t in found], self.windows[name])):
                    return False
        for bundle in self.all:
            for flat in bundle.counters.values():
                values = flat.tolist()
                if values.count(values[0]) != len(values):
                    return False
        return True

    def make(self, params: list[Tensor], names: tuple[str, ...], owner: BlockOptimizer, group: dict[str, Any]) -> None:
        """Bundle ``params`` anew, with the states they have; those they lack are begun."""
        self.params, self.names, self.all = params, names, []
        self.arrays = [p._array for p in params]
        with no_grad():
            for p in params:
                check_writeable(p, "optimizer step")
        counters = owner.counters_of(group)
        kept = (*counters, *names)
        alike: dict[tuple[Any, ...], tuple[list[list[Tensor]], int]] = {}  # and the room in the last
        for p in dict.fromkeys(params):
            states = owner.state.get(p, {})
            first = any(states.get(name) is None for name in names)
            counts = tuple(float(states.get(k, v)) for k, v in counters.items())
            kinds = tuple(_kind(states.get(k)) for k in counters)
            array = p._array
            small, block = _limits(array)
            if not kept:
                small = block  # nothing but the parameters: a bundle is a list of them
            key = (first, counts, kinds, array.dtype, p.device, array.size <= small)
            sets, room = alike.get(key, ([], 0))
            if not sets or array.size > min(small, room):
                sets.append([])
                room = block
            sets[-1].append(p)
            alike[key] = sets, room - array.size
        for (first, counts, kinds, *_), (sets, _) in alike.items():
            for members in sets:
                bundle = _Bundle(
                    members, first, dict(zip(counters, counts, strict=True)), dict(zip(counters, kinds, strict=True))
                )
                self.all.append(bundle)
                self._give_states(bundle, owner, group)
        self.tensors = {name: [owner.state[p][name] for p in params] for name in kept}
        self.windows = {name: [t._array for t in ts] for name, ts in self.tensors.items()}

    def _give_states(self, bundle: _Bundle, owner: BlockOptimizer, group: dict[str, Any]) -> None:
        for name, flat in bundle.counters.items():
            for i, p in enumerate(bundle.params):
                _point(owner.state[p], name, flat[i : i + 1].reshape(()), Storage())
        for name in self.names:
            old = [owner.state[p].get(name) for p in bundle.params]
            found = [None if t is None else t._array for t in old]
            windows = bundle.add_state(found, owner._initial(name, group))
            for p, window in zip(bundle.params, windows, strict=True):
                _point(owner.state[p], name, window, bundle.storage)


def _kind(counter: Any) -> type[np.floating]:
    """The type to keep a counter in: that of the one that was there."""
    if isinstance(counter, Tensor) and counter.is_floating_point():
        result: type[np.floating] = counter._array.dtype.type
        return result
    return counter_dtype()


def _point(states: dict[str, Any], name: str, window: Any, storage: Storage) -> None:
    """Make the state ``name`` a tensor over ``window``: the one that is there, if there is one."""
    t = states.get(name)
    if not isinstance(t, Tensor):
        t = states[name] = new_tensor(window)
    t._array, t._storage, t._view, t._node = window, storage, None, None


def _limits(array: Any) -> tuple[int, int]:
    """What counts as small, and how long a block is, where ``array`` lives."""
    return (_SMALL, _BLOCK) if isinstance(array, np.ndarray) else (_GPU_SMALL, _GPU_BLOCK)


def _memory_order(array: Any) -> list[int] | None:
    """The dimensions from the widest stride to the narrowest; None if that is their own order."""
    if array.flags.c_contiguous:
        return None
    order = sorted(range(array.ndim), key=lambda i: -array.strides[i])
    return None if order == list(range(array.ndim)) else order


def _ordered(array: Any, order: list[int] | None) -> Any:
    return array if order is None else array.transpose(order)


_mine = threading.local()


def _scratch(dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Two blocks that this thread keeps."""
    kept = _mine.__dict__
    found = kept.get(dtype.char)
    if found is None:
        found = kept[dtype.char] = np.empty(_BLOCK, dtype), np.empty(_BLOCK, dtype)
    return found


def _update(rule: Rule, p: Any, g: Any, states: list[Any]) -> None:
    """Apply ``rule`` to a block, with scratch that this thread keeps."""
    n = p.size
    if isinstance(p, np.ndarray) and n <= _BLOCK:
        t, u = _scratch(p.dtype)
        rule(p, g, states, t[:n], u[:n])
    else:
        xp = backend_of(p).xp
        rule(p, g, states, xp.empty_like(p), xp.empty_like(p))
