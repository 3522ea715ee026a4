"""A stand-in for CuPy that refuses what CuPy refuses, on NumPy's memory: ``pytest --device=strict``.

It needs no wheel, no compiler and no device, and costs little more than NumPy: the fast layer, for every machine. Names and
signatures are those of a snapshot (``cupy_api.json``) of CuPy's own. Where it and the real CuPy on the simulated device
disagree, that one is right. It runs no CUDA kernels: fused operations run as their ``plain`` compositions.

    snapshot.py     writes and reads the snapshot
    contract.py     the package's source text held to it
    array.py        the array;   namespace.py   the module's functions;   runtime.py   cupy.cuda
    backend.py      what the engine is given in CupyBackend's place
"""

from __future__ import annotations

__all__ = ["install"]


def install() -> None:
    """Serve "cuda" by the stand-in, in this process."""
    from .backend import install as install_backend

    install_backend()
