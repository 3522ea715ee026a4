"""Writing what ``torch.load`` reads: PyTorch's zip file, of tensors in plain containers.

The pickle ``data.pkl`` names ``torch._utils._rebuild_tensor_v2`` for every tensor, with its window (offset, size,
stride) on a storage, whose elements are the entry ``data/KEY``. :mod:`.torch_file` has the way back.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..device import device
from ..dtypes import dtype
from ..tensor import Size
from .files import File, write_atomically
from .leaf import TensorLeaf, Unwrap, leaf_of
from .numpy_pickles import reduce_numpy
from .pickle_writer import Call, Global, Reference, write_pickle
from .places import Place

__all__ = ["save_torch"]

_STORAGES = {
    "bool": "BoolStorage",
    "uint8": "ByteStorage",
    "int8": "CharStorage",
    "int16": "ShortStorage",
    "int32": "IntStorage",
    "int64": "LongStorage",
    "float16": "HalfStorage",
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
}
_TENSOR = Global("torch._utils", "_rebuild_tensor_v2")
_PARAMETER = Global("torch._utils", "_rebuild_parameter")
_LOCAL_HEADER = 30  # bytes before an entry's name
_ALIGNMENT = 64  # bytes; PyTorch maps the storages of a file into memory where they lie


def save_torch(structure: Any, file: File, *, unwrap: Unwrap | None = None) -> None:
    """Write tensors in plain containers so that ``torch.load(file, weights_only=True)`` reads them.

    structure: dict, OrderedDict (with a state_dict's ``_metadata``), Counter, list, tuple, set, None, bool, int, float,
        complex, str, bytes, dtypes, devices, Sizes and tensors, nested to any depth. NumPy arrays and scalars are
        written as NumPy pickles them: PyTorch reads those with ``weights_only=False`` only.
    file: a path, replaced atomically (:func:`~.files.write_atomically`), or a binary stream.
    unwrap: takes the caller's tensors apart.

    Tensors whose memory overlaps share a storage and keep their strides. Of memory that no tensor in the structure
    shows, nothing is written: a row of a large matrix is a small file.

    Raises:
        TypeError: something in the structure cannot be stored; its place is named.
        ValueError: a tuple or Counter holds itself.
        RuntimeError: tensors see the same memory as different dtypes; or the path cannot be written. After any error
            the file is untouched.
    """
    tensors = _Tensors(unwrap)
    write_pickle(structure, tensors.reduce)  # for the sake of the tensors it meets: which of them overlap
    tensors.lay_out()
    program = write_pickle(structure, tensors.reduce)
    with write_atomically(file) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "data.pkl", program)
        _add(archive, "byteorder", sys.byteorder.encode())
        for key, storage in enumerate(tensors.storages):
            _add(archive, f"data/{key}", storage.view(np.uint8).data)
        _add(archive, "version", b"3\n")


def _add(archive: zipfile.ZipFile, name: str, content: bytes | memoryview) -> None:
    """An entry whose content begins at a multiple of ``_ALIGNMENT`` in the file."""
    # A ZipInfo without a date makes equal structures equal files.
    entry = zipfile.ZipInfo(f"archive/{name}")
    wide = len(content) > zipfile.ZIP64_LIMIT // 2
    header = archive.start_dir + _LOCAL_HEADER + len(entry.filename) + 4 + 20 * wide
    padding = -header % _ALIGNMENT
    entry.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
    with archive.open(entry, "w", force_zip64=wide) as member:
        member.write(content)


@dataclass(slots=True)
class _Window:
    """A tensor and, once storages are laid out, where in which of them it lies."""

    leaf: TensorLeaf
    array: np.ndarray
    key: str = ""
    offset: int = 0
    count: int = 0  # elements of the storage


@dataclass(slots=True)
class _Tensors:
    """The tensors of a structure, and the storages they need."""

    unwrap: Unwrap | None
    windows: dict[int, _Window] = field(default_factory=dict)  # by the identity of the caller's object
    storages: list[np.ndarray] = field(default_factory=list)

    def reduce(self, value: Any, place: Place) -> Global | Call | None:
        """What the pickle says in the place of a tensor, a dtype and the like."""
        if isinstance(value, dtype):
            return Global("torch", value.name)
        if isinstance(value, device):
            return Call(Global("torch", "device"), (value.type,) if value.index is None else (value.type, value.index))
        if type(value) is Size:
            return Call(Global("torch", "Size"), (tuple(value),))
        if isinstance(value, (np.ndarray, np.generic)):
            return reduce_numpy(value, place)
        if id(value) not in self.windows:
            leaf = leaf_of(value, self.unwrap)
            if leaf is None:
                return None
            if leaf.array.dtype.name not in _STORAGES:
                raise TypeError(f"cannot store {place}: a tensor of dtype {leaf.array.dtype}")
            self.windows[id(value)] = _Window(leaf, _addressable(leaf.array))
        return _rebuilt(self.windows[id(value)])

    def lay_out(self) -> None:
        """Give every window its place: those that overlap share a storage, in the order in which they are met."""
        windows = list(self.windows.values())
        found: list[tuple[int, int, list[_Window]]] = []  # first address, end, who lies between
        for window in sorted(windows, key=lambda w: _extent(w.array)):
            begin, end = _extent(window.array)
            if found and begin < found[-1][1]:
                first, last, inside = found[-1]
                found[-1] = (first, max(last, end), [*inside, window])
            else:
                found.append((begin, end, [window]))
        order = {id(window): number for number, window in enumerate(windows)}
        for begin, end, inside in sorted(found, key=lambda group: min(order[id(w)] for w in group[2])):
            kinds = {window.array.dtype.name for window in inside}
            if len(kinds) > 1:
                raise RuntimeError(
                    "Cannot save multiple tensors or storages that view the same data as different types: "
                    + ", ".join(sorted(kinds))
                )
            lowest = inside[0].array
            count = (end - begin) // lowest.itemsize
            key = str(len(self.storages))
            # Every byte between is a window's, so all of it may be read.
            self.storages.append(np.lib.stride_tricks.as_strided(lowest, (count,), (lowest.itemsize,), writeable=False))
            for window in inside:
                offset = (_extent(window.array)[0] - begin) // lowest.itemsize
                window.key, window.offset, window.count = key, offset, count


def _rebuilt(window: _Window) -> Call:
    leaf, array = window.leaf, window.array
    storage = Reference(
        ("storage", Global("torch", _STORAGES[array.dtype.name]), window.key, leaf.device, window.count)
    )
    strides = tuple(step // array.itemsize for step in array.strides)
    hooks = Call(Global("collections", "OrderedDict"), ())
    asks = leaf.requires_grad and not leaf.parameter
    tensor = Call(_TENSOR, (storage, window.offset, array.shape, strides, asks, hooks))
    return Call(_PARAMETER, (tensor, leaf.requires_grad, hooks)) if leaf.parameter else tensor


def _addressable(array: np.ndarray) -> np.ndarray:
    """``array``, or a copy of it if PyTorch has no such window: steps backwards, or between elements."""
    whole = all(step >= 0 and step % array.itemsize == 0 for step in array.strides) and array.dtype.isnative
    return array if whole and array.flags.aligned else array.astype(array.dtype.newbyteorder("="), order="C")


def _extent(array: np.ndarray) -> tuple[int, int]:
    """The addresses of the first byte, and of the one behind the last."""
    begin = int(array.__array_interface__["data"][0])
    if array.size == 0:
        return begin, begin
    return begin, begin + array.itemsize + sum(
        (n - 1) * step for n, step in zip(array.shape, array.strides, strict=True)
    )
