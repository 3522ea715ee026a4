"""``torch.backends.cudnn``: switches that scripts set. Nothing here reads them: there is no cuDNN."""

from __future__ import annotations

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """Always False."""
    return False


def version() -> int | None:
    """Always None."""
    return None
