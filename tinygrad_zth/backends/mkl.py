"""``torch.backends.mkl``: matrix products are NumPy's BLAS, whichever it was built with."""

from __future__ import annotations


def is_available() -> bool:
    """Always False: no MKL of our own."""
    return False
