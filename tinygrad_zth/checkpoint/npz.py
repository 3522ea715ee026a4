"""Training states as ``.npz``: a zip file of ``.npy`` arrays and a JSON manifest.

``numpy.load`` opens such a file too and finds each array under the keys that lead to it, joined
by slashes. Nothing is pickled, neither on the way out nor in.

Source of the array format: NumPy Enhancement Proposal 1, "A simple file format for NumPy arrays".
"""

from __future__ import annotations

import json
import zipfile
import zlib
from typing import IO, Any

import numpy as np

from .files import File, corrupt, describe, open_to_read, write_atomically
from .leaf import TensorLeaf, Unwrap, Wrap, wrapped
from .manifest import Malformed, decode, encode

__all__ = ["is_checkpoint", "load_npz", "save_npz"]

_MANIFEST = "manifest.json"
_FORMAT = "tinygrad_zth checkpoint"
_VERSION = 1


def save_npz(structure: Any, file: File, *, unwrap: Unwrap | None = None) -> None:
    """Write a nested structure of plain values and arrays.

    structure: dict (and OrderedDict, Counter), list, tuple, None, bool, int, float, complex, str,
        bytes, dtypes, devices, Sizes, NumPy scalars and arrays, nested to any depth. Keys may be
        any of the plain scalars. Arrays may be views, of any strides; they are written in full,
        and those that are the same window on the same memory are written once and come back as one.
    file: a path, replaced atomically (:func:`~.files.write_atomically`), or a binary stream.
    unwrap: takes the caller's tensors apart.

    Raises:
        TypeError: something in the structure cannot be stored; its place is named. The file is
            then untouched, as it is after every other error.
        ValueError: a container holds itself.
        RuntimeError: the path cannot be written.
    """
    nodes, arrays = encode(structure, unwrap)
    manifest = json.dumps({"format": _FORMAT, "version": _VERSION, "nodes": nodes})
    with (
        write_atomically(file) as stream,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive,
    ):
        # A ZipInfo without a date makes equal structures equal files.
        archive.writestr(zipfile.ZipInfo(_MANIFEST), manifest)
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def load_npz(file: File, *, wrap: Wrap | None = None) -> Any:
    """Read what :func:`save_npz` wrote, or a dict of arrays that ``numpy.savez`` wrote.

    file: a path or a binary stream.
    wrap: makes the caller's tensors; without it they come back as their arrays. In a file of
        ``numpy.savez`` every array is taken for a tensor.

    Raises:
        FileNotFoundError: there is no such file.
        RuntimeError: the file is truncated, damaged, or not of this format; or an array in it
            holds pickled objects.
    """
    with open_to_read(file) as stream, _opened(stream, describe(file)) as archive:
        if _MANIFEST not in archive.namelist():
            return {
                name.removesuffix(".npy"): wrapped(TensorLeaf(array, array.dtype.name), wrap)
                for name in archive.namelist()
                for array in [_read_array(archive, name, describe(file))]
            }
        nodes = _read_manifest(archive, describe(file))
        try:
            return decode(nodes, lambda name: _read_array(archive, f"{name}.npy", describe(file)), wrap)
        except Malformed as error:
            raise corrupt(describe(file), f"its manifest is damaged: {error}") from error


def is_checkpoint(stream: IO[bytes]) -> bool:
    """Whether this zip file has a manifest."""
    with _opened(stream, "the stream") as archive:
        return _MANIFEST in archive.namelist()


def _opened(stream: IO[bytes], name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise corrupt(name, f"not a zip file, or a truncated one ({error})") from error


def _read_manifest(archive: zipfile.ZipFile, name: str) -> list[Any]:
    try:
        manifest = json.loads(archive.read(_MANIFEST))
    except (zipfile.BadZipFile, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise corrupt(name, f"its manifest is damaged: {error}") from error
    match manifest:
        case {"format": "tinygrad_zth checkpoint", "version": int(version), "nodes": list(nodes)}:
            if version > _VERSION:
                raise corrupt(name, f"format version {version}; this library reads up to {_VERSION}")
            return nodes
    raise corrupt(name, f"its {_MANIFEST} is not that of a {_FORMAT}")


def _read_array(archive: zipfile.ZipFile, entry: str, name: str) -> np.ndarray:
    try:
        with archive.open(entry) as member:
            array = np.lib.format.read_array(member, allow_pickle=False)
            # To the end, for only there the checksum is compared.
            if member.read(1):
                raise ValueError("more bytes than the array has")
    except (
        *(zipfile.BadZipFile, EOFError, KeyError, ValueError, OverflowError),
        *(MemoryError, NotImplementedError, zlib.error),
    ) as error:
        raise corrupt(name, f"array '{entry}': {error}") from error
    return array
