"""Weights and whole training states in files: read and written without running what they hold.

Arrays in, arrays out; ``wrap`` and ``unwrap`` (:class:`TensorLeaf`) let a caller put tensors in
their place. Three formats:

* PyTorch's zip file (:func:`save_torch`, :func:`load_torch`): tensors in plain containers; read by an
  interpreter that knows these and refuses everything else by name;
* ``.npz`` (:func:`save_npz`, :func:`load_npz`): any nesting of plain Python values and arrays,
  described by a JSON manifest, which ``numpy.load`` opens too;
* ``.safetensors`` (:func:`save_safetensors`, :func:`load_safetensors`): a flat dict of arrays.
"""

from __future__ import annotations

import os
from typing import Any

from .files import File, corrupt, describe, open_to_read
from .leaf import TensorLeaf, Unwrap, Wrap
from .npz import is_checkpoint, load_npz, save_npz
from .safetensors_file import load_safetensors, safetensors_metadata, save_safetensors
from .torch_file import is_torch_file, load_torch
from .torch_writer import save_torch

__all__ = [
    "TensorLeaf",
    "load",
    "load_npz",
    "load_safetensors",
    "load_torch",
    "safetensors_metadata",
    "save",
    "save_npz",
    "save_safetensors",
    "save_torch",
]


def save(structure: Any, file: File, *, unwrap: Unwrap | None = None) -> None:
    """Write ``structure``: to a path that ends in ``.npz`` or ``.safetensors`` as that, else as PyTorch does.

    See :func:`save_torch`, :func:`save_npz` and :func:`save_safetensors` for what is raised.
    """
    path = os.fsdecode(file) if isinstance(file, (str, bytes, os.PathLike)) else ""
    ending = os.path.splitext(path)[1].lower()
    if ending == ".npz":
        save_npz(structure, file, unwrap=unwrap)
    elif ending == ".safetensors":
        save_safetensors(structure, file, unwrap=unwrap)
    else:
        save_torch(structure, file, unwrap=unwrap)


def load(file: File, *, wrap: Wrap | None = None) -> Any:
    """Read a file of any of the three formats, told apart by its content, not by its name.

    file: a path, or a binary stream, which is read from its position on.
    wrap: makes the caller's tensors; without it they come back as arrays.

    Raises:
        FileNotFoundError: there is no such file.
        RuntimeError: it is empty, in none of the formats, truncated or damaged.
        pickle.UnpicklingError: it would need pickled code to run.
    """
    with open_to_read(file) as stream:
        begin = stream.tell()
        start = stream.read(9)
        stream.seek(begin)
        if not start:
            where = f" from position {begin} on (seek(0) first?)" if begin else ""
            raise corrupt(describe(file), f"it is empty{where}")
        if start[:4] == b"PK\x03\x04":
            if is_torch_file(stream) and not is_checkpoint(stream):
                return load_torch(stream, wrap=wrap)
            return load_npz(stream, wrap=wrap)
        if start[8:] == b"{":
            return load_safetensors(stream, wrap=wrap)
        if start[:1] == b"\x80":
            return load_torch(stream, wrap=wrap)
        raise corrupt(describe(file), "it is none of .npz, .safetensors, torch.save's zip file (or truncated)")
