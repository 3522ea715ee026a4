"""``torch.utils``: data loading, and results computed again."""

from . import checkpoint, data, dlpack

__all__ = ["checkpoint", "data", "dlpack"]
