"""CuPy's names and signatures, as one version of it has them: ``cupy_api.json``.

    python -m tests.gpu.strict.snapshot         write the file anew from the CuPy that is installed (no device is needed)

Per name one line: of a function its parameters, of a ufunc its loops and methods, of a class its attributes and, where
CuPy's documentation strings give them, their parameters. A parameter is [name, kind, whether it has a default].
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["MODULES", "PATH", "describe", "read"]

PATH = Path(__file__).with_name("cupy_api.json")
# Modules whose names a program may reach as `cupy.NAME...`; the private one has CuPy's switch for TF32.
MODULES = (
    "cupy", "cupy.linalg", "cupy.lib.stride_tricks", "cupy.cuda", "cupy.cuda.runtime", "cupy.cuda.memory",
    "cupy.cuda.compiler", "cupyx", "cupy._core._routines_linalg",
)  # fmt: skip
_OBJECTS = set(dir(object)) - {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"} | {"__pyx_vtable__"}
_DEFAULT = re.compile(r"\s*=.*")


def _parameters(function: Any) -> list[list] | None:
    """[name, kind, has a default] of each parameter; None where nothing says them."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return _documented(function)
    return [[p.name, p.kind.name, p.default is not inspect.Parameter.empty] for p in signature.parameters.values()]


def _documented(function: Any) -> list[list] | None:
    """The same from the first line of a documentation string, where Cython writes the signature."""
    lines = (getattr(function, "__doc__", None) or "").strip().splitlines()
    found = re.match(r"[\w.]*\((.*)\)", lines[0]) if lines else None
    if found is None or "..." in found.group(1) or "[" in found.group(1):
        return None
    parameters, kind = [], "POSITIONAL_OR_KEYWORD"
    for part in (p.strip() for p in found.group(1).split(",")):
        if not part:
            continue
        if part == "/":
            parameters = [[name, "POSITIONAL_ONLY", default] for name, _, default in parameters]
        elif part == "*":
            kind = "KEYWORD_ONLY"
        elif part.startswith("**"):
            parameters.append([part[2:], "VAR_KEYWORD", False])
        elif part.startswith("*"):
            parameters.append([part[1:], "VAR_POSITIONAL", False])
            kind = "KEYWORD_ONLY"
        else:
            name = _DEFAULT.sub("", part).split()[-1]  # a type may stand before it
            parameters.append([name, kind, "=" in part])
    return parameters


def _entry(value: Any) -> dict[str, Any]:
    if type(value).__name__ == "ufunc":
        methods = [n for n in ("accumulate", "at", "outer", "reduce", "reduceat") if hasattr(value, n)]
        return {"kind": "ufunc", "nin": value.nin, "nout": value.nout, "types": list(value.types), "methods": methods}
    if type(value).__name__ == "_GUFunc":  # matmul: its operands by place, all else by name
        operands = value._signature.partition("->")[0].count("(")
        taken = [[f"x{i + 1}", "POSITIONAL_ONLY", False] for i in range(operands)]
        return {
            "kind": "function",
            "signature": [*taken, ["out", "KEYWORD_ONLY", True], ["kwargs", "VAR_KEYWORD", False]],
        }
    if inspect.ismodule(value):
        return {"kind": "module"}
    if isinstance(value, type):
        if not value.__module__.startswith("cupy"):
            return {"kind": "class"}  # NumPy's own
        names = [n for n in dir(value) if not n.startswith("_") or (n.startswith("__") and value.__name__ == "ndarray")]
        return {"kind": "class", "names": {n: _attribute(value, n) for n in names if n not in _OBJECTS}}
    if callable(value):
        return {"kind": "function", "signature": _parameters(value)}
    return {"kind": "value"}


def _attribute(cls: type, name: str) -> list[list] | None:
    """The parameters of a method but for ``self``; None for what is no method or says none."""
    value = getattr(cls, name, None)
    found = _parameters(value) if callable(value) and not name.startswith("__") else None
    return found[1:] if found and found[0][0] == "self" else found


def describe() -> dict[str, Any]:
    """What ``cupy_api.json`` says, of the CuPy that is installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cupy

        found: dict[str, Any] = {"version": cupy.__version__}
        for name in MODULES:
            module, names = importlib.import_module(name), {}
            for n in sorted(dir(module)):
                if n.startswith("_"):
                    continue
                try:
                    names[n] = _entry(getattr(module, n))
                except Exception as error:  # a lazy module whose library is not here
                    names[n] = {"kind": "absent", "why": type(error).__name__}
            found[name] = names
    return found


def _written(api: dict[str, Any]) -> str:
    """JSON with a line for each name, so that a change of version can be read as a difference."""
    parts = []
    for module, names in api.items():
        if module == "version":
            parts.append(f'"version": {json.dumps(names)}')
        else:
            lines = [f"  {json.dumps(n)}: {json.dumps(e, separators=(',', ':'))}" for n, e in names.items()]
            parts.append(f"{json.dumps(module)}: {{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


@cache
def read() -> dict[str, Any]:
    """The snapshot that is committed."""
    return json.loads(PATH.read_text(encoding="utf-8"))


def main() -> None:
    """Write the file."""
    temporary = PATH.with_suffix(".new")
    temporary.write_text(_written(describe()), encoding="utf-8")
    temporary.replace(PATH)
    print(f"{PATH}: CuPy {read()['version']}, {sum(len(read()[m]) for m in MODULES)} names")


if __name__ == "__main__":
    main()
