"""Gradients against finite differences.

The derivative of f along d is compared with the central difference

    D(h) = (f(x + h d) - f(x - h d)) / 2h ,      (4 D(h/2) - D(h)) / 3 = f' + O(h^4)

extrapolated as Richardson (The approximate arithmetical solution by finite differences, 1911) has it.
Where they differ, smaller steps decide what it is:

    the difference vanishes              a kink lay within the step, the gradient is right
    f is smooth there                    a wrong gradient: a failure
    the one-sided slopes stay apart      a kink (or a jump, or the edge of the domain) at x itself:
                                         there is no derivative to compare with; it is reported, and
                                         does not fail

Two modes: the full Jacobian, element by element, and a random projection v^T J u (``fast_mode``),
whose cost does not grow with the number of elements (Griewank and Walther, Evaluating Derivatives,
2008, chapter 3, on directional derivatives).
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import autograd
from ..graph import enable_grad
from ..tensor import Tensor, current_node, new_tensor
from ..types import Array, Number
from .memory import beside, on_host

__all__ = ["GradcheckError", "GradientReport", "check_gradients", "gradcheck", "gradgradcheck"]

_log = logging.getLogger(__name__)
_SHRINK = 8.0  # each refinement takes steps this much smaller
_REFINEMENTS = 3
_SHOWN = 10  # entries of each kind that a report prints


class GradcheckError(RuntimeError):
    """Raised by ``gradcheck`` and ``gradgradcheck`` when a gradient is wrong."""


@dataclass
class Entry:
    """One derivative: of which output element by which input element, analytic against numeric.

    ``input_index`` and ``output_index`` are None for a random projection. ``left`` and ``right``
    are the one-sided slopes.
    """

    input: int
    input_index: tuple[int, ...] | None
    output: int
    output_index: tuple[int, ...] | None
    analytic: float
    numeric: float
    left: float = math.nan
    right: float = math.nan

    @property
    def place(self) -> str:
        if self.input_index is None:
            return f"input {self.input}, output {self.output}, along a random direction"
        return f"input {self.input} at {self.input_index}, output {self.output} at {self.output_index}"


@dataclass
class GradientReport:
    """What was compared and how it came out.

    Attributes:
        compared: how many derivatives were compared.
        failures: the wrong ones.
        kinks: those at points where the function has no derivative; they were not judged.
        problems: what else is wrong (dtype or shape of a gradient, a backward that does not repeat).
    """

    compared: int = 0
    failures: list[Entry] = field(default_factory=list)
    kinks: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong. A kink is not wrong."""
        return not self.failures and not self.problems

    def __str__(self) -> str:
        lines = list(self.problems)
        if self.failures:
            first = self.failures[0]
            lines.append(f"Jacobian mismatch for output {first.output} with respect to input {first.input},")
            lines.append(f"{len(self.failures)} of {self.compared} derivatives compared:")
            lines += [
                f"  {e.place}: analytical {e.analytic:.10g}, numerical {e.numeric:.10g}" for e in self.failures[:_SHOWN]
            ]
            if len(self.failures) > _SHOWN:
                lines.append(f"  and {len(self.failures) - _SHOWN} more")
        if self.kinks:
            lines.append(f"not differentiable at {len(self.kinks)} of {self.compared}:")
            lines += [
                f"  {e.place}: one-sided slopes {e.left:.6g} and {e.right:.6g}, analytical {e.analytic:.6g} not judged"
                for e in self.kinks[:_SHOWN]
            ]
            if len(self.kinks) > _SHOWN:
                lines.append(f"  and {len(self.kinks) - _SHOWN} more")
        return "\n".join(lines) or f"{self.compared} derivatives agree"


