"""The proofs: each takes an operation, its case and a source of examples, and raises AssertionError.

They are functions, and no tests, so that the mutation run (``.ci/mutate.py``) can call them without
pytest. ``test_operations.py`` runs them under Hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_zth as torch
from tinygrad_zth import autograd, testing
from tinygrad_zth.backends import Kernels
from tinygrad_zth.operation import Operation
from tinygrad_zth.template import written

from .case import Case
from .source import Source

WRITABLE = tuple(name for name in testing.LAYOUTS if name != "expanded")


def placed(argument: Any) -> Any:
    """An argument that is passed as it is; an array, also within tuples and lists, on the default device."""
    if isinstance(argument, np.ndarray):
        return testing.laid_out(argument)._array
    if isinstance(argument, tuple | list) and not hasattr(argument, "_fields"):
        return type(argument)([placed(a) for a in argument])
    return argument


class Example:
    """The arguments of one call, as arrays, and how to call the operation with them."""

    def __init__(self, operation: Operation, case: Case, s: Source):
        self.operation, self.case = operation, case
        self.arguments = case.arguments(s)
        names = operation.parameters if case.call is None else ()
        combine = case.combine or (lambda result: result)
        call = case.call or operation.apply
        self.function: Callable = lambda *a: combine(call(*a))
        self.plain = None if operation.plain is None else lambda *a: combine(operation.plain(*a))
        self.layouts = [s.choose(WRITABLE) if case.layouts else "contiguous" for _ in self.arguments]
        code = getattr(written(operation.apply), "__code__", None)
        local = () if code is None else code.co_varnames
        promoted = "input_array" in local or "array" in local
        self.tensor = [
            isinstance(a, np.ndarray) and (case.call is not None or promoted or f"{names[i]}_array" in local)
            for i, a in enumerate(self.arguments)
        ]
        floats = [i for i, a in enumerate(self.arguments) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        if case.differentiable is not None:
            self.differentiable = list(case.differentiable)
        elif case.call is not None:
            self.differentiable = floats
        else:
            self.differentiable = [i for i in floats if names[i] in operation.inputs]

    def tensors(self, layout: str | None = None, dtype=None, grad: bool = True, only: int | None = None) -> list:
        """The arguments as they are passed: Tensors in their layouts, the rest as it is."""
        out: list[Any] = []
        for i, a in enumerate(self.arguments):
            if not self.tensor[i]:
                out.append(placed(a))
                continue
            if dtype is not None and a.dtype.kind == "f":
                a = a.astype(dtype)
            t = testing.laid_out(a, layout or self.layouts[i])
            if grad and i in self.differentiable and only in (None, i):
                t.requires_grad_()
            out.append(t)
        return out

    def varied(self, passed: list) -> list:
        return [passed[i] for i in self.differentiable]

    def of(self, passed: list) -> Callable:
        """The operation as a function of its differentiable arguments alone."""

        def function(*some):
            given = list(passed)
            for i, t in zip(self.differentiable, some, strict=True):
                given[i] = t
            return self.function(*given)

        return function

    def __repr__(self) -> str:
        return f"{self.operation.name}{self.arguments!r} laid out {self.layouts}"


def close(found, expected, rtol: float = 1e-9, atol: float = 1e-10, what: str = "") -> None:
    found = np.asarray(found)
    assert found.shape == np.shape(expected), f"{what}: shape {found.shape}, expected {np.shape(expected)}"
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, err_msg=what)


def _raw(t) -> np.ndarray:
    return t.detach().numpy()


def _snapshot(passed: list) -> list:
    return [_raw(t).copy() if isinstance(t, torch.Tensor) else t for t in passed]


def _unchanged(passed: list, before: list, what: str) -> None:
    for i, (t, old) in enumerate(zip(passed, before, strict=True)):
        if isinstance(t, torch.Tensor):
            np.testing.assert_array_equal(_raw(t), old, err_msg=f"{what} changed argument {i}")


# ---------------------------------------------------------------------------- the value


def value(operation: Operation, case: Case, s: Source) -> None:
    """The oracle's value; inputs unchanged; the same in every layout; float32 stays float32."""
    example = Example(operation, case, s)
    passed = example.tensors(grad=False)
    before = _snapshot(passed)
    out = example.function(*passed)
    _unchanged(passed, before, "the forward")
    if case.oracle is not None:
        expected = case.oracle(*example.arguments)
        assert _raw(out).dtype == np.asarray(expected).dtype, f"dtype {_raw(out).dtype}"
        close(_raw(out), expected, what="value")
    if example.plain is not None:
        close(_raw(example.plain(*passed)), _raw(out), what="plain")
    if operation.view and _raw(out).size and case.layouts:
        first = next(t for t in passed if isinstance(t, torch.Tensor))
        assert out.untyped_storage().data_ptr() == first.untyped_storage().data_ptr(), "a view that is a copy"
    if case.layouts:
        for layout in WRITABLE:
            close(_raw(example.function(*example.tensors(layout, grad=False))), _raw(out), what=f"layout {layout}")
    if case.single is not None:
        single = example.function(*example.tensors(dtype=np.float32, grad=False))
        if _raw(out).dtype.kind == "f":
            assert single.dtype == torch.float32, f"float32 became {single.dtype}"
            close(_raw(single), _raw(out), case.single, case.single, what="float32")


