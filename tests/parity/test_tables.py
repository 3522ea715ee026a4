"""Every row of the tables: the function, the method and the in-place method, against PyTorch's."""

from __future__ import annotations

import os
import warnings

import pytest

torch = pytest.importorskip("torch", reason="the parity tables need torch (extra: parity)")

from hypothesis import given, settings  # noqa: E402

from . import table_elementwise, table_linear, table_reductions, table_shapes  # noqa: E402
from .one_call import cases, check  # noqa: E402

TABLES = (table_elementwise, table_reductions, table_shapes, table_linear)
ROWS = {name: row for table in TABLES for name, row in table.ROWS.items()}
SKIP = {name: kinds for table in TABLES for name, kinds in table.SKIP.items()}
DERANDOMIZE = "PARITY_EXAMPLES" not in os.environ  # by default every run draws the same
EXAMPLES = int(os.environ.get("PARITY_EXAMPLES", "10"))
pytestmark = pytest.mark.parity


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    """Arguments drawn by the row, compared in all that a program can see."""

    @settings(max_examples=EXAMPLES, database=None, derandomize=DERANDOMIZE)
    @given(cases(ROWS[name]))
    def run(case):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(name, case, SKIP.get(name, ()))

    run()
