"""Short programs come to the same in PyTorch and here: the tables are in the files ``snippets_*``."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="programs are compared with torch (extra: parity)")

from . import (
    snippets_devices,
    snippets_engine,
    snippets_layers,
    snippets_memory,
    snippets_nn,
    snippets_ops,
    snippets_scripts,
    snippets_training,
)
from .snippets import same_in_both

pytestmark = [pytest.mark.parity, pytest.mark.host]  # what they print is the CPU's

PROGRAMS = [
    *snippets_devices.PROGRAMS,
    *snippets_engine.PROGRAMS,
    *snippets_layers.PROGRAMS,
    *snippets_memory.PROGRAMS,
    *snippets_nn.PROGRAMS,
    *snippets_ops.PROGRAMS,
    *snippets_scripts.PROGRAMS,
    *snippets_training.PROGRAMS,
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_same_in_both(program: str) -> None:
    same_in_both(program)


def test_no_program_is_there_twice():
    assert len(set(PROGRAMS)) == len(PROGRAMS)


def test_a_difference_is_noticed():
    with pytest.raises(AssertionError, match="ours"):
        same_in_both("'grad' if t.__name__ == 'torch' else 'tinygrad'")
    with pytest.raises(AssertionError, match="Not equal"):
        same_in_both("t.tensor([1.0 + (t.__name__ == 'torch')])")
