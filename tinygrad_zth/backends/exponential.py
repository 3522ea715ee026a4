"""e^x by the function that NumPy computes in vectors: POWER(RATE x) = e^x.

With AVX-512 that is 2^x, a little faster than e^x; elsewhere 2^x is computed one by one, and e^x, in vectors of
AVX2 and NEON, takes half the time. A kernel that scales its exponents anyway scales them by ``RATE`` as well.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["POWER", "RATE"]

_AVX512 = {"AVX512_SKX", "X86_V4"}  # its names up to NumPy 2.3, and after


def _has_avx512() -> bool:
    about = np.show_config(mode="dicts") or {}
    return not _AVX512.isdisjoint(about.get("SIMD Extensions", {}).get("found", ()))


POWER, RATE = (np.exp2, math.log2(math.e)) if _has_avx512() else (np.exp, 1.0)
