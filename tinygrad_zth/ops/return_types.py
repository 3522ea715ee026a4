"""The named tuples that functions of several results return: ``torch.return_types``."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

__all__: list[str] = []  # filled below


def _define(name: str, fields: str) -> type:
    base = namedtuple(name, fields)

    def text(self: Any) -> str:
        rows = ",\n".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
        return f"torch.return_types.{name}(\n{rows})"

    made = type(name, (base,), {"__slots__": (), "__repr__": text, "__module__": __name__})
    globals()[name] = made
    __all__.append(name)
    return made


for _name in (
    "max", "min", "sort", "topk", "kthvalue", "median", "nanmedian", "mode", "cummax", "cummin",
):  # fmt: skip
    _define(_name, "values indices")
_define("aminmax", "min max")
_define("histogram", "hist bin_edges")
_define("histogramdd", "hist bin_edges")
_define("slogdet", "sign logabsdet")
_define("linalg_slogdet", "sign logabsdet")
_define("svd", "U S V")
_define("linalg_svd", "U S Vh")
_define("linalg_inv_ex", "inverse info")
_define("linalg_cholesky_ex", "L info")
_define("linalg_solve_ex", "result info")
_define("frexp", "mantissa exponent")
_define("linalg_eigh", "eigenvalues eigenvectors")
_define("qr", "Q R")
_define("geqrf", "a tau")
_define("linalg_lu", "P L U")
_define("linalg_lu_factor", "LU pivots")
_define("linalg_lu_factor_ex", "LU pivots info")
_define("lu_unpack", "P L U")
_define("triangular_solve", "solution cloned_coefficient")
_define("linalg_qr", "Q R")
_define("linalg_lstsq", "solution residuals rank singular_values")
