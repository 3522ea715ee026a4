"""A tensor as text, as a copy of itself, and in other libraries' hands."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .. import dtypes
from ..backends import backend_for, backend_of
from ..device import device as device_type
from ..printing import get_printoptions, printoptions, set_printoptions, tensor_repr
from ..tensor import Tensor, current_node, from_array, new_tensor
from ..types import Device

__all__ = ["FUNCTIONS", "METHODS"]


def represent(self: Tensor, *, tensor_contents: Any = None) -> str:
    """What PyTorch prints for the tensor, to the character."""
    node = current_node(self)
    where = self.device
    return tensor_repr(
        self._array,
        dtype=repr(self.dtype),
        default_dtype=repr(dtypes.get_default_dtype()),
        device=None if where.type == "cpu" else str(where),
        grad_fn=None if node is None or node.op is None else node.name(),
        requires_grad=node is not None and node.op is None,
        to_host=backend_of(self._array).to_numpy,
    )


def deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """A leaf with a copy of the memory and of ``.grad``. Raises RuntimeError for an inner node."""
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment."
        )
    if id(self) in memo:
        result: Tensor = memo[id(self)]
        return result
    twin = new_tensor(self._array.copy("K"), type(self))
    memo[id(self)] = twin
    if self.requires_grad:
        twin.requires_grad_()
    twin._grad = copy.deepcopy(self._grad, memo)
    twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return twin


def rebuild(cls: type, array: Any, requires_grad: bool, attributes: dict[str, Any], place: str = "cpu") -> Tensor:
    """What unpickling a tensor calls. Raises RuntimeError where its device is not there."""
    where = device_type(place)
    t = new_tensor(backend_for(where).asarray(dtypes.canonical(array), where=where), cls)
    t.__dict__.update(attributes)
    return t.requires_grad_() if requires_grad else t


def reduce(self: Tensor, protocol: Any) -> tuple[Any, ...]:
    """Pickling, for a user's own use; ``torch.save`` does not pickle. What comes back is a leaf."""
    array = backend_of(self._array).to_numpy(self._array)
    return rebuild, (type(self), array, self.requires_grad, dict(self.__dict__), str(self.device))


def dlpack(self: Tensor, **options: Any) -> Any:
    """A DLPack capsule over this tensor's memory. Raises BufferError if it requires grad."""
    if current_node(self) is not None:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    return self._array.__dlpack__(**options)


def from_dlpack(ext_tensor: Tensor, *, device: Device = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of any object that speaks DLPack (NumPy, PyTorch, ...); no copy."""
    array = np.from_dlpack(ext_tensor)
    if copy or not array.flags.writeable:
        writeable = array.copy() if copy else _writeable(array)
        return from_array(writeable)
    return from_array(array)


def _writeable(array: Any) -> Any:
    """The same memory without NumPy's caution (it marks what comes by DLPack read-only)."""
    shared = np.lib.stride_tricks.as_strided(array, writeable=False)
    interface = dict(array.__array_interface__)
    interface["data"] = (interface["data"][0], False)

    class _Memory:
        __array_interface__ = interface
        owner = array

    return np.asarray(_Memory()) if shared.size else array.copy()


def dlpack_device(self: Tensor) -> tuple[int, int]:
    """DLPack's numbers for the kind of device and its index."""
    kind, index = self._array.__dlpack_device__()
    return int(kind), int(index)


FUNCTIONS = {
    "from_dlpack": from_dlpack, "get_printoptions": get_printoptions, "printoptions": printoptions,
    "set_printoptions": set_printoptions,
}  # fmt: skip
METHODS = {
    "__repr__": represent, "__deepcopy__": deepcopy, "__reduce_ex__": reduce,
    "__dlpack__": dlpack, "__dlpack_device__": dlpack_device,
}  # fmt: skip
