"""Reading what ``torch.save`` wrote, without PyTorch and without running pickled code.

Such a file is a zip archive of one pickle, ``data.pkl``, which describes the containers and each
tensor's window (offset, size, stride), and of one entry ``data/KEY`` for each storage, the raw
elements. The pickle is read by :mod:`.pickle_reader` with the table of names below.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter, OrderedDict
from collections.abc import Mapping
from pickle import UnpicklingError
from typing import IO, Any

import numpy as np

from ..device import device
from ..dtypes import ALL
from ..tensor import Size
from . import numpy_pickles
from .elements import ByteOrder, itemsize, read_elements
from .files import File, corrupt, describe, open_to_read
from .leaf import TensorLeaf, Wrap, wrapped
from .pickle_reader import Internal, Symbol, fill, hashable, read_pickle

__all__ = ["is_torch_file", "load_torch"]

# The dtype of a typed storage class; an untyped one is bytes, and the tensor names the dtype.
_STORAGES = {
    "torch.storage.UntypedStorage": "uint8",
    "torch.BoolStorage": "bool",
    "torch.ByteStorage": "uint8",
    "torch.CharStorage": "int8",
    "torch.ShortStorage": "int16",
    "torch.IntStorage": "int32",
    "torch.LongStorage": "int64",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.FloatStorage": "float32",
    "torch.DoubleStorage": "float64",
    "torch.ComplexFloatStorage": "complex64",
    "torch.ComplexDoubleStorage": "complex128",
}
# dtypes a tensor over untyped bytes may name
_TENSOR_DTYPES = (
    *("uint16", "uint32", "uint64", "complex32"),
    *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"),
)


def load_torch(file: File, *, wrap: Wrap | None = None) -> Any:
    """Read a zip file of ``torch.save`` that holds tensors in plain containers.

    file: a path or a binary stream.
    wrap: makes the caller's tensors; without it they come back as writable arrays. Tensors that
        shared a storage come back as arrays that share memory, with the strides they had. Types
        that NumPy lacks are widened: bfloat16 and the 8-bit floats to float32.

    Containers: dict, OrderedDict (with a state_dict's ``_metadata``), Counter, list, tuple, set,
    ``torch.Size``; scalars, ``torch.dtype``, ``torch.device``; tensors, Parameters; NumPy's arrays and scalars.

    Raises:
        FileNotFoundError: there is no such file.
        pickle.UnpicklingError: the pickle asks for anything else, which is named and not run; or
            the file is of the format before PyTorch 1.6.
        RuntimeError: the file is truncated or damaged.
    """
    with open_to_read(file) as stream:
        name = describe(file)
        begin = stream.tell()
        is_pickle = stream.read(1) == b"\x80"
        stream.seek(begin)
        if is_pickle:
            raise UnpicklingError(
                f"{name} is a bare pickle, such as torch.save wrote before PyTorch 1.6; only its "
                "zip format is read (save it again with a newer PyTorch)"
            )
        try:
            with zipfile.ZipFile(stream) as archive:
                return _Reader(archive, name, wrap).read()
        except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
            raise corrupt(name, f"not a zip file, or a truncated or damaged one: {error}") from error


def is_torch_file(stream: IO[bytes]) -> bool:
    """Whether this zip file has a ``data.pkl``."""
    try:
        with zipfile.ZipFile(stream) as archive:
            return _pickle_entry(archive) is not None
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def _pickle_entry(archive: zipfile.ZipFile) -> str | None:
    names = (n for n in archive.namelist() if n == "data.pkl" or n.endswith("/data.pkl"))
    return min(names, key=len, default=None)


class _Storage(Internal):
    """The raw bytes of a storage, read once, seen as elements of one dtype or another."""

    __slots__ = ("_elements", "_order", "_raw", "device", "dtype")

    def __init__(self, raw: np.ndarray, dtype: str, order: ByteOrder, where: str) -> None:
        self._raw = raw
        self._order = order
        self._elements: dict[str, np.ndarray] = {}
        self.dtype = dtype
        self.device = where

    def elements(self, dtype: str) -> np.ndarray:
        if dtype not in self._elements:
            self._elements[dtype] = read_elements(self._raw, dtype, self._order)
        return self._elements[dtype]


class _Reader:
    def __init__(self, archive: zipfile.ZipFile, name: str, wrap: Wrap | None) -> None:
        self._archive = archive
        self._name = name
        self._wrap = wrap
        self._storages: dict[str, _Storage] = {}
        # The parts of each tensor made so far, by identity: a Parameter is made of a tensor.
        self._leaves: dict[int, tuple[Any, TensorLeaf]] = {}
        entry = _pickle_entry(archive)
        if entry is None:
            raise corrupt(name, "a zip file without data.pkl was not written by torch.save")
        self._entry = entry
        self._prefix = entry.removesuffix("data.pkl")
        names = archive.namelist()
        if f"{self._prefix}constants.pkl" in names:
            raise UnpicklingError(f"{name} is a TorchScript program, not a file of torch.save")
        order = f"{self._prefix}byteorder"
        # Files older than the marker were written on little-endian machines.
        mark = archive.read(order) if order in names else b"little"
        if mark not in (b"little", b"big"):
            raise corrupt(name, f"unknown byte order {mark[:20]!r}")
        self._order: ByteOrder = "<" if mark == b"little" else ">"

    def read(self) -> Any:
        symbols: dict[str, Any] = {name: Symbol(name) for name in _STORAGES}
        symbols |= {f"torch.{each}": Symbol(f"torch.{each}") for each in _TENSOR_DTYPES}
        symbols |= {f"torch.{each.name}": each for each in ALL}
        symbols |= numpy_pickles.SYMBOLS
        for name, build in {
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor_v3": self._tensor_with_dtype,
            "torch._utils._rebuild_parameter": self._parameter,
            "torch.Size": _size,
            "torch.device": _device,
            "collections.OrderedDict": _ordered_dict,
            "collections.Counter": _counter,
            "builtins.set": _set,
            "__builtin__.set": _set,
            "builtins.complex": _complex,
            "__builtin__.complex": _complex,
            "_codecs.encode": _bytes,
            "__builtin__.bytes": _bytes,
        }.items():
            symbols[name] = Symbol(name, build)
        try:
            return read_pickle(self._archive.read(self._entry), symbols, self._storage, numpy_pickles.STATES)
        except UnpicklingError as error:
            raise UnpicklingError(f"cannot read {self._name}: {error}") from error

    def _storage(self, reference: Any) -> _Storage:
        match reference:
            case ("storage", Symbol() as kind, str(key), str(where), int(count)) if kind.name in _STORAGES:
                dtype = _STORAGES[kind.name]
            case _:
                raise UnpicklingError(f"malformed reference to a storage: {reference!r}")
        if key not in self._storages:
            entry = f"{self._prefix}data/{key}"
            try:
                info = self._archive.getinfo(entry)
            except KeyError:
                raise corrupt(self._name, f"the storage '{entry}' is missing") from None
            if info.file_size != count * itemsize(dtype):
                found = f"{info.file_size} bytes, not those of {count} {dtype}"
                raise corrupt(self._name, f"the storage '{entry}' has {found}")
            raw = np.frombuffer(bytearray(self._archive.read(info)), np.uint8)
            self._storages[key] = _Storage(raw, dtype, self._order, where)
        storage = self._storages[key]
        if storage.dtype != dtype:
            raise UnpicklingError(f"storage '{key}' is both {storage.dtype} and {dtype}")
        return storage

    def _tensor(self, arguments: tuple[Any, ...]) -> Any:
        match arguments:
            case (_Storage() as storage, offset, size, stride):
                return self._made(storage, storage.dtype, (offset, size, stride), False, None)
            case (_Storage() as storage, offset, size, stride, bool(requires_grad), _, *rest) if len(rest) < 2:
                window = (offset, size, stride)
                bits = rest[0] if rest else None
                return self._made(storage, storage.dtype, window, requires_grad, bits)
        raise UnpicklingError("malformed tensor")

    def _tensor_with_dtype(self, arguments: tuple[Any, ...]) -> Any:
        match arguments:
            case (
                _Storage() as storage,
                offset,
                size,
                stride,
                bool(requires_grad),
                _,
                kind,
                *rest,
            ) if len(rest) < 2 and storage.dtype == "uint8":
                name = kind.name.removeprefix("torch.") if isinstance(kind, Symbol) else kind
                dtype = getattr(name, "name", name)
                if dtype in _TENSOR_DTYPES or any(dtype == each.name for each in ALL):
                    window = (offset, size, stride)
                    bits = rest[0] if rest else None
                    return self._made(storage, dtype, window, requires_grad, bits)
        raise UnpicklingError("malformed tensor")

    def _made(
        self,
        storage: _Storage,
        dtype: str,
        window: tuple[Any, Any, Any],
        requires_grad: bool,
        bits: Any,
    ) -> Any:
        try:
            elements = storage.elements(dtype)
        except ValueError as error:
            raise corrupt(self._name, f"a storage is no whole number of {dtype}") from error
        array = self._window(elements, *window)
        match bits:
            case None:
                pass
            case {**facts} if set(facts) <= {"conj", "neg"}:
                array = array.conj() if facts.get("conj") else array
                array = -array if facts.get("neg") else array
            case _:
                raise UnpicklingError(f"unknown facts about a tensor: {bits!r}")
        return self._wrapped(TensorLeaf(array, dtype, requires_grad, False, storage.device))

    def _window(self, elements: np.ndarray, offset: Any, size: Any, stride: Any) -> np.ndarray:
        """``size`` elements from ``offset`` on, ``stride`` apart; it must lie in the storage."""
        numbers = (offset, *size, *stride) if type(size) is type(stride) is tuple else (None,)
        if any(type(n) is not int or n < 0 for n in numbers) or len(size) != len(stride):
            raise UnpicklingError(f"malformed tensor window: {offset!r}, {size!r}, {stride!r}")
        width = elements.itemsize
        if 0 in size:
            # No element, so no address matters, and PyTorch's may lie behind the storage.
            offset, stride = 0, (0,) * len(size)
        try:
            return np.ndarray(size, elements.dtype, elements, offset * width, [step * width for step in stride])
        except (ValueError, TypeError, OverflowError) as error:
            raise corrupt(
                self._name,
                f"a tensor of size {size} and stride {stride} at {offset} does not fit into its "
                f"storage of {len(elements)} elements",
            ) from error

    def _parameter(self, arguments: tuple[Any, ...]) -> Any:
        match arguments:
            case (tensor, bool(requires_grad), _) if id(tensor) in self._leaves:
                leaf = self._leaves[id(tensor)][1]
                return self._wrapped(TensorLeaf(leaf.array, leaf.dtype, requires_grad, True, leaf.device))
        raise UnpicklingError("malformed Parameter")

    def _wrapped(self, leaf: TensorLeaf) -> Any:
        made = wrapped(leaf, self._wrap)
        self._leaves[id(made)] = (made, leaf)
        return made


def _size(arguments: tuple[Any, ...]) -> Size:
    match arguments:
        case (tuple() | list() as sizes,) if all(type(n) is int for n in sizes):
            return Size(sizes)
    raise UnpicklingError(f"malformed torch.Size: {arguments!r}")


def _device(arguments: tuple[Any, ...]) -> device:
    match arguments:
        case (str(), *index) if len(index) < 2 and all(type(n) is int for n in index):
            try:
                return device(*arguments)
            except RuntimeError as error:
                raise UnpicklingError(f"unknown device {arguments!r}") from error
    raise UnpicklingError(f"malformed torch.device: {arguments!r}")


def _ordered_dict(arguments: tuple[Any, ...]) -> OrderedDict[Any, Any]:
    made: OrderedDict[Any, Any] = OrderedDict()
    match arguments:
        case ():
            return made
        case (list() as pairs,) if all(type(p) in (list, tuple) and len(p) == 2 for p in pairs):
            fill(made, [part for pair in pairs for part in pair])
            return made
    raise UnpicklingError("malformed OrderedDict")


def _counter(arguments: tuple[Any, ...]) -> Counter[Any]:
    made: Counter[Any] = Counter()
    match arguments:
        case ():
            return made
        case (Mapping() as counts,):
            dict.update(made, counts)
            return made
    raise UnpicklingError("malformed Counter")


def _set(arguments: tuple[Any, ...]) -> set[Any]:
    match arguments:
        case (list() | tuple() as values,):
            return set(map(hashable, values))
    raise UnpicklingError("malformed set")


def _complex(arguments: tuple[Any, ...]) -> complex:
    match arguments:
        case (float(real), float(imag)):
            return complex(real, imag)
    raise UnpicklingError("malformed complex number")


def _bytes(arguments: tuple[Any, ...]) -> bytes:
    """Protocol 2 writes bytes as ``codecs.encode(text, "latin1")``, none as ``bytes()``."""
    match arguments:
        case ():
            return b""
        case (str(text), "latin1"):
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError:
                pass
    raise UnpicklingError("malformed bytes")
