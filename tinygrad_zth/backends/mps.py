"""``torch.backends.mps``: there is no Metal backend, and scripts ask."""

from __future__ import annotations


def is_available() -> bool:
    """Always False."""
    return False


def is_built() -> bool:
    """Always False."""
    return False
