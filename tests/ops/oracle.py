"""What an operation is held against: finite differences, and torch where it is installed.

``check_gradients`` proves the first and the second derivative of a function of float64 arrays.
``same_as_torch`` evaluates one expression in both libraries and compares values, dtypes, gradients
and errors. An expression is written once, with ``T`` for the library and ``x``, ``y``, ``w`` for
the tensors: ``"T.sum(x, dim=1)"``.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zth as zth

TOLERANCE = {"float64": 1e-8, "float32": 2e-5, "float16": 5e-3}


def tensor(array, requires_grad: bool = False):
    """A tensor of ours with the array's values and memory layout."""
    array = np.asarray(array)
    t = zth.from_numpy(array) if array.ndim else zth.tensor(array.item(), dtype=zth.float64)
    return t.requires_grad_() if requires_grad else t


def weights_for(shape, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def _objective(f, arrays) -> float:
    out = f(*[tensor(a) for a in arrays]).detach().numpy()
    return float((out * weights_for(out.shape)).sum())


def _slopes(objective, arrays, step: float = 1e-6) -> list[np.ndarray]:
    found = []
    for k, a in enumerate(arrays):
        slope = np.empty(a.shape)
        for place in np.ndindex(a.shape):
            ends = []
            for sign in (1, -1):
                moved = [np.array(b) for b in arrays]
                moved[k][place] += sign * step
                ends.append(objective(moved))
            slope[place] = (ends[0] - ends[1]) / (2 * step)
        found.append(slope)
    return found


def gradients(f, arrays, create_graph: bool = False) -> tuple:
    """The gradients of the weighted sum of ``f``, as Tensors, and the inputs."""
    inputs = [tensor(a, True) for a in arrays]
    out = f(*inputs)
    loss = (out * tensor(weights_for(tuple(out.shape)))).sum()
    return zth.autograd.grad(loss, inputs, create_graph=create_graph), inputs


def check_gradients(f, *arrays, second: bool = True, tolerance: float = 1e-5) -> None:
    """Assert that ``f``'s gradients (and theirs) are what finite differences say."""
    arrays = [np.asarray(a, np.float64) for a in arrays]
    found, inputs = gradients(f, arrays)
    for g, x, expected in zip(found, inputs, _slopes(lambda a: _objective(f, a), arrays), strict=True):
        assert g.shape == x.shape and g.dtype == x.dtype
        np.testing.assert_allclose(g.numpy(), expected, rtol=tolerance, atol=tolerance)
    if not second:
        return

    def slope_objective(moved) -> float:
        return sum(float((g.numpy() * weights_for(g.shape, 2)).sum()) for g in gradients(f, moved)[0])

    first, inputs = gradients(f, arrays, create_graph=True)
    loss = sum((g * tensor(weights_for(tuple(g.shape), 2))).sum() for g in first)
    if not loss.requires_grad:  # linear: no second derivative
        expected = _slopes(slope_objective, arrays)
        assert all(abs(e).max(initial=0) < tolerance for e in expected)
        return
    again = zth.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)
    for g, expected in zip(again, _slopes(slope_objective, arrays), strict=True):
        np.testing.assert_allclose(g.numpy(), expected, rtol=20 * tolerance, atol=20 * tolerance)


# ---------------------------------------------------------------------------- torch


def _evaluate(library, make, expression: str, arrays, grad: bool):
    """(error type name, message), or (values, dtypes, gradients)."""
    tensors = [make(a) for a in arrays]
    tracked = [t for t in tensors if grad and t.is_floating_point()]
    for t in tracked:
        t.requires_grad_()
    names = dict(zip("xyw", tensors, strict=False))
    try:
        result = eval(expression, {"T": library, **names})
    except Exception as error:
        return type(error).__name__, str(error)
    results = list(result) if isinstance(result, (tuple, list)) else [result]
    loss = None
    for r in results:
        if getattr(r, "requires_grad", False):
            weight = weights_for(tuple(r.shape)).astype(str(r.dtype).split(".")[1])
            term = (r * make(weight)).sum()
            loss = term if loss is None else loss + term
    if loss is not None:
        loss.backward()
    return (
        [r.detach().numpy() if hasattr(r, "detach") else np.asarray(r) for r in results],
        [str(getattr(r, "dtype", type(r))) for r in results],
        [None if t.grad is None else t.grad.numpy() for t in tracked],
    )


def _agree(mine, theirs, what: str) -> None:
    if mine is None or theirs is None:
        assert mine is None and theirs is None, f"{what}: {mine} against {theirs}"
        return
    assert mine.shape == theirs.shape and mine.dtype == theirs.dtype, what
    tolerance = TOLERANCE.get(theirs.dtype.name, 0)
    np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance, err_msg=what)


def same_as_torch(expression: str, *arrays, grad: bool = True, message: bool = False) -> None:
    """Assert that an expression means the same here and in torch.

    Errors are compared by type (``message``: by their text as well), results by value, dtype and
    gradient. Skips where torch is not installed.
    """
    torch = pytest.importorskip("torch")
    theirs = _evaluate(torch, lambda a: torch.tensor(np.array(a)), expression, arrays, grad)
    mine = _evaluate(zth, lambda a: zth.tensor(np.array(a)), expression, arrays, grad)
    if isinstance(theirs[0], str) or isinstance(mine[0], str):
        assert isinstance(mine[0], str), f"torch raises {theirs}, we give {mine[0]}"
        assert isinstance(theirs[0], str), f"torch gives {theirs[0]}, we raise {mine}"
        assert mine[0] == theirs[0].strip("_"), f"{mine} against {theirs}"
        assert not message or mine[1] == theirs[1]
        return
    assert mine[1] == theirs[1], "dtypes"
    for part, a, b in zip(("value", "dtype", "gradient"), mine, theirs, strict=True):
        if part != "dtype":
            assert len(a) == len(b)
            for p, q in zip(a, b, strict=True):
                _agree(p, q, part)
