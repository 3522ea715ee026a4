"""The zoo's rows that take less than a minute, trained as ``python -m benchmarks.zoo`` trains them."""

from __future__ import annotations

import json

import pytest

from benchmarks.zoo import ROWS
from benchmarks.zoo import run as train_row


@pytest.mark.parametrize("name", ["bow", "bigram_lm", pytest.param("resnet-basic", marks=pytest.mark.slow)])
def test_the_row_reaches_its_bound(name, tmp_path, request):
    request.getfixturevalue("real_names" if name == "bow" else "real_shakespeare")
    if name.startswith("resnet"):
        pytest.importorskip("sklearn")
    result = train_row(ROWS[name], tmp_path / "run")
    assert result["met"], f"{result['measure']} {result['value']}, bound {result['bound']}"
    # The page has what the run's summary has.
    assert json.loads((tmp_path / "run" / "summary.json").read_text())[result["measure"]] == result["value"]
