"""The primitives: one entry each, forward and gradient side by side. ``operation.py`` says how to read them.

Each room ends with what it offers: ``FUNCTIONS`` become ``torch.<name>``, ``METHODS`` become
``Tensor.<name>``. This file collects them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tensor import Tensor
from . import (
    activations,
    addmm,
    arithmetic,
    bitwise,
    bounds,
    calculus,
    closeness,
    compare,
    contract,
    copy,
    counting,
    create,
    decompose,
    elementwise,
    error_function,
    expand,
    extremes,
    gamma,
    householder,
    index,
    inquiry,
    interchange,
    join,
    legacy,
    linalg,
    lowrank,
    lu,
    masks,
    matmul,
    norms,
    pairs,
    powers,
    random,
    rearrange,
    reduce,
    resize,
    retired,
    rounding,
    scan,
    scatter,
    selection,
    solve,
    sort,
    strides,
    systems,
    tapers,
    triangles,
    view,
)
from .calling import shown_as, torch_call
from .docstrings import DOCSTRINGS

ROOMS = (
    create, triangles, copy, interchange, inquiry, legacy, arithmetic, powers, elementwise, error_function, bounds, activations, compare, bitwise, rounding, closeness, pairs, view, strides, expand, index, masks, scatter, join, rearrange, reduce, extremes, norms, scan, sort, selection, counting, gamma, calculus, resize,
    matmul, addmm, contract, solve, decompose, linalg, systems, lu, lowrank, householder, tapers, random, retired,
)  # fmt: skip

FUNCTIONS: dict[str, Callable[..., Any]] = {}
METHODS: dict[str, Callable[..., Any]] = {}
for room in ROOMS:
    FUNCTIONS.update(room.FUNCTIONS)
    METHODS.update(room.METHODS)
for _name, _text in DOCSTRINGS.items():
    (FUNCTIONS.get(_name) or getattr(gamma, _name)).__doc__ = _text

# One function each in PyTorch, and so is its grad_fn; compositions here. The other names are Name -> NameBackward0.
SHOWN = {
    "addbmm": "", "addcdiv": "", "addcmul": "", "addmm": "", "addmv": "", "addr": "", "aminmax": "", "baddbmm": "", "cdist": "",
    "block_diag": "BlockDiag", "bmm": "", "clamp_max": "ClampMax", "clamp_min": "ClampMin", "cross": "LinalgCross", "cummax": "", "cummin": "",
    "diag_embed": "DiagEmbed", "diagflat": "DiagEmbed", "diagonal_scatter": "DiagonalScatter", "dist": "", "index_copy": "IndexCopy",
    "index_fill": "IndexFill", "index_put": "IndexPut", "kthvalue": "", "lerp": "", "logcumsumexp": "", "masked_scatter": "MaskedScatter",
    "masked_select": "MaskedSelect", "matrix_exp": "LinalgMatrixExp", "mode": "", "mvlgamma": "", "nan_to_num": "NanToNum",
    "nansum": "", "put": "", "renorm": "", "rot90": "", "scatter_reduce": "ScatterReduce", "select_scatter": "SelectScatter",
    "slice_scatter": "SliceScatter", "std_mean": "StdMean", "t": "", "take": "", "tile": "Repeat", "repeat": "",
    "repeat_interleave": "IndexSelect", "var_mean": "VarMean", "vdot": "",
}  # fmt: skip
_by_arguments: dict[str, Callable[..., str]] = {
    "median": lambda input, *dim, **named: f"MedianBackward{int(bool(dim or named))}",
    "nanmedian": lambda input, *dim, **named: f"NanmedianBackward{int(bool(dim or named))}",
    "sort": lambda *_, **named: f"SortBackward{int('stable' in named)}",
}
_by_name = {_name: f"{_shown or _name.capitalize()}Backward0" for _name, _shown in SHOWN.items()}
_every: dict[str, str | Callable[..., str]] = {**_by_name, **_by_arguments}
for _name, _show in _every.items():
    _as_shown = shown_as(_show)
    for _table, _key in ((FUNCTIONS, _name), (METHODS, _name), (METHODS, f"{_name}_")):
        if _key in _table:
            _table[_key] = _as_shown(_table[_key])

# Functions (not methods) that store their result where ``out=`` says.
STORED = """bucketize chain_matmul cholesky conj_physical cross diag diff frexp gather index_add index_copy index_select isin
masked_select mvlgamma narrow_copy nonzero nonzero_static renorm scatter scatter_add scatter_reduce slice_scatter take
take_along_dim""".split()
FUNCTIONS.update({_name: torch_call(FUNCTIONS[_name]) for _name in STORED})

# PyTorch has these of its in-place methods as functions, too.
IN_PLACE = """abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ as_strided_ asin_ asinh_ atan_
atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_ deg2rad_ detach_ erf_ erfc_ exp2_ exp_ expm1_
fill_ fix_ floor_ frac_ gcd_ i0_ index_put_ lcm_ ldexp_ log10_ log1p_ log2_ log_ logit_ nan_to_num_ neg_ negative_
rad2deg_ reciprocal_ relu_ round_ rsqrt_ sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ tan_ tanh_ trunc_ xlogy_ zero_""".split()
FUNCTIONS.update({_name: METHODS[_name] for _name in IN_PLACE})

for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
