"""gradcheck and gradgradcheck: they pass what is right, catch what is wrong, and say what it is."""

from __future__ import annotations

import logging

import pytest

import tinygrad_zth as torch
from tinygrad_zth import testing
from tinygrad_zth.testing import GradcheckError, check_gradients, gradcheck, gradgradcheck


def scaled_square(factor: float = 1.0, noise=lambda: 0.0):
    """x^2 whose backward is ``factor`` times right."""

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x * (2 * factor + noise())

    return Square.apply


def doubles(*values, requires_grad=True):
    return torch.tensor(list(values), dtype=torch.float64, requires_grad=requires_grad)


@pytest.mark.parametrize("fast_mode", [False, True])
def test_a_right_gradient_passes(fast_mode):
    assert gradcheck(scaled_square(), (doubles(1, -2),), fast_mode=fast_mode) is True
    assert gradgradcheck(scaled_square(), (doubles(1, -2),), fast_mode=fast_mode) is True


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize("factor", [1.01, 0.99, -1, 0])
def test_a_wrong_gradient_raises_or_returns_false(fast_mode, factor):
    with pytest.raises(GradcheckError, match=r"Jacobian mismatch for output 0 with respect to input 0"):
        gradcheck(scaled_square(factor), (doubles(1, -2),), fast_mode=fast_mode)
    assert gradcheck(scaled_square(factor), (doubles(1, -2),), fast_mode=fast_mode, raise_exception=False) is False


def test_the_report_names_input_element_analytic_and_numeric():
    report = check_gradients(lambda a, b: scaled_square(1.5)(b) + a, (doubles(1, 2), doubles(3, 5)))
    assert not report.ok and report.compared == 8
    assert [(e.input, e.input_index, e.output_index) for e in report.failures] == [(1, (0,), (0,)), (1, (1,), (1,))]
    assert report.failures[1].analytic == 15 and report.failures[1].numeric == pytest.approx(10)
    assert "input 1 at (1,), output 0 at (1,): analytical 15, numerical 10" in str(report)


def test_tolerances_decide():
    assert gradcheck(scaled_square(1.1), (doubles(1, 2),), rtol=0.2)
    assert gradcheck(scaled_square(1.1), (doubles(1, 2),), atol=0.5)
    assert not gradcheck(scaled_square(1.1), (doubles(1, 2),), atol=0.1, raise_exception=False)


def test_a_missing_gradient_is_wrong_unless_it_is_zero():
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x.detach(), (doubles(1, 2),))
    assert gradcheck(lambda x: torch.ones(2, dtype=torch.float64), (doubles(1, 2),))


def test_only_inputs_that_require_grad_are_varied():
    fixed = doubles(1.0, 2.0, requires_grad=False)
    report = check_gradients(lambda x, y: x * y, (doubles(1, 2), fixed))
    assert report.ok and report.compared == 4
    assert gradcheck(lambda x, n: x**n, [doubles(1, 2), 3])
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(lambda x: x * 2, (fixed,))


def test_a_backward_that_does_not_repeat_is_caught():
    drift = iter(range(1000))
    unsteady = scaled_square(noise=lambda: 1e-7 * next(drift))
    with pytest.raises(GradcheckError, match="not reentrant"):
        gradcheck(unsteady, (doubles(1, 2),))
    assert gradcheck(unsteady, (doubles(1, 2),), nondet_tol=1e-4)


@pytest.mark.parametrize("fast_mode", [False, True])
def test_kinks_are_reported_and_do_not_fail(fast_mode, caplog):
    with caplog.at_level(logging.WARNING, logger="tinygrad_zth.testing"):
        assert gradcheck(lambda x: x.relu(), (doubles(0, 1),), fast_mode=fast_mode)
    assert "not differentiable" in caplog.text
    report = check_gradients(lambda x: x.relu(), (doubles(0, 1),), fast_mode=fast_mode)
    assert report.ok and len(report.kinks) == 1


@pytest.mark.parametrize(
    ("function", "at"),
    [(lambda x: x.abs(), 0.0), (lambda x: x.sqrt(), 0.0), (lambda x: x.floor(), 1.0), (lambda x: x.clamp(0, 1), 1.0)],
)
def test_kink_jump_and_edge_of_the_domain_are_no_failures(function, at):
    report = check_gradients(function, (doubles(at),))
    assert report.ok


def test_a_kink_near_the_point_is_no_excuse():
    report = check_gradients(lambda x: scaled_square(1.1)(x) + (x - 3).abs(), (doubles(1.0),))
    assert not report.ok and not report.kinks


def test_richardson_takes_large_steps_where_the_function_is_smooth():
    report = check_gradients(lambda x: x.exp(), (doubles(0.5, 1.5),), eps=1e-3, atol=1e-10, rtol=1e-10)
    assert report.ok


def test_inputs_are_put_back():
    x = doubles(1, 2)
    gradcheck(lambda x: x * x, (x,))
    assert x.tolist() == [1, 2] and x.grad is None


def test_single_precision_warns_as_in_pytorch():
    with pytest.warns(UserWarning, match="not a double precision floating point"):
        gradcheck(lambda x: x * x, (torch.tensor([1.0], requires_grad=True),), raise_exception=False)


def test_overlapping_memory_is_refused():
    x = torch.tensor([1.0], dtype=torch.float64, requires_grad=True).expand(3)
    with pytest.raises(RuntimeError, match="stride 0"):
        gradcheck(lambda x: x * x, (x,))


def test_a_gradient_of_the_wrong_shape_is_refused():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return torch.ones(3, dtype=torch.float64)

    with pytest.raises(RuntimeError, match=r"invalid gradient at index 0 - got \[3\] but expected shape compatible"):
        gradcheck(Wrong.apply, (doubles(1, 2),))


def test_second_derivatives_are_checked_against_the_first():
    class HalfRecorded(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x.detach() ** 2

    assert gradcheck(HalfRecorded.apply, (doubles(1, 2),))
    with pytest.raises(GradcheckError):
        gradgradcheck(HalfRecorded.apply, (doubles(1, 2),))
    assert gradgradcheck(HalfRecorded.apply, (doubles(1, 2),), raise_exception=False) is False


def test_gradgradcheck_takes_the_gradients_of_the_outputs():
    given = torch.tensor([0.5, 2.0], dtype=torch.float64)
    assert gradgradcheck(lambda x: x**3, (doubles(1, 2),), (given,))
    assert gradgradcheck(lambda x: x**3, (doubles(1, 2),), gen_non_contig_grad_outputs=True)


def test_what_cannot_be_checked_is_refused():
    for option in ("check_batched_grad", "check_batched_forward_grad", "check_forward_ad"):
        with pytest.raises(NotImplementedError, match=option):
            gradcheck(lambda x: x, (doubles(1),), **{option: True})
    with pytest.raises(AssertionError):
        gradcheck(lambda x: x, (doubles(1),), check_backward_ad=False)
    with pytest.raises(AssertionError):
        gradgradcheck(lambda x: x, (doubles(1),), check_rev_over_rev=False)
    with pytest.raises(ValueError, match="must return a Tensor"):
        gradcheck(lambda x: 1.0, (doubles(1),))


def test_pytorchs_names_for_it():
    assert torch.autograd.gradcheck is testing.gradcheck
    assert torch.autograd.gradgradcheck is testing.gradgradcheck
