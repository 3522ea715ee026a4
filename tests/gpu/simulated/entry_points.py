"""Python functions in the place of the C entry points of CuPy's Cython modules.

A Cython module exports its functions to other Cython modules as capsules: a pointer, named by its C signature. For each
a small C function of that signature is generated, which calls a Python function and lets its exception through (ctypes
callbacks swallow exceptions). The pointer in the capsule is replaced before the modules that import it are loaded.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from .compiler import build

__all__ = ["replace"]

# What of Python's C interface the generated text calls; no header is needed for these.
_PROLOGUE = """
struct PyObject;
extern "C" {
PyObject* PyObject_CallFunction(PyObject*, const char*, ...);
long long PyLong_AsLongLong(PyObject*);
double PyFloat_AsDouble(PyObject*);
PyObject* PyErr_Occurred();
void Py_DecRef(PyObject*);
void Py_IncRef(PyObject*);
}
static PyObject* functions[%d];
extern "C" void set_function(int i, PyObject* f) { Py_IncRef(f); functions[i] = f; }
"""
_OBJECT = """
extern "C" PyObject* entry_{i}({parameters}) {{ return PyObject_CallFunction(functions[{i}], "({formats})"{arguments}); }}
"""
_NUMBER = """
extern "C" {c} entry_{i}({parameters}) {{
  PyObject* r = PyObject_CallFunction(functions[{i}], "({formats})"{arguments});
  if (!r) return ({c}){failed};
  {c} v = ({c}){convert}(r);
  Py_DecRef(r);
  return v;
}}
"""
# C type -> the C type it is passed as, and how PyObject_CallFunction is told.
_ARGUMENTS = {
    "int": ("int", "i"), "CUdevice": ("int", "i"), "cudaMemcpyKind": ("int", "i"), "unsigned int": ("unsigned", "I"),
    "intptr_t": ("long long", "L"), "size_t": ("unsigned long long", "K"), "uintmax_t": ("unsigned long long", "K"),
    "float": ("double", "d"), "PyObject *": ("PyObject*", "O"),
}  # fmt: skip
# Return type -> what Cython takes for "an exception may have been raised" (`except? -1`, `except? 0`).
_FAILED = {"int": "-1", "unsigned int": "-1", "float": "-1", "intptr_t": "0", "size_t": "0", "uintmax_t": "0"}
_SIGNATURE = re.compile(r"(.*?)\s*\((.*)\)$")

_api = ctypes.pythonapi
_api.PyCapsule_GetName.restype = ctypes.c_char_p
_api.PyCapsule_GetName.argtypes = [ctypes.py_object]
_api.PyCapsule_SetPointer.restype = ctypes.c_int
_api.PyCapsule_SetPointer.argtypes = [ctypes.py_object, ctypes.c_void_p]


def _text(i: int, signature: str) -> str | None:
    """The C function for a signature; None for one with types that cannot be passed on."""
    match = _SIGNATURE.match(signature)
    if match is None:
        return None
    returned, listed = match[1].strip(), [a.strip() for a in match[2].split(",")]
    if returned.startswith(("PyObject", "struct")) and returned.endswith("*"):
        form = _OBJECT
    elif returned in _FAILED:
        form = _NUMBER
    else:
        return None
    parameters, formats, arguments = [], "", ""
    for j, kind in enumerate([] if listed == ["void"] else listed):
        if "__pyx_" in kind.split()[-1]:  # skip_dispatch and optional arguments: Cython's own
            parameters.append("void*" if kind.endswith("*") or "*" in kind else "int")
            continue
        if kind not in _ARGUMENTS:
            return None
        passed, letter = _ARGUMENTS[kind]
        c = "PyObject*" if kind == "PyObject *" else {"CUdevice": "int", "cudaMemcpyKind": "int"}.get(kind, kind)
        parameters.append(f"{c} a{j}")
        formats += letter
        arguments += f", ({passed})a{j}"
    convert = "PyFloat_AsDouble" if returned == "float" else "PyLong_AsLongLong"
    return form.format(
        i=i, c=returned, parameters=", ".join(parameters), formats=formats, arguments=arguments,
        failed=_FAILED.get(returned), convert=convert,
    )  # fmt: skip


def _absent(module: ModuleType, name: str) -> Callable:
    def function(*arguments: object) -> None:
        raise NotImplementedError(f"the simulated device has no {module.__name__.rpartition('.')[2]}.{name}")

    return function


# Left as they are: they touch no device.
_UNTOUCHED = {"check_status", "get_build_version", "_getCUDAMajorVersion", "deviceGetByPCIBusId"}


def replace(module: ModuleType, functions: Mapping[str, Callable[..., Any]]) -> None:
    """Make ``module``'s functions those given, for callers in C and in Python; what is not given raises."""
    capsules = module.__pyx_capi__  # type: ignore[attr-defined]
    unknown = set(functions) - set(capsules)
    if unknown:
        raise RuntimeError(f"{module.__name__} has no functions {sorted(unknown)}")
    entries: list[tuple[str, Any, Callable]] = []
    text = ""
    for name, capsule in capsules.items():
        if name in _UNTOUCHED:
            continue
        entry = _text(len(entries), _api.PyCapsule_GetName(capsule).decode())
        if entry is None:
            continue
        text += entry
        entries.append((name, capsule, functions.get(name) or _absent(module, name)))
    built = build(_PROLOGUE % len(entries) + text, names=[])
    library = ctypes.PyDLL(built._name)  # keeps the GIL, which the callers hold
    library.set_function.argtypes = [ctypes.c_int, ctypes.py_object]
    library.set_function.restype = None
    for i, (name, capsule, function) in enumerate(entries):
        library.set_function(i, function)
        pointer = ctypes.cast(getattr(library, f"entry_{i}"), ctypes.c_void_p)
        if _api.PyCapsule_SetPointer(capsule, pointer):
            raise RuntimeError(f"{module.__name__}.{name}: the entry point could not be replaced")
        if hasattr(module, name) and not name.startswith("_"):
            setattr(module, name, function)