# ---------------------------------------------------------------------------- the gradient


def gradient(operation: Operation, case: Case, s: Source) -> None:
    """Finite differences in float64, element by element and projected; and what every gradient owes."""
    example = Example(operation, case, s)
    if not example.differentiable:
        return
    passed = example.tensors()
    varied = example.varied(passed)
    before = _snapshot(passed)
    atol, rtol = case.tolerance
    function = example.of(passed)
    for fast in (False, True):
        report = testing.check_gradients(function, varied, eps=case.eps, atol=atol, rtol=rtol, fast_mode=fast)
        assert report.ok, str(report)
        assert not report.kinks, f"the case draws points without a derivative: {report}"

    out = function(*varied)
    g = testing.laid_out(s.floats(out.shape), s.choose(WRITABLE)).to(out.device)
    g_before = _raw(g).copy()
    found = autograd.grad(out, varied, g, retain_graph=True)
    _unchanged(passed, before, "the backward")
    np.testing.assert_array_equal(_raw(g), g_before, err_msg="the backward changed its incoming gradient")
    for t, x in zip(found, varied, strict=True):
        assert t.shape == x.shape and t.dtype == x.dtype, f"gradient {t.dtype} {t.shape} of {x.dtype} {x.shape}"
    expected = [_raw(t).copy() for t in found]

    # Nobody else holds the memory of a gradient: written over, it changes nothing.
    for t in found:
        if _raw(t).flags.writeable:
            _raw(t)[...] = np.nan
    _unchanged(passed, before, "writing to a gradient")
    for t, e in zip(autograd.grad(out, varied, g, retain_graph=True), expected, strict=True):
        close(_raw(t), e, 0, 0, "a second pass")

    # Recorded, through formulas on Tensors or through `plain`; twice used; one at a time; spread out.
    recorded = autograd.grad(function(*varied), varied, g, create_graph=True)
    for t, e in zip(recorded, expected, strict=True):
        close(_raw(t), e, what="under create_graph")
    twice = function(*varied)
    for t, e in zip(autograd.grad([twice, function(*varied)], varied, [g, g]), expected, strict=True):
        close(_raw(t), 2 * e, what="used twice")
    for n, i in enumerate(example.differentiable):
        alone = example.tensors(only=i)
        (t,) = autograd.grad(example.function(*alone), [alone[i]], g)
        close(_raw(t), expected[n], what=f"the gradient of argument {i} alone")
    ones = testing.laid_out(np.ones(out.shape), "contiguous").to(out.device)
    spread = torch.ones((), dtype=torch.float64, device=out.device).expand(out.shape)
    for a, b in zip(
        autograd.grad(function(*varied), varied, ones), autograd.grad(function(*varied), varied, spread), strict=True
    ):
        close(_raw(a), _raw(b), what="an expanded incoming gradient")
    if case.layouts:
        other = example.tensors(s.choose(WRITABLE))
        for t, e in zip(autograd.grad(example.function(*other), example.varied(other), g), expected, strict=True):
            close(_raw(t), e, what="another layout")
    if example.plain is not None:
        plain = example.plain(*passed)
        for t, e in zip(autograd.grad(plain, varied, g, allow_unused=True), expected, strict=True):
            close(0 * e if t is None else _raw(t), e, what="plain's gradient")
    single(example, expected, g)