class _Check:
    """One call of ``fn`` at ``inputs``, and what is needed to look around that point."""

    def __init__(
        self, fn: Callable[..., Any], inputs: tuple[Any, ...], eps: float, atol: float, rtol: float, name: str
    ) -> None:
        self.fn, self.inputs, self.name = fn, inputs, name
        self.eps, self.atol, self.rtol = eps, atol, rtol
        self.varied = [i for i, t in enumerate(inputs) if _requires_grad(t)]
        self.report = GradientReport()

    def call(self) -> list[Tensor]:
        with enable_grad():
            found = self.fn(*self.inputs)
        found = list(found) if isinstance(found, tuple | list) else [found]
        if not all(isinstance(t, Tensor) for t in found):
            raise ValueError(f"{self.name}: the function must return a Tensor or a tuple of Tensors")
        return [t for t in found if t._array.dtype.kind == "f"]

    def values(self) -> list[np.ndarray]:
        return [on_host(t._array, np.float64) for t in self.call()]

    def along(self, i: int, direction: np.ndarray, t: float) -> list[np.ndarray]:
        """The outputs with input ``i`` moved by ``t * direction``, in its own memory, and back."""
        array = self.inputs[i]._array
        before = array.copy()
        try:
            array[...] = before + beside(array, array.dtype.type(t) * direction)
            return self.values()
        finally:
            array[...] = before

    def slopes(self, i: int, direction: Array, h: float) -> list[np.ndarray]:
        """(4 D(h/2) - D(h)) / 3 of every output."""
        wide = zip(self.along(i, direction, h), self.along(i, direction, -h), strict=True)
        narrow = zip(self.along(i, direction, h / 2), self.along(i, direction, -h / 2), strict=True)
        with np.errstate(all="ignore"):
            return [(4 * (a - b) / h - (c - d) / (2 * h)) / 3 for (a, b), (c, d) in zip(narrow, wide, strict=True)]

    def agree(self, analytic: Array, numeric: Array) -> Array:
        """Elementwise: |a - n| <= atol + rtol |n|; nan agrees with nothing here."""
        with np.errstate(all="ignore"):
            near = np.abs(analytic - numeric) <= self.atol + self.rtol * np.abs(numeric)
        return near & np.isfinite(numeric)

    # ------------------------------------------------------------------ a disagreement, looked into

    def judge(
        self,
        entries: list[tuple[Entry, Any, Any]],
        i: int,
        direction: Array,
        scale: float,
        base: list[Array],
    ) -> None:
        """Sort the disagreeing ``entries`` (with the place of each in its output) into the report."""
        open_ = list(entries)
        sides = []
        for k in range(1, _REFINEMENTS + 1):
            h = self.eps / _SHRINK**k
            numeric = self.slopes(i, direction, h)
            right = self.along(i, direction, h)
            left = self.along(i, direction, -h)
            sides.append((h, left, right))
            still = []
            for entry, key, weight in open_:
                value = _weigh(numeric[entry.output], key, weight) / scale
                if self.agree(entry.analytic, value):
                    continue  # a kink within the first step, not at the point itself
                entry.numeric = entry.numeric if not math.isfinite(value) else value
                still.append((entry, key, weight))
            open_ = still
            if not open_:
                return
        for entry, key, weight in open_:
            gaps = []
            for h, left, right in sides:
                middle = _weigh(base[entry.output], key, weight)
                with np.errstate(all="ignore"):
                    entry.left = (middle - _weigh(left[entry.output], key, weight)) / (h * scale)
                    entry.right = (_weigh(right[entry.output], key, weight) - middle) / (h * scale)
                gaps.append(entry.right - entry.left)
            kink = self._stays_apart(gaps, middle, sides[-1][0] * scale)
            (self.report.kinks if kink else self.report.failures).append(entry)

    def _stays_apart(self, gaps: list[float], middle: float, h: float) -> bool:
        """Whether the one-sided slopes do not approach each other as the step shrinks.

        For a smooth function their gap is h f'' and falls with the step, by 64 over the last two
        refinements; at a kink it stays, at a jump or an infinite slope it grows, at the edge of the
        domain there is none. It counts once it stands out from rounding.
        """
        first, last = gaps[0], gaps[-1]
        if not math.isfinite(middle):
            return False
        if not math.isfinite(last):
            return True
        noise = 8 * np.finfo(np.float64).eps * max(1.0, abs(middle)) / h
        return bool(abs(last) > 0.5 * abs(first) and abs(last) > self.atol + noise)


