"""Modules that hold modules: a chain, a list, a dictionary."""

from __future__ import annotations

import operator
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, TypeVar, overload

from ..tensor import Tensor
from .module import Module, _indent

__all__ = ["ModuleDict", "ModuleList", "Sequential"]

Self = TypeVar("Self", bound="_Numbered")


class _Numbered(Module):
    """Children under the names "0", "1", ...; what Sequential and ModuleList share."""

    def _place(self, index: int) -> str:
        """The name of the child at ``index``, which may count from the end."""
        index = operator.index(index)
        n = len(self._modules)
        if not -n <= index < n:
            raise IndexError(f"index {index} is out of range")
        return list(self._modules)[index]

    def _renumber(self, modules: Iterable[Module | None]) -> None:
        self._modules = {str(i): module for i, module in enumerate(modules)}

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self: Self, index: slice) -> Self: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._sliced(index)
        return self._modules[self._place(index)]

    def _sliced(self, index: slice) -> Any:
        raise NotImplementedError

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._place(index), module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        for name in names[index] if isinstance(index, slice) else [self._place(index)]:
            delattr(self, name)
        self._renumber(list(self._modules.values()))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())  # type: ignore[arg-type]

    def append(self: Self, module: Module) -> Self:
        """Add a module at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: int | slice) -> Module:
        """Take out the module at ``key`` and return it."""
        module = self[key]
        del self[key]
        return module

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]


class Sequential(_Numbered):
    """A chain: each module is applied to the result of the one before.

    Args:
        *args: modules, or one ordered dictionary of them, whose keys become the names.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for i, module in enumerate(args):
                self.add_module(str(i), module)

    def forward(self, input: Any) -> Tensor:  # the last module's result: a Tensor's, for nearly all there are
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]
        result: Tensor = input
        return result

    def _sliced(self, index: slice) -> Any:
        part = type(self)()
        part._modules = dict(list(self._modules.items())[index])
        return part

    def insert(self, index: int, module: Module) -> Sequential:
        """Put ``module`` before position ``index``; returns the chain.

        Raises AssertionError if it is no Module, IndexError for a position out of range.
        """
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        n = len(self)
        if not -n <= index <= n:
            raise IndexError(f"Index out of range: {index}")
        modules = list(self._modules.values())
        modules.insert(index + n if index < 0 else index, module)
        self._renumber(modules)
        return self

    def extend(self, sequential: Iterable[Module]) -> Sequential:
        """Add all modules of ``sequential`` at the end; returns the chain."""
        for module in list(sequential):
            self.append(module)
        return self

    def __add__(self, other: Any) -> Sequential:
        self._require_chain(other, "+")
        return Sequential(*self, *other)

    def __iadd__(self, other: Any) -> Sequential:
        self._require_chain(other, "+=")
        return self.extend(other)

    def __mul__(self, other: int) -> Sequential:
        self._require_times(other)
        return Sequential(*(module for _ in range(other) for module in self))

    __rmul__ = __mul__

    def __imul__(self, other: int) -> Sequential:
        self._require_times(other)
        once = list(self)
        for _ in range(other - 1):
            self.extend(once)
        return self

    @staticmethod
    def _require_chain(other: Any, sign: str) -> None:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"{'add' if sign == '+' else 'iadd'} operator supports only objects "
                f"of Sequential class, but {type(other)} is given."
            )

    @staticmethod
    def _require_times(other: Any) -> None:
        if not isinstance(other, int):
            raise TypeError(f"unsupported operand type(s) for *: {Sequential} and {type(other)}")
        if other <= 0:
            raise ValueError(f"Non-positive multiplication factor {other} for {Sequential}")


class ModuleList(_Numbered):
    """A list of modules, all of them registered. It has no forward of its own.

    Args:
        modules: what to begin with.
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _sliced(self, index: slice) -> Any:
        return type(self)(list(self._modules.values())[index])  # type: ignore[arg-type]

    def insert(self, index: int, module: Module) -> None:
        """Put ``module`` before position ``index``, as a list does."""
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._renumber(modules)

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Add all of ``modules`` at the end; returns the list. TypeError if it is not iterable."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"ModuleList.extend should be called with an iterable, but got {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        return self.extend(modules)

    def __repr__(self) -> str:
        """Runs of equal modules are printed once, as ``(0-3): 4 x Linear(...)``."""
        lines: list[tuple[int, int, str]] = []
        for i, text in enumerate(repr(module) for module in self):
            if lines and lines[-1][2] == text:
                lines[-1] = (lines[-1][0], i, text)
            else:
                lines.append((i, i, text))
        if not lines:
            return f"{self._get_name()}()"
        parts = [f"({a}-{b}): {b - a + 1} x {text}" if b > a else f"({a}): {text}" for a, b, text in lines]
        return f"{self._get_name()}(\n  " + "\n  ".join(map(_indent, parts)) + "\n)"


class ModuleDict(Module):
    """A dictionary of modules, all of them registered, in order of insertion.

    Args:
        modules: a mapping, or pairs of (name, module), to begin with.
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]  # type: ignore[return-value]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Remove the module under ``key`` and return it."""
        return self._modules.pop(key)  # type: ignore[return-value]

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Module]:
        """Pairs of (name, module)."""
        return self._modules.items()  # type: ignore[return-value]

    def values(self) -> ValuesView[Module]:
        """The modules."""
        return self._modules.values()  # type: ignore[return-value]

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add or replace modules, from a mapping or from pairs.

        Raises TypeError if it is neither, ValueError for what is not a pair.
        """
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleDict.update should be called with an iterable of key/value pairs, but got "
                + type(modules).__name__
            )
        if isinstance(modules, (Mapping, ModuleDict)):
            for key, module in modules.items():
                self[key] = module
            return
        for i, pair in enumerate(modules):
            if not isinstance(pair, Iterable):
                raise TypeError(f"ModuleDict update sequence element #{i} should be Iterable; is {type(pair).__name__}")
            two: tuple[Any, ...] = tuple(pair)
            if len(two) != 2:
                raise ValueError(f"ModuleDict update sequence element #{i} has length {len(two)}; 2 is required")
            self[two[0]] = two[1]
