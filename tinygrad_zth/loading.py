"""Loading the package when it is first used, so that importing it costs nothing.

Its users see no difference: whichever way in they take, a name of the package's or a submodule, the
rooms are loaded then, in one go, as if ``api.py`` were the package itself; but for those that few programs
enter (``api.LATER``), which are loaded when they are themselves first asked for. One case is left: of two
threads that are the first at the same moment, the one that imports a submodule may see rooms that the
other has not completed yet. (It cannot wait for the other: it holds Python's lock of that submodule, which
the other is going to need.) A program that starts threads does well to use the package before.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["load_when_used"]


def load_when_used(name: str) -> None:
    """Make the package ``name``, which is being imported, load ``name.api`` when it is first used."""
    package = sys.modules[name]
    package.__class__ = Unloaded
    vars(package)["_opening"] = Opening(name)
    sys.meta_path.insert(0, vars(package)["_opening"])


class Loaded(ModuleType):
    """The package as Python's module object."""

    def __setattr__(self, name: str, value: object) -> None:
        # Python notes here each room that it loads, but `tensor` and `device` are what those two rooms define.
        if not (isinstance(value, ModuleType) and name in ("tensor", "device")):
            super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, (self.__name__,)

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *vars(self).get("__all__", ())})


class Unloaded(Loaded):
    """The same before its first use."""

    def __getattr__(self, name: str) -> object:
        if (name.startswith("__") and name != "__all__") or not vars(self)["_opening"].load():
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self, name)

    def __dir__(self) -> list[str]:
        vars(self)["_opening"].load()
        return dir(self)


class Opening:
    """Loads the package once. Also a finder, in order to hear of the first submodule that is imported by name."""

    def __init__(self, package: str):
        self.package, self.lock = package, allocate_lock()

    def load(self) -> bool:
        """Load the rooms and give the package its names. False while this thread is doing so."""
        mine = self.lock.acquire(blocking=False)
        before = set(sys.modules)
        try:
            api = import_module(".api", self.package)  # waits for another thread that is loading it
        except BaseException:
            if mine:  # the next use begins anew
                self._forget(set(sys.modules) - before)
            raise
        finally:
            if mine:
                self.lock.release()
        public = vars(api).get("PUBLIC")
        if public is None:  # a room asks, which api.py is just loading
            return False
        package = sys.modules[self.package]
        for name, value in {**public, "__all__": [*public, *api.LATER], "__getattr__": api.otherwise}.items():
            vars(package).setdefault(name, value)  # what a user has put there stays
        package.__class__ = Loaded
        sys.meta_path = [finder for finder in sys.meta_path if finder is not self]  # the old list may be being read
        return True

    def _forget(self, names: set[str]) -> None:
        package = sys.modules[self.package]
        for name in names:
            parent, _, child = name.rpartition(".")
            if name.startswith(f"{self.package}."):
                del sys.modules[name]
                if parent == self.package:
                    vars(package).pop(child, None)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The place of the first submodule is among the rooms, when all are loaded; those are found as usual."""
        if not name.startswith(f"{self.package}.") or self.lock.locked():
            return None
        self.load()
        room = sys.modules.get(name)
        if room is None or room.__spec__ is None:
            return None
        real = room.__spec__
        loader: Any = Found(real)
        spec = ModuleSpec(name, loader, origin=real.origin)
        spec.submodule_search_locations, spec.cached = real.submodule_search_locations, real.cached
        spec.has_location = real.has_location
        room.__spec__ = spec  # the import takes what it finds here, and must not run the room again
        return spec


class Found:
    """The loader of a room that is loaded already: it leaves it as it is."""

    def __init__(self, real: ModuleSpec):
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return sys.modules[spec.name]

    def exec_module(self, room: ModuleType) -> None:
        room.__spec__ = self.real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real.loader, name)
