"""Each trap of ``answers.py``: the value and the gradients are PyTorch's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad_zth as torch

from .answers import DEVIATIONS, EDGES, Edge


def evaluated(edge: Edge, library) -> tuple:
    """The value and the gradients of an edge's expression in a library with PyTorch's interface."""
    inputs = {}
    for name, values in edge.inputs.items():
        whole = bool(values) and np.asarray(values).dtype.kind == "i"
        inputs[name] = library.tensor(values, dtype=library.int64 if whole else library.float64)
    floats = [name for name, t in inputs.items() if t.dtype == library.float64]
    for name in floats:
        inputs[name].requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # degrees of freedom <= 0, in both libraries
        value = eval(edge.expression, {"T": library, "F": library.nn.functional, **inputs})
    gradients = {}
    if floats and value.requires_grad:
        weights = library.arange(1, value.numel() + 1, dtype=value.dtype).reshape(value.shape)
        found = library.autograd.grad(value, [inputs[n] for n in floats], weights, allow_unused=True)
        gradients = {n: None if g is None else g.tolist() for n, g in zip(floats, found, strict=True)}
    return value.tolist(), gradients


def same(found, expected, what: str) -> None:
    """Equal, NaN and infinities included; PyTorch keeps some constants in float32, hence 1e-7."""
    found, expected = (np.zeros(()) if x is None else np.asarray(x) for x in (found, expected))
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-12, err_msg=what)
    assert found.shape == expected.shape or not (found.ndim and expected.ndim), what


@pytest.mark.parametrize("edge", EDGES + DEVIATIONS, ids=[edge.name for edge in EDGES + DEVIATIONS])
def test_edge(edge):
    value, gradients = evaluated(edge, torch)
    same(value, edge.value, "value")
    assert set(gradients) == set(edge.gradients)
    for name, expected in edge.gradients.items():
        same(gradients[name], expected, f"gradient of {name}")


def test_a_wrong_answer_is_noticed():
    edge = next(e for e in EDGES if e.name == "sqrt")
    with pytest.raises(AssertionError):
        same(evaluated(edge, torch)[0], [0.0, 2.0, 0.0], "value")


def test_names_are_distinct():
    assert len({edge.name for edge in EDGES}) == len(EDGES)
