"""The primitives: one entry each, forward and gradient side by side. ``operation.py`` says how to read them.

Each room ends with what it offers: ``FUNCTIONS`` become ``torch.<name>``, ``METHODS`` become
``Tensor.<name>``. This file collects them.
"""

from __future__ import annotations

from collections.abc import Callable

from ..tensor import Tensor
from . import (
    activations,
    addmm,
    arithmetic,
    bitwise,
    bounds,
    closeness,
    compare,
    contract,
    copy,
    counting,
    create,
    decompose,
    elementwise,
    error_function,
    extremes,
    index,
    inquiry,
    interchange,
    join,
    legacy,
    linalg,
    masks,
    matmul,
    norms,
    pairs,
    powers,
    random,
    rearrange,
    reduce,
    rounding,
    scan,
    scatter,
    selection,
    solve,
    sort,
    view,
)

ROOMS = (
    create, copy, interchange, inquiry, legacy, arithmetic, powers, elementwise, error_function, bounds, activations, compare, bitwise, rounding, closeness, pairs, view, index, masks, scatter, join, rearrange, reduce, extremes, norms, scan, sort, selection, counting,
    matmul, addmm, contract, solve, decompose, linalg, random,
)  # fmt: skip

FUNCTIONS: dict[str, Callable] = {}
METHODS: dict[str, Callable] = {}
for room in ROOMS:
    FUNCTIONS.update(room.FUNCTIONS)
    METHODS.update(room.METHODS)

for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
