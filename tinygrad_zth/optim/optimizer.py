"""The Optimizer: groups of parameters, the options of each, and a state per parameter."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from itertools import chain
from typing import Any, ClassVar, TypeAlias, TypeVar, overload

from ..backends import backend_of
from ..graph import RemovableHandle
from ..ops.copy import clone
from ..tensor import Tensor, new_tensor, storage_of

__all__ = ["Optimizer", "required"]

Loss = TypeVar("Loss")  # what a closure returns
Params: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()
"""The default of an option that every group must give."""

_HOOKS = ("step_pre", "step_post", "state_dict_pre", "state_dict_post", "load_pre", "load_post")


class Optimizer:
    """Base class of all optimisers. A subclass defines ``step``.

    Args:
        params: parameters; or ``(name, parameter)`` pairs; or dicts, each a group of them under
            ``"params"`` with options of its own.
        defaults: the options of a group that does not give them.

    Attributes:
        param_groups: dicts of ``"params"`` and the options, which may be changed between steps.
        state: per parameter, a dict of what the optimiser remembers about it.

    Raises:
        TypeError: for one Tensor in place of an iterable, or something that is not a Tensor.
        ValueError: no parameters; a parameter twice; one that is not a leaf.
    """

    _later: ClassVar[dict[str, Any]] = {}  # options that groups of an old checkpoint may lack

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._make_hooks()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                "but got " + _typename(params)
            )
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("defaults", "state", "param_groups")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_hooks" not in self.__dict__:
            self._make_hooks()
        for group in self.param_groups:
            for name, value in self._later.items():
                group.setdefault(name, value)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            for name in sorted(group):
                if name != "params":
                    text += f"    {name}: {group[name]}\n"
        return text + ")"

    # ------------------------------------------------------------------ a step

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], Loss]) -> Loss: ...
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters once from their ``.grad``.

        Args:
            closure: computes the gradients anew and returns the loss; it is called first.

        Returns:
            What the closure returned; None without one.
        """
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters: ``.grad`` becomes None, or zeros if
        ``set_to_none`` is False."""
        for group in self.param_groups:
            for p in group["params"]:
                grad = p._grad
                if grad is None:
                    continue
                if set_to_none:
                    p._grad = None
                elif backend_of(grad._array).is_writeable(grad._array):
                    grad._node = grad._view = None  # under create_graph it was part of a graph
                    grad._array[...] = 0
                    storage_of(grad).version += 1
                else:  # one element shown as many: it cannot be written to
                    p._grad = new_tensor(backend_of(grad._array).xp.zeros_like(p._array))

    # ------------------------------------------------------------------ the groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimise more parameters: ``{"params": ..., option: value, ...}``.

        Raises:
            TypeError: not a dict; a set of parameters (it has no order); not Tensors.
            ValueError: a required option is missing; a parameter is not a leaf, or in another
                group already; names for some parameters only.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        given = [params] if isinstance(params, Tensor) else list(params)
        names = [item[0] for item in given if isinstance(item, tuple)]
        params = [item[1] if isinstance(item, tuple) else item for item in given]
        if names and len(names) != len(params):
            raise ValueError("all optimizer params should be with/without names. Some param names are missing")
        param_group["params"] = params
        if names:
            param_group["param_names"] = names
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError("optimizer can only optimize Tensors, but one of the params is " + _typename(p))
            if not (p.is_leaf or p.retains_grad or self.defaults.get("differentiable")):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError("parameter group didn't specify a value of required optimization parameter " + name)
            param_group.setdefault(name, default)
        self._check_new(param_group)
        self.param_groups.append(param_group)

    def _check_new(self, group: dict[str, Any]) -> None:
        mine = {id(p) for p in group["params"]}
        if len(mine) != len(group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; each of them is updated once a step",
                stacklevel=4,
            )
        for other in self.param_groups:
            if ("param_names" in group) != ("param_names" in other):
                which = "with names" if "param_names" in group else "without names"
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group {which} to the optimizer"
                )
        if any(id(p) in mine for other in self.param_groups for p in other["params"]):
            raise ValueError("some parameters appear in more than one parameter group")

    def _params(self) -> Iterator[Tensor]:
        return chain.from_iterable(group["params"] for group in self.param_groups)

    # ------------------------------------------------------------------ the state, to keep and back

    def state_dict(self) -> dict[str, Any]:
        """``{"state": {index: {name: value}}, "param_groups": [...]}``, PyTorch's form.

        Parameters are numbered in the order of the groups. The state's tensors are the live ones,
        not copies: the next step changes them.
        """
        for hook in list(self._hooks["state_dict_pre"].values()):
            hook(self)
        number: dict[int, int] = {}
        for i, p in enumerate(self._params()):
            number.setdefault(id(p), i)
        groups = [
            {**{k: v for k, v in group.items() if k != "params"},
             "params": [number[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]  # fmt: skip
        state = {number[id(k)] if isinstance(k, Tensor) else k: v for k, v in self.state.items()}
        packed: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in list(self._hooks["state_dict_post"].values()):
            result = hook(self, packed)
            if result is not None:
                packed = result
        return packed

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state that ``state_dict`` returned: options and states, in copies.

        Parameters are matched by their order. Floating-point states take on their parameter's
        dtype, ``step`` keeps its own.

        Raises:
            ValueError: the groups do not match this optimiser's in number or in length.
        """
        state_dict = state_dict.copy()
        for hook in list(self._hooks["load_pre"].values()):
            result = hook(self, state_dict)
            if result is not None:
                state_dict = result
        saved_groups = deepcopy(state_dict["param_groups"])
        if len(saved_groups) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        for saved, group in zip(saved_groups, self.param_groups, strict=True):
            if len(saved["params"]) != len(group["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
                )
        numbers = chain.from_iterable(group["params"] for group in saved_groups)
        mine = dict(zip(numbers, self._params(), strict=True))
        state: defaultdict[Any, Any] = defaultdict(dict)
        for k, v in state_dict["state"].items():
            if k in mine:
                state[mine[k]] = _fitted(v, mine[k])
            else:
                state[k] = v
        for saved, group in zip(saved_groups, self.param_groups, strict=True):
            saved["params"] = group["params"]
            if "param_names" in group:
                saved.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved_groups})
        for hook in list(self._hooks["load_post"].values()):
            hook(self)

    # ------------------------------------------------------------------ hooks

    def _make_hooks(self) -> None:
        self._hooks: dict[str, OrderedDict[int, Callable[..., Any]]] = {k: OrderedDict() for k in _HOOKS}

    def _register(self, kind: str, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        handle = RemovableHandle(self._hooks[kind], hook)
        if prepend:
            self._hooks[kind].move_to_end(handle.id, last=False)
        return handle

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return new ones."""
        return self._register("step_pre", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return self._register("step_post", hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before ``state_dict`` reads the state."""
        return self._register("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` on the result; it may return another."""
        return self._register("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` on what is to be loaded; it may return another."""
        return self._register("load_pre", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` after a state has been loaded."""
        return self._register("load_post", hook, prepend)


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """``step`` with the hooks around it, and a note for the schedulers that it was called."""

    @functools.wraps(step)
    def hooked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        args = (self, *args)
        for hook in list(self._hooks["step_pre"].values()):
            result = hook(self, args, kwargs)
            if result is not None:
                if not isinstance(result, tuple) or len(result) != 2:
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {result}."
                    )
                args, kwargs = result
        self._opt_called = True  # type: ignore[attr-defined]
        out = step(*args, **kwargs)
        for hook in list(self._hooks["step_post"].values()):
            hook(self, args, kwargs)
        return out

    return hooked


def _fitted(value: Any, p: Tensor, name: str | None = None) -> Any:
    """A copy of a loaded state, its tensors on the parameter's device and in its dtype."""
    if isinstance(value, Tensor):
        copied = clone(value.detach())
        if name == "step":
            return copied
        return copied.to(p.device, p.dtype) if p.is_floating_point() else copied.to(p.device)
    if isinstance(value, dict):
        return {k: _fitted(v, p, k) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return type(value)(_fitted(v, p) for v in value)
    return value


def _typename(value: object) -> str:
    """What PyTorch calls a value's type in a message: ``torch.FloatTensor``, ``str`` ..."""
    if isinstance(value, Tensor):
        return value.type() if hasattr(value, "type") else "torch.Tensor"
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
