"""``torch.utils.dlpack``: memory shared with other libraries."""

from __future__ import annotations

from typing import Any

from ..ops.interchange import from_dlpack
from ..tensor import Tensor

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule over the tensor's memory. Raises BufferError if it requires grad."""
    return tensor.__dlpack__()
