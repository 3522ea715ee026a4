"""What the package asks of CuPy, read from its source text and held to the snapshot of CuPy's names and signatures.

Checked: every chain of attributes behind an array namespace (``xp.linalg.qr``, ``backend.xp.cuda.runtime.getDevice``): that
CuPy has the name; and every call of one: that its keywords and the number of its arguments are CuPy's. A ufunc of CuPy's
takes ``out``, ``dtype`` and ``casting``, no ``where``.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .snapshot import read

__all__ = ["Finding", "bound", "breaches", "breaches_of", "entry_of"]

NAMESPACES = ("xp", "cupy", "_cupy")  # what the package calls CuPy, or NumPy in its place
_UFUNC_KEYWORDS = {"out", "dtype", "casting"}


class Finding(NamedTuple):
    """A place in the package that asks for what CuPy has not."""

    line: int
    name: str
    what: str


def _chain(node: ast.expr) -> list[str]:
    """``a.b.c`` as its names; what stands before, if it is no name, is left out."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return parts[::-1]


def _behind_namespace(node: ast.expr) -> list[str]:
    """The names behind the array namespace; none if there is no namespace in the chain."""
    parts = _chain(node)
    places = [i for i, part in enumerate(parts) if part in NAMESPACES]
    return parts[places[-1] + 1 :] if places else []


def entry_of(names: list[str]) -> tuple[dict[str, Any] | None, str]:
    """The snapshot's entry for ``cupy.a.b.c``, and the longest part of it that is there. An attribute of a class, of a
    function or of a value is an entry without a kind."""
    api, module, entry = read(), "cupy", {"kind": "module"}
    for i, name in enumerate(names):
        path = ".".join(["cupy", *names[: i + 1]])
        if entry["kind"] == "module":
            found = api.get(module, {}).get(name)
            if path in api:  # a module with names of its own
                entry, module = {"kind": "module"}, path
                continue
            if found is None:
                return None, path
            entry, module = found, path
        elif entry["kind"] == "class" and "names" in entry:
            if name not in entry["names"]:
                return None, path
            entry = {"kind": "function", "signature": entry["names"][name]}
        elif entry["kind"] == "ufunc" and name not in entry["methods"]:
            return None, path
        else:
            return {"kind": "attribute"}, path
    return entry, ".".join(["cupy", *names])


def bound(signature: list[list]) -> inspect.Signature:
    """A snapshot's parameters as a Signature."""
    return inspect.Signature(
        [
            inspect.Parameter(
                name, getattr(inspect.Parameter, kind), default=None if default else inspect.Parameter.empty
            )
            for name, kind, default in signature
        ]
    )


def _refused(entry: dict[str, Any], call: ast.Call) -> str | None:
    """Why CuPy would refuse the arguments of a call."""
    keywords = [k.arg for k in call.keywords if k.arg is not None]
    if entry["kind"] == "ufunc":
        wrong = sorted(set(keywords) - _UFUNC_KEYWORDS)
        if wrong:
            return f"a ufunc of CuPy's takes no {', '.join(wrong)}"
        most = entry["nin"] + entry["nout"]
        starred = any(isinstance(a, ast.Starred) for a in call.args)
        return f"more than {most} arguments" if len(call.args) > most and not starred else None
    if entry.get("signature") is None:
        return None
    signature = bound(entry["signature"])
    open_ended = any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)
    try:
        bind = signature.bind_partial if open_ended else signature.bind
        bind(*[None for a in call.args if not isinstance(a, ast.Starred)], **dict.fromkeys(keywords))
    except TypeError as error:
        return str(error)
    return None


def _found(tree: ast.AST) -> Iterator[Finding]:
    inner = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    calls = {id(n.func): n for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or id(node) in inner:
            continue
        names = _behind_namespace(node)
        if not names:
            continue
        entry, path = entry_of(names)
        if entry is None:
            yield Finding(node.lineno, path, f"CuPy {read()['version']} has no such name")
        elif id(node) in calls and (why := _refused(entry, calls[id(node)])):
            yield Finding(node.lineno, path, why)


def breaches_of(text: str) -> list[Finding]:
    """What a source text asks of its array namespace that CuPy has not."""
    return sorted(set(_found(ast.parse(text))))


def breaches(folder: Path) -> dict[str, list[Finding]]:
    """The same for every file below a folder, by its path in it."""
    found = {p.relative_to(folder).as_posix(): breaches_of(p.read_text("utf-8")) for p in sorted(folder.rglob("*.py"))}
    return {path: findings for path, findings in found.items() if findings}
