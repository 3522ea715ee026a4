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

pytestmark = pytest.mark.parity

# What these words say or do is another thing on a device (and max pooling of the stand-in, which runs as its definition, lies
# in C order: how a device's results lie, tests/gpu/test_operations.py compares).
_OF_THE_HOST = (
    "is_cuda", "is_cpu", "is_shared", "dlpack", "pin_memory", "'cuda'", "t.cuda;", "frombuffer", "t.asarray(a, copy", "t.Tensor(2",
    "R.PackedSequence(d, b)", "str(t.zeros(0).storage())", "lambda v: F.max_pool2d(v, 2), lambda", "for f in (F.max_pool3d, F.avg_pool3d",
)  # fmt: skip

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


def _marked(program: str) -> object:
    about_the_host = any(word in program for word in _OF_THE_HOST)
    return pytest.param(program, marks=[pytest.mark.host] if about_the_host else [])


@pytest.mark.parametrize("program", [_marked(p) for p in PROGRAMS])
def test_the_same_in_both(program: str) -> None:
    same_in_both(program)


def test_no_program_is_there_twice():
    assert len(set(PROGRAMS)) == len(PROGRAMS)


def test_a_difference_is_noticed():
    with pytest.raises(AssertionError, match="ours"):
        same_in_both("'grad' if t.__name__ == 'torch' else 'tinygrad'")
    with pytest.raises(AssertionError, match="Not equal"):
        same_in_both("t.tensor([1.0 + (t.__name__ == 'torch')])")
