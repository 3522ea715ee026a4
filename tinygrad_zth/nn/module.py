"""Module: a function with parameters, which are found by name wherever they sit in the tree.

A module keeps its parameters, buffers and children in three dictionaries, filled by assignment
(``self.weight = Parameter(...)``). Everything else (moving to a device, saving, counting, printing)
is a walk over these dictionaries. How a module is called, with hooks, is in ``module_call.py``; how
its state is saved and loaded, in ``module_state.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from .. import dtypes
from ..device import device as device_type
from ..graph import no_grad
from ..tensor import Tensor
from .module_call import Calls
from .module_state import State
from .parameter import Parameter, is_buffer

__all__ = ["Module", "typename"]

Self = TypeVar("Self", bound="Module")


def typename(value: object) -> str:
    """The type of ``value`` as PyTorch's messages name it: ``torch.FloatTensor``, ``int``."""
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        return value.type()
    cls = value if isinstance(value, type) else type(value)
    home = getattr(cls, "__module__", "builtins")
    return cls.__qualname__ if home in ("builtins", "__builtin__") else f"{home}.{cls.__qualname__}"


class Module(Calls, State):
    """Base class of all neural network modules; subclasses define ``forward``.

    Attributes:
        training: whether the module is in training mode (matters to Dropout, BatchNorm).
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]
    call_super_init = False
    dump_patches = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and kwargs:
            raise TypeError(
                f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
            )
        if not self.call_super_init and args:
            raise TypeError(
                f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
            )
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _modules={},
        )
        self._init_hooks()
        self._init_state_hooks()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # ------------------------------------------------------------------ attributes

    def __getattr__(self, name: str) -> Any:
        # Only called for what is not an ordinary attribute.
        own = self.__dict__
        if "_parameters" in own:
            named: dict[str, Any] = own["_parameters"]
            if name in named:
                return named[name]
            named = own["_modules"]
            if name in named:
                return named[name]
            named = own["_buffers"]
            if name in named:
                return named[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        parameters, modules, buffers = own.get("_parameters"), own.get("_modules"), own.get("_buffers")
        if isinstance(value, Parameter):
            if parameters is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, own, buffers, modules, self._non_persistent_buffers_set)
            self.register_parameter(name, value)
        elif parameters is not None and name in parameters:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as parameter '{name}' (torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if modules is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, own, parameters, buffers, self._non_persistent_buffers_set)
            modules[name] = value
        elif modules is not None and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as child module '{name}' (torch.nn.Module or None expected)"
                )
            modules[name] = value
        elif is_buffer(value) or (buffers is not None and name in buffers):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{typename(value)}' as buffer '{name}' "
                    "(torch.nn.Buffer, torch.Tensor or None expected)"
                )
            if buffers is None:
                raise AttributeError("cannot assign buffer before Module.__init__() call")
            if is_buffer(value):
                self.register_buffer(name, value, value.persistent)  # type: ignore[union-attr]
            else:
                buffers[name] = value
        else:
            object.__setattr__(self, name, value)

    @staticmethod
    def _forget(name: str, *tables: dict[str, Any] | set[Any] | None) -> None:
        for table in tables:
            if table is not None and name in table:
                if isinstance(table, dict):
                    del table[name]
                else:
                    table.discard(name)

    def __delattr__(self, name: str) -> None:
        if name in self._parameters:
            del self._parameters[name]
        elif name in self._buffers:
            del self._buffers[name]
            self._non_persistent_buffers_set.discard(name)
        elif name in self._modules:
            del self._modules[name]
        else:
            object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._buffers, *self._modules}
        return sorted(n for n in names if not n[0].isdigit())

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    # ------------------------------------------------------------------ registration

    def _check_name(self, kind: str, name: str, table: dict[str, Any], dotted: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        if "." in name:
            raise KeyError(dotted)
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in table:
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under ``name``; None stands for one that is left out.

        Raises:
            KeyError: for a name that is empty, has a dot, or is taken by something else.
            TypeError: if it is not a Parameter. ValueError: if it is not a leaf.
        """
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._check_name("parameter", name, self._parameters, 'parameter name can\'t contain "."')
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{typename(param)}' object to parameter '{name}' "
                    "(torch.nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                    "created explicitly. To express this parameter as a function of another Tensor, "
                    "compute the value in the forward() method."
                )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is part of the module, but not trained (a mask, running statistics).

        Args:
            persistent: whether it is saved in ``state_dict``.

        Raises:
            KeyError: for a name that is empty, has a dot, or is taken. TypeError: for no tensor.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._check_name("buffer", name, self._buffers, 'buffer name can\'t contain "."')
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under ``name``. Raises TypeError or KeyError, as ``register_parameter``."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._check_name("module", name, self._modules, f'module name can\'t contain ".", got: {name}')
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Alias of :meth:`add_module`."""
        self.add_module(name, module)

    # ------------------------------------------------------------------ by dotted name

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path (``"net.0.fc"``); the module itself for ``""``.

        Raises AttributeError if there is none.
        """
        module: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        result: Module = module
        return result

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put ``module`` at a dotted path. With ``strict`` there must be one already.

        Raises ValueError for an empty path or no module, AttributeError where the path ends early.
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def _get_member(self, target: str) -> tuple[Module, str, Any]:
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        return parent, name, getattr(parent, name)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path. Raises AttributeError if there is none."""
        _, name, value = self._get_member(target)
        if not isinstance(value, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return value

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path. Raises AttributeError if there is none."""
        parent, name, value = self._get_member(target)
        if name not in parent._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        result: Tensor = value
        return result

    # ------------------------------------------------------------------ the tree

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(dotted name, module) for this module ("") and all below; shared ones once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                inner = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, inner, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) for the immediate children; shared ones once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The immediate children, each once."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self, members: Callable[[Module], Any], prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        seen = set()
        if recurse:
            places: Any = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        else:
            places = [(prefix, self)]
        for path, module in places:
            for name, value in members(module):
                if value is None or value in seen:
                    continue
                if remove_duplicate:
                    seen.add(value)
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter) in order of registration; shared ones once."""
        return self._named_members(lambda m: m._parameters.items(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and, with ``recurse``, of all below; each once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(dotted name, buffer) in order of registration; shared ones once."""
        return self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and, with ``recurse``, of all below; each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on every module below and then on this one; returns the module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ------------------------------------------------------------------ mode and gradients

    def train(self: Self, mode: bool = True) -> Self:
        """Training mode (or, with False, evaluation mode) here and below; returns the module."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Evaluation mode here and below; returns the module."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Whether all parameters require gradients; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all parameters' gradients, or fill them with zeros."""
        for parameter in self.parameters():
            if parameter._grad is not None:
                if set_to_none:
                    parameter._grad = None
                else:
                    with no_grad():
                        parameter._grad = parameter._grad.detach().zero_()

    # ------------------------------------------------------------------ dtype and device

    def _apply(self: Self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace parameters (in place), their gradients and buffers by ``fn`` of them."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            with no_grad():
                parameter.data = fn(parameter)
                if parameter._grad is not None:
                    parameter.grad = fn(parameter._grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Move to a device and/or cast floating parameters and buffers: ``to(device)``,
        ``to(dtype)``, ``to(device, dtype)``, ``to(tensor)``; returns the module, changed in place.

        Raises TypeError for a dtype that is not floating point.
        """
        device, dtype = _where_to(*args, **kwargs)

        def move(t: Tensor) -> Tensor:
            return t.to(device=device, dtype=dtype if t.is_floating_point() else None)

        return self._apply(move)

    def _cast(self: Self, dtype: dtypes.dtype) -> Self:
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def type(self: Self, dst_type: dtypes.dtype | str) -> Self:
        """Cast all parameters and buffers to a dtype; returns the module."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self: Self) -> Self:
        """Cast floating parameters and buffers to float32; returns the module."""
        return self._cast(dtypes.float32)

    def double(self: Self) -> Self:
        """Cast floating parameters and buffers to float64; returns the module."""
        return self._cast(dtypes.float64)

    def half(self: Self) -> Self:
        """Cast floating parameters and buffers to float16; returns the module."""
        return self._cast(dtypes.float16)

    def bfloat16(self: Self) -> Self:
        """Cast to bfloat16. Raises NotImplementedError: NumPy has no such type."""
        return self._cast(dtypes.bfloat16)

    def cpu(self: Self) -> Self:
        """Move all parameters and buffers to the CPU; returns the module."""
        return self._apply(lambda t: t.cpu())

    def cuda(self: Self, device: int | device_type | None = None) -> Self:
        """Move all parameters and buffers to a GPU; returns the module."""
        return self._apply(lambda t: t.cuda(device))

    def to_empty(self: Self, *, device: Any, recurse: bool = True) -> Self:
        """Move to a device without copying the values; returns the module."""
        return self.to(device)

    def share_memory(self: Self) -> Self:
        """Does nothing here: worker processes are not used. Returns the module."""
        return self

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: there is no compiler. Accepted so that code written for one runs."""

    # ------------------------------------------------------------------ printing

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What subclasses print between the brackets."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {_indent(repr(module))}" for name, module in self._modules.items()]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        body = lines + children
        return f"{self._get_name()}(" + ("\n  " + "\n  ".join(body) + "\n" if body else "") + ")"


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")


def _where_to(*args: Any, **kwargs: Any) -> tuple[device_type | None, dtypes.dtype | None]:
    """The device and dtype that the arguments of ``to`` ask for."""
    device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
    for name in ("non_blocking", "copy", "memory_format", "tensor"):
        value = kwargs.pop(name, None)
        if name == "tensor" and value is not None:
            args = (value, *args)
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument '{next(iter(kwargs))}'")
    for value in args:
        if isinstance(value, Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, dtypes.dtype):
            dtype = value
        elif isinstance(value, (str, device_type, int)) and not isinstance(value, bool):
            device = value
        elif value is not None and not isinstance(value, bool):
            raise TypeError(f"to() received an invalid combination of arguments - got {type(value).__name__}")
    if dtype is not None and not dtype.is_floating_point:
        raise TypeError(f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}")
    return (None if device is None else device_type(device)), dtype
