"""The error for a device whose memory is full."""

from __future__ import annotations

__all__ = ["OutOfMemoryError"]


class OutOfMemoryError(RuntimeError):
    """``torch.cuda.OutOfMemoryError``: an allocation failed, also after unused memory was given back."""
