"""The answers written down in ``tests/edges/answers.py`` are PyTorch's, derived again where it is installed."""

from __future__ import annotations

import pytest

from tests.edges.answers import DEVIATIONS, EDGES
from tests.edges.test_edges import evaluated, same

torch = pytest.importorskip("torch", reason="torch is not installed (extra: parity)")
pytestmark = pytest.mark.parity


@pytest.mark.parametrize("edge", EDGES, ids=[edge.name for edge in EDGES])
def test_the_answer_is_pytorchs(edge):
    value, gradients = evaluated(edge, torch)
    same(value, edge.value, "value")
    assert gradients.keys() == edge.gradients.keys()
    for name, expected in edge.gradients.items():
        same(gradients[name], expected, f"gradient of {name}")


@pytest.mark.parametrize("edge", DEVIATIONS, ids=[edge.name for edge in DEVIATIONS])
def test_pytorch_still_answers_otherwise(edge):
    value, gradients = evaluated(edge, torch)
    same(value, edge.value, "value")
    with pytest.raises(AssertionError):
        same(gradients["x"], edge.gradients["x"], "gradient")
