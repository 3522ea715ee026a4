"""Parameters that are functions of others: ``module.weight`` computed, whenever it is asked for, from
what is trained in its place.

A parametrization is a module: ``forward`` makes the value from the original tensor (or tensors), and
``right_inverse``, if there is one, the originals from a value that is assigned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from ...graph import no_grad
from ...tensor import Tensor
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]


class _Cache:
    depth = 0
    values: dict[tuple[int, str], Tensor] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Within this block every parametrized tensor is computed once, at the first use."""
    _Cache.depth += 1
    try:
        yield
    finally:
        _Cache.depth -= 1
        if not _Cache.depth:
            _Cache.values.clear()


def _register(module: Module, name: str, value: Tensor) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


def _like(value: Tensor, original: Tensor) -> Tensor:
    """``value`` as a Parameter, if the original was one."""
    if isinstance(original, Parameter):
        return Parameter(value.detach(), original.requires_grad)
    return value.detach()


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied one after the other, and its original: ``original``,
    or ``original0``, ``original1`` ... if ``right_inverse`` gives several.

    Raises:
        ValueError: if the chain would change the tensor's shape or dtype, unless ``unsafe``.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        value: Any = original
        with no_grad():
            for module in reversed(modules):
                if hasattr(module, "right_inverse"):
                    value = module.right_inverse(value)
        several = isinstance(value, Sequence)
        if not several and not isinstance(value, Tensor):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(value).__name__}"
            )
        self.is_tensor = not several
        if self.is_tensor:
            if value.dtype != original.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype. "
                    f"original.dtype: {original.dtype}, right_inverse(original).dtype: {value.dtype}"
                )
            _register(self, "original", original if value is original else _like(value, original))
        else:
            self.ntensors = len(value)
            for i, part in enumerate(value):
                if not isinstance(part, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                        f"Got element {i} of the sequence with type {type(part).__name__}."
                    )
                _register(self, f"original{i}", _like(part, original))
        if not unsafe:
            made = self()
            if not isinstance(made, Tensor):
                raise ValueError(f"A parametrization must return a tensor. Got {type(made).__name__}.")
            _check_unchanged(made, original, "Registering a parametrization may not change")

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the tensor becomes ``value``. Raises RuntimeError if that is not known."""
        made: Any = value
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                made = module.right_inverse(made)
            parts = [made] if self.is_tensor else made
            for original, part in zip(self._originals(), parts, strict=True):
                if part.dtype != original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {part.dtype} while `original` has dtype "
                        f"{original.dtype}"
                    )
                original.data = part.detach()

    def _originals(self) -> list[Any]:
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def forward(self) -> Tensor:
        first, *rest = self
        value = first(*self._originals())
        for module in rest:
            value = module(value)
        result: Tensor = value
        return result


def _check_unchanged(made: Tensor, before: Tensor, what: str) -> None:
    for name in ("dtype", "shape"):
        if getattr(made, name) != getattr(before, name):
            raise ValueError(
                f"{what} the {name} of the tensor, unless the `unsafe` flag is enabled.\n"
                f"{name} before: {getattr(before, name)}\n{name} after: {getattr(made, name)}"
            )


def _parametrized_class(module: Module) -> type[Module]:
    """A class of this module's own: properties are the class's, and other modules keep theirs."""
    base = type(module)

    def copied(self: Module, memo: dict[int, Any]) -> Module:
        new = memo[id(self)] = self.__class__.__new__(self.__class__)
        new.__dict__.update(deepcopy(self.__dict__, memo))
        return new

    def refused(self: Module) -> Any:
        raise RuntimeError("Serialization of parametrized modules is only supported through state_dict().")

    members = {"__getstate__": refused, "__module__": __name__}
    if not hasattr(base, "__deepcopy__"):
        members["__deepcopy__"] = copied
    return type(f"Parametrized{base.__name__}", (base,), members)


def _property(name: str) -> property:
    def value(self: Any) -> Tensor:
        chain = self.parametrizations[name]
        if not _Cache.depth:
            result: Tensor = chain()
            return result
        key = (id(self), name)
        if key not in _Cache.values:
            _Cache.values[key] = chain()
        return _Cache.values[key]

    def assign(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(value, assign)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Make ``module.<tensor_name>`` a function of what it was; several are applied in order.

    Args:
        unsafe: the shape or the dtype may change, and is not checked.

    Raises:
        ValueError: no parameter or buffer of that name; shape or dtype changed.
    """
    parametrization.train(module.training)
    own: Any = module
    if is_parametrized(module, tensor_name):
        if not unsafe:
            before = getattr(module, tensor_name)
            made = parametrization(before)
            if not isinstance(made, Tensor):
                raise ValueError(f"A parametrization must return a tensor. Got {type(made).__name__}.")
            _check_unchanged(made, before, "Registering a parametrization may not change")
        own.parametrizations[tensor_name].append(parametrization)
        own.parametrizations[tensor_name].unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        chain = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            module.__class__ = _parametrized_class(module)
            own.parametrizations = ModuleDict()
        setattr(module.__class__, tensor_name, _property(tensor_name))
        own.parametrizations[tensor_name] = chain
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has parametrizations, or has one of ``tensor_name``."""
    found = getattr(module, "parametrizations", None)
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make ``module.<tensor_name>`` an ordinary tensor again: its present value, or its original.

    Raises:
        ValueError: it is not parametrized; or the original is wanted and there are several.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    own: Any = module
    chain = own.parametrizations[tensor_name]
    if chain.is_tensor:
        tensor = chain.original
        if leave_parametrized:
            with no_grad():
                tensor.data = getattr(module, tensor_name).detach()
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        tensor = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    delattr(module.__class__, tensor_name)
    del own.parametrizations[tensor_name]
    _register(module, tensor_name, tensor)
    if not is_parametrized(module):
        del own.parametrizations
        module.__class__ = module.__class__.__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type[Module]:
    """The module's class as it was before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)