def _weigh(value: np.ndarray, key: tuple[int, ...] | None, weight: Array) -> float:
    """An element of an output, or for a projection its weighted sum."""
    return float(value[key]) if weight is None else float((value * weight).sum())


def _requires_grad(t: Tensor | Number) -> bool:
    return isinstance(t, Tensor) and current_node(t) is not None


def _scale(x: np.ndarray) -> np.ndarray:
    """The unit of a step at each element: 1, and |x| where that is more (a power of two)."""
    size = np.maximum(np.abs(x.astype(np.float64)), 1.0)
    return np.exp2(np.floor(np.log2(np.where(np.isfinite(size), size, 1.0)))).astype(x.dtype)


def _as_array(g: Tensor | None, like: Tensor) -> np.ndarray:
    return np.zeros(like._array.shape) if g is None else on_host(g._array, np.float64)


def _gradients(check: _Check, output: Tensor, seed: np.ndarray) -> list[Tensor | None]:
    """v^T J of one output for every varied input."""
    targets = [check.inputs[i] for i in check.varied]
    v = new_tensor(beside(output._array, seed.astype(output._array.dtype)))
    return list(autograd.grad(output, targets, v, retain_graph=True, allow_unused=True))


def _checked_gradients(check: _Check, o: int, output: Tensor, seed: Array, nondet_tol: float) -> list[np.ndarray]:
    found = _gradients(check, output, seed)
    problems = check.report.problems
    for i, g in zip(check.varied, found, strict=True):
        t = check.inputs[i]
        if g is None:
            continue
        if g._array.shape != t._array.shape or g._array.dtype != t._array.dtype:
            problems.append(
                f"the gradient of input {i} is {g.dtype} {list(g.shape)}, the input itself is {t.dtype} {list(t.shape)}"
            )
            raise _Hopeless
    arrays = [_as_array(g, check.inputs[i]) for i, g in zip(check.varied, found, strict=True)]
    again = _gradients(check, output, seed)
    for i, first, second in zip(check.varied, arrays, again, strict=True):
        other = _as_array(second, check.inputs[i])
        both = ~(np.isnan(first) & np.isnan(other)) & (first != other)
        if both.any() and not (np.abs(first - other)[both] <= nondet_tol).all():
            problems.append(
                f"Backward is not reentrant: two passes with the same gradient of output {o} gave "
                f"different gradients of input {i} (more than nondet_tol {nondet_tol:g} apart)"
            )
    return arrays


class _Hopeless(Exception):
    """Nothing more can be compared; the report says why."""


def _full(check: _Check, outputs: list[Tensor], base: list[Array], nondet_tol: float) -> None:
    """Every element of the Jacobian: rows by backward passes, columns by differences."""
    rows: list[list[np.ndarray]] = []  # [output][varied input] -> (out elements, *input shape)
    for o, output in enumerate(outputs):
        shape = output._array.shape
        jacobian = [np.zeros((output._array.size, *check.inputs[i]._array.shape)) for i in check.varied]
        if current_node(output) is not None:
            for n, key in enumerate(np.ndindex(shape)):
                seed = np.zeros(shape)
                seed[key] = 1
                for j, g in enumerate(_checked_gradients(check, o, output, seed, nondet_tol)):
                    jacobian[j][n] = g
        rows.append(jacobian)
    for j, i in enumerate(check.varied):
        array = check.inputs[i]._array
        units = _scale(on_host(array))
        for key in np.ndindex(array.shape):
            direction = np.zeros(array.shape, array.dtype)
            direction[key] = units[key]
            scale = float(units[key])
            numeric = check.slopes(i, direction, check.eps)
            wrong = []
            for o, slope in enumerate(numeric):
                analytic = rows[o][j][(slice(None), *key)].reshape(slope.shape)
                check.report.compared += slope.size
                slope = slope / scale
                for at in zip(*np.nonzero(np.atleast_1d(~check.agree(analytic, slope)))):
                    at = tuple(int(n) for n in at)[: slope.ndim]
                    entry = Entry(i, key, o, at, float(analytic[at]), float(slope[at]))
                    wrong.append((entry, at, None))
            if wrong:
                check.judge(wrong, i, direction, scale, base)


