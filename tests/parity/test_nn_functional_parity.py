"""Every function of nn.functional in the tables: as in torch, for drawn arguments."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings

torch = pytest.importorskip("torch", reason="torch, the oracle of the parity tests, is not installed")

torch.set_num_threads(1)  # the tensors are tiny

from tests.parity import table_activations, table_images, table_losses, table_norms  # noqa: E402
from tests.parity.compare import agree  # noqa: E402

TABLES = (
    table_activations.FUNCTIONS,
    table_activations.IN_PLACE,
    table_losses.FUNCTIONS,
    table_images.FUNCTIONS,
    table_norms.FUNCTIONS,
)
CASES = [pytest.param(name, row, id=name) for table in TABLES for name, row in table.items()]
PHASES = (Phase.explicit, Phase.generate, Phase.shrink)
DERANDOMIZE = "PARITY_EXAMPLES" not in os.environ  # by default every run draws the same
EXAMPLES = int(os.environ.get("PARITY_EXAMPLES", "15"))


@pytest.mark.parity
@pytest.mark.parametrize("name, row", CASES)
def test_function(name, row):
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=DERANDOMIZE,
        suppress_health_check=list(HealthCheck),
        phases=PHASES,
    )
    @given(row.arguments)
    def check(arguments):
        agree(lambda lib: getattr(lib.nn.functional, name), arguments, row)

    check()
