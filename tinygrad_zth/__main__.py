"""``python -m tinygrad_zth script.py``: run a script written for PyTorch, unchanged, on this package.

For this one process, ``import torch`` and ``from torch.x import y`` find ``tinygrad_zth`` and
``tinygrad_zth.x``, and ``torch.__version__`` is the version of PyTorch that is followed, since scripts
ask it what they may use. Nothing outside the process changes.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

PACKAGE = "tinygrad_zth"


class AsTorch(importlib.abc.MetaPathFinder):
    """Finds ``torch`` and all beneath it in this package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "torch" and not fullname.startswith("torch."):
            return None
        ours = importlib.import_module(PACKAGE + fullname.removeprefix("torch"))
        return importlib.machinery.ModuleSpec(fullname, _Alias(ours), is_package=True)


class _Alias(importlib.abc.Loader):
    """Hands out a module that is there already, and leaves it the spec it was loaded with."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


def main() -> None:
    """Run ``sys.argv[1]`` as ``__main__``, with the rest of the arguments."""
    if len(sys.argv) < 2:
        sys.exit("usage: python -m tinygrad_zth SCRIPT [ARGUMENT ...]")
    sys.meta_path.insert(0, AsTorch())
    package = importlib.import_module(PACKAGE)
    vars(package)["__version__"] = f"{package.version.follows}+{PACKAGE.replace('_', '.')}"
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
