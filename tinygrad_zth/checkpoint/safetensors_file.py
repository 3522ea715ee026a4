"""A flat dict of arrays as ``.safetensors``, through the safetensors library.

Source: https://huggingface.co/docs/safetensors (a JSON header, then the arrays' bytes).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from .elements import read_elements
from .files import File, corrupt, describe, open_to_read, write_atomically
from .leaf import TensorLeaf, Unwrap, Wrap, leaf_of, wrapped

__all__ = ["load_safetensors", "safetensors_metadata", "save_safetensors"]

# The format's names, and PyTorch's.
_DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "I16": "int16",
    "U16": "uint16",
    "I32": "int32",
    "U32": "uint32",
    "I64": "int64",
    "U64": "uint64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "C64": "complex64",
}


def _library() -> ModuleType:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "reading and writing .safetensors needs the safetensors library: pip install 'tinygrad_zth[safetensors]'"
        ) from error
    library: ModuleType = safetensors
    return library


def save_safetensors(
    tensors: Mapping[str, Any],
    file: File,
    *,
    metadata: Mapping[str, str] | None = None,
    unwrap: Unwrap | None = None,
) -> None:
    """Write a flat dict of arrays (a state_dict).

    tensors: names to arrays of any shape and strides, or to what ``unwrap`` takes apart.
    file: a path, replaced atomically, or a binary stream.
    metadata: strings to keep beside them.

    Raises:
        ImportError: the safetensors library is not installed.
        TypeError: a name is not a string, a value not an array, or of a dtype the format lacks.
        RuntimeError: the path cannot be written.
    """
    library = _library()
    if not isinstance(tensors, Mapping):
        raise TypeError(f"a safetensors file holds a dict of tensors, not a {_kind(tensors)}")
    arrays: dict[str, np.ndarray] = {}
    for name, value in tensors.items():
        if type(name) is not str:
            raise TypeError(f"the name of a tensor in a safetensors file is a str, not {name!r}")
        leaf = leaf_of(value, unwrap)
        array = value if leaf is None else leaf.array
        if type(array) not in (np.ndarray, np.memmap):
            raise TypeError(
                f"cannot store '{name}': a safetensors file holds tensors only, not a "
                f"{_kind(value)}; an .npz checkpoint holds any nesting of plain values"
            )
        if array.dtype.name not in _DTYPES.values():
            raise TypeError(f"cannot store '{name}': safetensors has no dtype {array.dtype}")
        # ascontiguousarray would give a 0-d array a dimension.
        arrays[name] = np.require(array, array.dtype.newbyteorder("<"), "C")
    for key, value in (metadata or {}).items():
        if type(key) is not str or type(value) is not str:
            raise TypeError(f"safetensors metadata is str to str, got {key!r}: {value!r}")
    content = library.numpy.save(arrays, metadata=None if metadata is None else dict(metadata))
    with write_atomically(file) as stream:
        stream.write(content)


def load_safetensors(file: File, *, wrap: Wrap | None = None) -> dict[str, Any]:
    """Read a ``.safetensors`` file as a dict of arrays, in the file's order.

    file: a path or a binary stream.
    wrap: makes the caller's tensors; without it they come back as arrays. Types that NumPy lacks
        (bfloat16, float8) are widened to float32.

    Raises:
        ImportError: the safetensors library is not installed.
        FileNotFoundError: there is no such file.
        RuntimeError: the file is truncated, damaged or holds an unknown dtype.
    """
    library = _library()
    with open_to_read(file) as stream:
        content = stream.read()
    try:
        entries = library.deserialize(content)
    except library.SafetensorError as error:
        raise corrupt(describe(file), f"{error} (truncated, or not a safetensors file)") from error
    tensors = {}
    for name, entry in entries:
        dtype = _DTYPES.get(entry["dtype"])
        if dtype is None:
            raise corrupt(describe(file), f"'{name}' is of the unknown dtype {entry['dtype']}")
        flat = np.frombuffer(bytearray(entry["data"]), np.uint8)
        array = read_elements(flat, dtype, "<").reshape(entry["shape"])
        tensors[name] = wrapped(TensorLeaf(array, dtype), wrap)
    return tensors


def safetensors_metadata(file: File) -> dict[str, str]:
    """The strings kept beside the tensors of a ``.safetensors`` file; empty if there are none.

    Raises:
        FileNotFoundError: there is no such file.
        RuntimeError: the file does not begin with a safetensors header.
    """
    with open_to_read(file) as stream:
        content = stream.read()
        length = int.from_bytes(content[:8], "little")
        try:
            header = json.loads(content[8 : 8 + length])
        except (ValueError, RecursionError):
            header = None
    if not isinstance(header, dict):
        raise corrupt(describe(file), "it does not begin with a safetensors header")
    return dict(header.get("__metadata__") or {})


def _kind(value: Any) -> str:
    return type(value).__name__
