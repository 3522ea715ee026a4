"""Loading the package when it is first used, so that importing it costs nothing.

Its users see no difference: whichever way in they take, a name of the package's or a submodule, all
the rooms are loaded then, in one go, as if ``api.py`` were the package itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["load_when_used"]


def load_when_used(name: str) -> None:
    """Make the package ``name``, which is being imported, load ``name.api`` when it is first used."""
    sys.modules[name].__class__ = Package
    sys.meta_path.insert(0, FirstSubmodule(name))


def _loaded(package: ModuleType) -> bool:
    """Load ``package`` and give it its names. False while that is under way."""
    public = vars(import_module(".api", package.__name__)).get("PUBLIC")
    if public is None:  # a room that api.py is loading asks; another thread would have waited
        return False
    if not vars(package).get("_all_there"):  # once: a name that a user has put another value in keeps it
        vars(package).update(public, _all_there=True)
    return True


class Package(ModuleType):
    """The package as Python's module object, which loads itself when something is asked of it."""

    def __getattr__(self, name: str) -> object:
        if (name.startswith("__") and name != "__all__") or not _loaded(self):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return vars(self)[name] if name in vars(self) else vars(self)["api"].otherwise(name)

    def __setattr__(self, name: str, value: object) -> None:
        # Python notes here each room that it loads, but `tensor` and `device` are what those two rooms define.
        if not (isinstance(value, ModuleType) and name in ("tensor", "device")):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        _loaded(self)
        return list(vars(self))


class FirstSubmodule:
    """Finds the first submodule that is imported by its own name: among the rooms, when all are loaded."""

    def __init__(self, package: str):
        self.package = package

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not name.startswith(f"{self.package}."):
            return None
        sys.meta_path = [finder for finder in sys.meta_path if finder is not self]  # the old list is being read
        _loaded(sys.modules[self.package])
        room = sys.modules.get(name)
        if room is None:
            return None
        self.spec, room.__spec__ = room.__spec__, ModuleSpec(name, self)  # type: ignore[arg-type]
        return room.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return sys.modules[spec.name]

    def exec_module(self, room: ModuleType) -> None:
        room.__spec__ = self.spec