def _fast(check: _Check, outputs: list[Tensor], base: list[Array], nondet_tol: float) -> None:
    """v^T J u for one random u per input and one random v per output."""
    rng = np.random.default_rng(0x5EED)
    weights = [_unit(rng, o._array.shape) for o in outputs]
    gradients = []
    for o, output in enumerate(outputs):
        if current_node(output) is None:
            gradients.append([np.zeros(check.inputs[i]._array.shape) for i in check.varied])
        else:
            gradients.append(_checked_gradients(check, o, output, weights[o], nondet_tol))
    for j, i in enumerate(check.varied):
        array = check.inputs[i]._array
        direction = (_unit(rng, array.shape) * _scale(on_host(array))).astype(array.dtype)
        numeric = check.slopes(i, direction, check.eps)
        wrong = []
        for o, slope in enumerate(numeric):
            analytic = float((gradients[o][j] * direction).sum())
            value = float((slope * weights[o]).sum())
            check.report.compared += 1
            if not check.agree(analytic, value):
                wrong.append((Entry(i, None, o, None, analytic, value), None, weights[o]))
        if wrong:
            check.judge(wrong, i, direction, 1.0, base)


def _unit(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A random direction of length 1, every element well away from 0."""
    v = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    return v / max(1.0, math.sqrt(float((v * v).sum())))


def check_gradients(
    fn: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
    name: str = "check_gradients",
) -> GradientReport:
    """Compare the gradients of ``fn`` at ``inputs`` with finite differences; the report says it all.

    Arguments are those of ``gradcheck``, which turns this report into True or an exception.

    Raises ValueError if no input requires grad, RuntimeError for an input whose elements share
    memory, ValueError for a function that does not return Tensors.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    check = _Check(fn, inputs, eps, atol, rtol, name)
    if not check.varied:
        raise ValueError(
            f"{name} expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for i in check.varied:
        array = inputs[i]._array
        if array.dtype != np.float64:
            warnings.warn(
                f"{name}: input #{i} requires gradient and is not a double precision floating point. "
                "This check will likely fail if all the inputs are not of double precision.",
                UserWarning,
                stacklevel=3,
            )
        if array.size and any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape, strict=True)):
            raise RuntimeError(
                f"{name}: the {i}th input has a dimension with stride 0. gradcheck only supports "
                "inputs that are non-overlapping to be able to compute the numerical gradients "
                "correctly. You should call .contiguous on the input before passing it to gradcheck."
            )
    outputs = check.call()
    base = [on_host(t._array, np.float64) for t in outputs]
    try:
        (_fast if fast_mode else _full)(check, outputs, base, nondet_tol)
    except _Hopeless:
        return check.report
    if fast_mode and check.report.failures:  # say which elements they are
        located = _Check(fn, inputs, eps, atol, rtol, name)
        _full(located, outputs, base, nondet_tol)
        if located.report.failures:
            return located.report
    return check.report


def _unsupported(name: str, **options: Any) -> None:
    for option, value in options.items():
        if value:
            raise NotImplementedError(f"{name}: {option}=True is not supported")


