"""``torch.save`` and ``torch.load``: nothing in a file is ever executed.

``save`` writes PyTorch's zip file (or ``.npz`` or ``.safetensors``, if the name ends so), atomically; ``load`` reads
all three, PyTorch's own included. See ``checkpoint``.
"""

from __future__ import annotations

from typing import Any

from . import checkpoint, dtypes
from .backends import backend_for, backend_of
from .backends.cupy_backend import device_count
from .checkpoint import TensorLeaf
from .device import device as device_type
from .nn.parameter import Parameter
from .tensor import Tensor, new_tensor
from .types import Device, FileLike

__all__ = ["load", "save"]


def save(
    obj: Any,
    f: FileLike,
    pickle_module: Any = None,
    pickle_protocol: Any = None,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write ``obj``: tensors, numbers, strings, None, and dicts, lists and tuples of them.

    ``f`` is a path or a binary stream. PyTorch's ``torch.load`` reads the file, unless its name says ``.npz`` or
    ``.safetensors``. A path is written under a temporary name and renamed: at any moment it holds the old content or
    the new. Tensors on a device are written as host arrays that know where they were.

    Raises:
        TypeError: for an object of another kind, naming where in ``obj`` it stands (a Module: save
            its ``state_dict()``). RuntimeError: if the file cannot be written, or tensors see the same memory as
            different dtypes.
    """
    checkpoint.save(obj, f, unwrap=_unwrap)


def load(
    f: FileLike,
    map_location: Device | dict[Any, Any] = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
) -> Any:
    """Read what ``save``, ``safetensors`` or PyTorch's ``save`` wrote. ``f``: a path or binary stream.

    ``map_location``: a device (or its name) for all tensors, or a dict from device name to device; by default each returns to the device
    it was saved from. ``weights_only`` and ``mmap`` are accepted; no code is ever run from a file.

    Raises:
        FileNotFoundError; RuntimeError for a damaged file; pickle.UnpicklingError for one that
        would need code to be run.
    """
    if map_location is not None and not isinstance(map_location, dict):
        map_location = device_type(map_location)
    return checkpoint.load(f, wrap=lambda leaf: _wrap(leaf, _place(leaf.device, map_location)))


def _place(saved_from: str, map_location: Any) -> device_type:
    """Where a tensor goes that was saved from a device."""
    if isinstance(map_location, dict):
        return device_type(map_location.get(saved_from, saved_from))
    if map_location is not None:
        result: device_type = map_location
        return result
    where = device_type(saved_from)
    if where.type == "cuda" and device_count() == 0:
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are running "
            "on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your storages to "
            "the CPU."
        )
    return where


def _unwrap(obj: Any) -> TensorLeaf | None:
    if not isinstance(obj, Tensor):
        return None
    return TensorLeaf(
        backend_of(obj._array).to_numpy(obj._array),
        obj.dtype.name,
        obj.requires_grad,
        isinstance(obj, Parameter),
        str(obj.device),
    )


def _wrap(leaf: TensorLeaf, where: device_type) -> Tensor:
    array = dtypes.canonical(leaf.array)
    if where.type != "cpu":
        array = backend_for(where).receive(array, where)
    if leaf.parameter:
        return Parameter(new_tensor(array), leaf.requires_grad)
    t = new_tensor(array)
    return t.requires_grad_() if leaf.requires_grad else t