def single(example: Example, expected: list, g) -> None:
    """In a float32 graph every gradient formula computes in float32, before the engine casts."""
    if example.case.single is None:
        return
    passed = example.tensors(dtype=np.float32)
    out = example.function(*passed)
    g = testing.laid_out(_raw(g).astype(np.float32)).to(out.device)
    found = autograd.grad(out, example.varied(passed), g, retain_graph=True)
    loose = 10 * example.case.single
    for t, e in zip(found, expected, strict=True):
        assert t.dtype == torch.float32
        scale = max(1.0, float(abs(e).max(initial=0)))
        close(_raw(t) / scale, e / scale, loose, loose, what="the gradient in float32")
    operation, node = example.operation, out.grad_fn
    if node is None or node.op is not operation or operation.gradients is None:
        return
    for i, made in raw_gradients(node, g._array).items():
        assert made.dtype == np.float32, f"the formula of {operation.inputs[i]} computes in {made.dtype}"


def raw_gradients(node, g: Any) -> dict[int, Any]:
    """What the formulas return for the edges that want a gradient, as the engine gets it."""
    made = node.op.gradients(node, g, True)
    return {i: made[i] for i, edge in enumerate(node.edges) if edge is not None and made[i] is not None}


def second(operation: Operation, case: Case, s: Source) -> None:
    """Second derivatives against differences of the first, element by element and projected."""
    example = Example(operation, case, s)
    if not example.differentiable or not case.second:
        return
    passed = example.tensors()
    function, varied = example.of(passed), example.varied(passed)
    atol, rtol = (10 * t for t in case.tolerance)
    small = sum(t.numel() for t in varied) <= 8
    for fast in (True, False) if small else (True,):
        assert testing.gradgradcheck(function, varied, eps=case.eps, atol=atol, rtol=rtol, fast_mode=fast)


def promotion(operation: Operation, case: Case, s: Source) -> None:
    """Operands of two dtypes: each gradient has its own tensor's dtype."""
    example = Example(operation, case, s)
    if (
        len(example.differentiable) != 2
        or case.call is not None
        or "array" not in written(operation.apply).__code__.co_varnames
    ):
        return
    one, two = s.choose((("float32", "float64"), ("float64", "float32")))
    x, y = (testing.laid_out(a.astype(k)).requires_grad_() for a, k in zip(example.arguments, (one, two), strict=True))
    out = operation.apply(x, y)
    # A tensor without dimensions does not widen one with dimensions.
    wide = torch.float64 if bool(x.ndim) == bool(y.ndim) else (x if x.ndim else y).dtype
    assert out.dtype == wide
    gx, gy = autograd.grad(out, [x, y], torch.ones(out.shape, dtype=out.dtype))
    assert gx.dtype == x.dtype and gy.dtype == y.dtype and gx.shape == x.shape and gy.shape == y.shape


def general(operation: Operation, case: Case, s: Source) -> None:
    """Where NumPy has a kernel of its own: the form for any other backend, run on NumPy's arrays, is as good."""
    if operation.kernels is None or "numpy" not in operation.kernels.others:
        return
    own = operation.kernels[np.ndarray]
    operation.kernels[np.ndarray] = Kernels(operation.forward)[np.ndarray]
    try:
        value(operation, case, s)
        gradient(operation, case, s)
    finally:
        operation.kernels[np.ndarray] = own


PROOFS: tuple[Callable[[Operation, Case, Source], None], ...] = (value, gradient, second, promotion, general)