def _answer(report: GradientReport, name: str, raise_exception: bool) -> bool:
    if report.kinks:
        _log.warning("%s: %s", name, report)
    if report.ok:
        return True
    if raise_exception:
        raise GradcheckError(str(report))
    return False


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients of ``func`` at ``inputs`` are those that finite differences give.

    Args:
        func: takes ``inputs`` and returns a Tensor or a tuple of Tensors; outputs that are not
            floating point are left out.
        inputs: a Tensor or a sequence; every one that requires grad is varied, in its own memory
            (and put back), so ``func`` may also reach it by another name. float64, or expect failures.
        eps: the step, in units of max(1, \\|x\\|). The differences are extrapolated, so a larger one
            (1e-4, 1e-3) is the more exact where the function is smooth that far around.
        atol, rtol: they agree if \\|analytic - numeric\\| <= atol + rtol \\|numeric\\|.
        raise_exception: raise instead of returning False.
        nondet_tol: how far two identical backward passes may lie apart.
        fast_mode: compare one random projection per pair of input and output, not every element.

    A point where the function has no derivative is no failure: it is logged (as a warning of the
    logger ``tinygrad_zth.testing``) and listed by ``check_gradients``. Each output is differentiated
    by itself, the others' gradients undefined, so ``check_undefined_grad`` needs nothing more;
    dtype and shape of gradients are always checked. ``masked`` is for sparse tensors: without effect.

    Raises:
        GradcheckError: (a RuntimeError) that says which element of which input is wrong.
        ValueError: if no input requires grad. NotImplementedError for batched or forward mode.
    """
    _unsupported(
        "gradcheck",
        check_batched_grad=check_batched_grad,
        check_batched_forward_grad=check_batched_forward_grad,
        check_forward_ad=check_forward_ad,
    )
    if not check_backward_ad:
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    try:
        report = check_gradients(
            func, inputs, eps=eps, atol=atol, rtol=rtol, nondet_tol=nondet_tol,
            fast_mode=fast_mode, name="gradcheck",
        )  # fmt: skip
    except RuntimeError as error:
        if raise_exception or "stride 0" not in str(error):
            raise
        return False
    return _answer(report, "gradcheck", raise_exception)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """``gradcheck`` of the gradient itself: second derivatives against differences of the first.

    The function that is checked takes ``inputs`` and the gradients of the outputs
    (``grad_outputs``; random ones unless given, with ``gen_non_contig_grad_outputs`` not
    contiguous) and returns the gradients of the inputs under ``create_graph=True``. The other
    arguments, and what is raised, are those of ``gradcheck``.
    """
    _unsupported(
        "gradgradcheck",
        check_batched_grad=check_batched_grad,
        check_fwd_over_rev=check_fwd_over_rev,
    )
    if not check_rev_over_rev:
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    count = len(inputs)
    first = _Check(func, inputs, eps, atol, rtol, "gradgradcheck")
    outputs = [(n, t) for n, t in enumerate(first.call()) if current_node(t) is not None]
    kept = [n for n, _ in outputs]
    if grad_outputs is None:
        rng = np.random.default_rng(0x5EED)
        seeds = []
        for _, t in outputs:
            values = rng.standard_normal(t._array.shape).astype(t._array.dtype)
            if gen_non_contig_grad_outputs and values.ndim:
                values = np.repeat(values, 2, -1)[..., ::2]
            seeds.append(new_tensor(beside(t._array, np.asarray(values))).requires_grad_())
    else:
        given = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
        seeds = [new_tensor(g._array.copy()).requires_grad_() for g in given]

    def gradients(*args: Any) -> tuple[Tensor, ...]:
        again = _Check(func, args[:count], eps, atol, rtol, "gradgradcheck").call()
        again = [again[n] for n in kept]
        targets = [t for t in args[:count] if _requires_grad(t)]
        found = autograd.grad(again, targets, list(args[count:]), create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients, inputs + tuple(seeds), eps=eps, atol=atol, rtol=rtol,
        raise_exception=raise_exception, nondet_tol=nondet_tol, fast_mode=fast_mode,
    )  # fmt: skip
