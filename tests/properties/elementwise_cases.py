"""Functions of one, two or three numbers. The oracle is Python's own arithmetic and ``math``."""

from __future__ import annotations

import math

import numpy as np

from .case import Case, binary, number_by_number, unary
from .source import Source


def _sign(x: float) -> float:
    return math.copysign(1.0, x) if x else 0.0


def _bits(oracle, low=-9, high=9, shift=False) -> Case:
    def arguments(s: Source):
        a, b = s.pair()
        return s.integers(low, high, a), s.integers(0, 5, b) if shift else s.integers(low, high, b)

    return Case(arguments, lambda x, y: np.vectorize(oracle, otypes=[np.int64])(x, y), single=None)


def _truth(oracle) -> Case:
    """A predicate of two numbers, equal ones among them."""

    def arguments(s: Source):
        a, b = s.pair()
        return s.integers(-2, 3, a).astype(float), s.integers(-2, 3, b).astype(float)

    return Case(arguments, lambda x, y: np.vectorize(oracle, otypes=[bool])(x, y))


def _question(oracle) -> Case:
    def arguments(s: Source):
        x = s.floats(s.shape())
        odd = s.rng.choice([math.nan, math.inf, -math.inf, 0.0, 1.5], x.shape)
        return (np.where(s.bools(x.shape), x, odd),)

    return Case(arguments, lambda x: np.vectorize(oracle, otypes=[bool])(x))


def _step(oracle) -> Case:
    """A step function, away from its jumps, which are at multiples of 1/2."""
    return Case(
        lambda s: (np.asarray(s.integers(-5, 6, shape := s.shape()) / 2 + s.floats(shape, 0.1, 0.4)),),
        number_by_number(oracle),
    )


def _quotient(oracle) -> Case:
    """Quotients cut to integers: x / y stays away from whole numbers."""

    def arguments(s: Source):
        a, b = s.pair()
        y = s.rng.choice([-2.0, -1.0, 1.0, 2.0], b) + s.floats(b, -0.005, 0.005)
        return np.asarray(s.integers(-3, 4, a) + s.rng.choice([0.3, 0.7], a)), np.asarray(y)

    return Case(arguments, number_by_number(oracle))


def _xlogy(x: float, y: float) -> float:
    return 0.0 if x == 0 else x * math.log(y)


def _where_arguments(s: Source):
    a, b = s.pair()
    c = s.choose((a, b, ()))
    return s.bools(c), s.floats(a), s.floats(b)


def _clamp_arguments(s: Source):
    low, high = s.choose(((-0.5, 0.75), (None, 0.75), (-0.5, None), (0.75, -0.5)))
    return s.floats(s.shape(), avoid=(-0.5, 0.75)), low, high


def _clamp(x, low, high):
    x = x if low is None else max(x, low)
    return x if high is None else min(x, high)


def _clamp_tensor_arguments(s: Source):
    a, b = s.pair()
    return s.floats(a, avoid=(-0.6, 0.0, 0.6)), np.full(b, s.choose((-0.6, 0.0))), s.floats(a, 0.59, 0.61)


def _power_arguments(s: Source):
    exponent = s.choose((2, 3, 0.5, -1, -0.5, -2, 1, 0, 1.7, 4, -3, 2.0))
    whole = float(exponent).is_integer()
    return s.floats(s.shape(), -2 if whole else 0.3, 2, (0.0,), 0.3), exponent


def _erfinv(y: float) -> float:
    """By bisection of math.erf."""
    low, high = -6.0, 6.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erf(middle) < y else (low, middle)
    return low


def _relu_like(oracle, kinks, **more) -> Case:
    return unary(oracle, -5, 5, kinks, **more)


def _with(parameters, oracle, kinks=(), low=-4.0, high=4.0) -> Case:
    """An activation with parameters, drawn from ``parameters``; ``kinks(*parameters)`` are avoided."""

    def arguments(s: Source):
        chosen = s.choose(parameters)
        return (s.floats(s.shape(), low, high, kinks(*chosen) if callable(kinks) else kinks), *chosen)

    return Case(arguments, lambda x, *p: number_by_number(lambda v: oracle(v, *p))(x))


def _elu(x, alpha, scale, input_scale):
    return scale * x if x > 0 else scale * alpha * (math.exp(input_scale * x) - 1)


def _same_shape(one=(-2.0, 2.0), two=(-2.0, 2.0), avoid=()):
    def arguments(s: Source):
        shape = s.shape()
        return s.floats(shape, *one), s.floats(shape, *two, avoid)

    return arguments


def _squared_arguments(s: Source):
    x, y = _same_shape()(s)
    return x, y, s.choose(("none", "mean", "sum") if x.size else ("none", "sum"))  # the mean of nothing is NaN


def _gamma_share(a: float, x: float) -> float:
    """The gamma distribution's function by its density, Simpson's rule; t = s^4 smooths what is at 0."""
    n, top = 1000, x**0.25
    f = [4 * s ** (4 * a - 1) * math.exp(-(s**4)) for s in (top * i / n for i in range(n + 1))]
    return (f[0] + f[-1] + 4 * math.fsum(f[1::2]) + 2 * math.fsum(f[2:-1:2])) * top / n / 3 / math.gamma(a)


def _squared_error(x, y, how):
    each = number_by_number(lambda a, b: (a - b) * (a - b))(x, y)
    total = math.fsum(each.reshape(-1))
    return each if how == "none" else np.asarray(total if how == "sum" else total / each.size if each.size else np.nan)


def _polygamma(n: int, x: float) -> float:
    """The n-th derivative of digamma: by its recurrence far out, where the asymptotic series holds."""
    terms, y = [], x
    while y < 30:
        terms.append((-1) ** (n + 1) * math.factorial(n) / y ** (n + 1))
        y += 1
    z = 1 / y
    series = {
        0: lambda: math.log(y) - z / 2 - z**2 / 12 + z**4 / 120 - z**6 / 252 + z**8 / 240,
        1: lambda: z + z**2 / 2 + z**3 / 6 - z**5 / 30 + z**7 / 42 - z**9 / 30,
        2: lambda: -(z**2) - z**3 - z**4 / 2 + z**6 / 6 - z**8 / 6 + 3 * z**10 / 10,
    }
    return math.fsum([*terms, series[n]()])


def _bessel(order: int, x: float) -> float:
    """I_0 or I_1 by their power series."""
    return (x / 2) ** order * math.fsum(
        (x * x / 4) ** k / (math.factorial(k) * math.factorial(k + order)) for k in range(30)
    )


def _hurwitz(x: float, q: float) -> float:
    """Hurwitz's zeta: its first terms, and the integral of the rest with half a term and its slope (Euler and Maclaurin)."""
    far = q + 400
    return (
        math.fsum((q + k) ** -x for k in range(400)) + far ** (1 - x) / (x - 1) + far**-x / 2 + x * far ** (-x - 1) / 12
    )


CASES: dict[str, Case] = {
    # arithmetic
    "add": binary(lambda x, y: x + y), "sub": binary(lambda x, y: x - y), "rsub": binary(lambda x, y: x - y),
    "mul": binary(lambda x, y: x * y), "div": binary(lambda x, y: x / y, two=(0.4, 2)),
    "rdiv": binary(lambda x, y: x / y, two=(-2, -0.4)), "neg": unary(lambda x: -x),
    "floor_divide": _quotient(lambda x, y: math.floor(x / y)), "div_trunc": _quotient(lambda x, y: math.trunc(x / y)),
    "remainder": _quotient(lambda x, y: x - y * math.floor(x / y)), "fmod": _quotient(math.fmod),
    "zeros_of": unary(lambda x: 0.0),
    # powers
    "exp": unary(math.exp), "exp2": unary(lambda x: 2.0**x), "expm1": unary(math.expm1),
    "log": unary(math.log, 0.3, 3), "log2": unary(math.log2, 0.3, 3), "log10": unary(math.log10, 0.3, 3),
    "log1p": unary(math.log1p, -0.6, 3), "sqrt": unary(math.sqrt, 0.3, 3), "rsqrt": unary(lambda x: x**-0.5, 0.3, 3),
    "reciprocal": unary(lambda x: 1 / x, avoid=(0.0,), eps=1e-4), "square": unary(lambda x: x * x),
    "pow": Case(_power_arguments, lambda x, p: number_by_number(lambda v: v**p)(x)),
    "pow_tensor": binary(lambda x, y: x**y, one=(0.4, 2)),
    "rpow": Case(
        lambda s: (s.choose((0.5, 2.0, 3.0)), s.floats(s.shape())), lambda x, y: number_by_number(lambda v: x**v)(y)
    ),
    "pow_int": Case(
        lambda s: (s.integers(-3, 4, (pair := s.pair())[0]), s.integers(0, 4, pair[1])),
        lambda x, y: np.vectorize(lambda a, b: int(a) ** int(b), otypes=[np.int64])(x, y), single=None,
    ),
    # circular, hyperbolic
    "sin": unary(math.sin), "cos": unary(math.cos), "tan": unary(math.tan, -1.2, 1.2),
    "asin": unary(math.asin, -0.8, 0.8), "acos": unary(math.acos, -0.8, 0.8), "atan": unary(math.atan),
    "sinh": unary(math.sinh), "cosh": unary(math.cosh), "tanh": unary(math.tanh), "asinh": unary(math.asinh),
    "acosh": unary(math.acosh, 1.3, 3), "atanh": unary(math.atanh, -0.8, 0.8),
    "sigmoid": unary(lambda x: 1 / (1 + math.exp(-x)), -4, 4),
    "erf": unary(math.erf), "erfc": unary(math.erfc), "erfinv": unary(_erfinv, -0.8, 0.8),
    "atan2": binary(math.atan2, two=(0.4, 2)), "hypot": binary(math.hypot, two=(0.4, 2)),
    "logaddexp": binary(lambda x, y: math.log(math.exp(x) + math.exp(y))),
    "logaddexp2": binary(lambda x, y: math.log2(2**x + 2**y)),
    "xlogy": binary(_xlogy, two=(0.4, 2)), "logit": unary(lambda p: math.log(p / (1 - p)), 0.15, 0.85),
    "sinc": unary(lambda x: math.sin(math.pi * x) / (math.pi * x) if x else 1.0, avoid=(0.0,)),
    "deg2rad": unary(math.radians, -90, 90), "rad2deg": unary(math.degrees),
    # size and sign
    "abs": unary(abs, avoid=(0.0,)), "sign": unary(_sign, avoid=(0.0,)), "sgn": unary(_sign, avoid=(0.0,)),
    "signbit": _question(lambda x: math.copysign(1.0, x) < 0),
    "copysign": Case(
        lambda s: (s.floats((pair := s.pair())[0], avoid=(0.0,)), s.floats(pair[1], avoid=(0.0,))),
        number_by_number(math.copysign),
    ),
    "heaviside": binary(lambda x, y: y if x == 0 else float(x > 0)),
    "maximum": binary(max, apart=True), "minimum": binary(min, apart=True),
    "fmax": binary(max, apart=True), "fmin": binary(min, apart=True),
    "clamp_min": binary(max, apart=True), "clamp_max": binary(min, apart=True),
    "clamp": Case(_clamp_arguments, lambda x, *b: number_by_number(lambda v: _clamp(v, *b))(x)),
    "clamp_tensor": Case(_clamp_tensor_arguments, number_by_number(lambda x, a, b: min(max(x, a), b))),
    "ceil": _step(math.ceil), "floor": _step(math.floor), "trunc": _step(math.trunc), "round": _step(round),
    "frac": _step(lambda x: x - math.trunc(x)),
    "nextafter": binary(math.nextafter, single=None, apart=True),
    "frexp": Case(
        lambda s: (np.asarray(s.floats(shape := s.shape(), 1.1, 1.9) * s.rng.choice([-2.0, 0.5, 1.0, 4.0], shape)),),
        number_by_number(lambda x: math.frexp(x)[0]),
    ),
    "digamma": unary(lambda x: _polygamma(0, x), 0.5, 3, eps=1e-4),
    "polygamma": Case(
        lambda s: (s.floats(s.shape(), 0.8, 3), s.choose((1, 2))),
        lambda x, n: number_by_number(lambda v: _polygamma(n, v))(x), eps=1e-4, tolerance=(1e-6, 1e-5),
    ),
    "igamma": Case(
        _same_shape((1, 4), (0.2, 6)), number_by_number(lambda a, x: _gamma_share(a, x)), differentiable=(1,), eps=1e-4,
        why="PyTorch has no derivative in the shape either",
    ),
    "igammac": Case(
        _same_shape((1, 4), (0.2, 6)), number_by_number(lambda a, x: 1 - _gamma_share(a, x)), differentiable=(1,), eps=1e-4,
        why="PyTorch has no derivative in the shape either",
    ),
    "i0": unary(lambda x: _bessel(0, x)), "special_i1": unary(lambda x: _bessel(1, x), avoid=(0.0,)),
    "special_i1e": unary(lambda x: math.exp(-abs(x)) * _bessel(1, x), avoid=(0.0,)),
    **{
        name: Case(lambda s: tuple(s.floats(shape, 0.2, 0.8) for shape in [s.shape()] * 3), lambda drawn, x, y: drawn)
        for name in ("bernoulli", "normal", "poisson")
    },
    "special_zeta": Case(
        _same_shape((2.5, 4), (0.5, 3)), number_by_number(lambda x, q: _hurwitz(x, q)), differentiable=(1,), eps=1e-4,
        tolerance=(1e-6, 1e-5), why="PyTorch has no derivative in the exponent either",
    ),
    "special_i0e": unary(lambda x: math.exp(-abs(x)) * _bessel(0, x), avoid=(0.0,)),
    # losses, number by number
    "binary_cross_entropy": Case(
        _same_shape((0.1, 0.9), (0, 1)),
        number_by_number(lambda x, y: -(y * math.log(x) + (1 - y) * math.log(1 - x))), eps=1e-4,
    ),
    "binary_cross_entropy_with_logits": Case(
        _same_shape((-3, 3), (0, 1)), number_by_number(lambda x, y: math.log1p(math.exp(x)) - x * y)
    ),
    "mse_loss": Case(
        _squared_arguments, _squared_error, single=1e-3,
    ),
    "huber": _with(
        ((1.0,), (0.5,)), lambda d, delta: d * d / 2 if abs(d) <= delta else delta * (abs(d) - delta / 2),
        lambda delta: (-delta, delta),
    ),
    "divide_or_zero": Case(
        _same_shape(two=(0.4, 2)), number_by_number(lambda x, y: x / y if y else 0.0), eps=1e-4
    ),
    # truth
    "eq": _truth(lambda x, y: x == y), "ne": _truth(lambda x, y: x != y), "lt": _truth(lambda x, y: x < y),
    "le": _truth(lambda x, y: x <= y), "gt": _truth(lambda x, y: x > y), "ge": _truth(lambda x, y: x >= y),
    "logical_and": _truth(lambda x, y: bool(x and y)), "logical_or": _truth(lambda x, y: bool(x or y)),
    "logical_xor": _truth(lambda x, y: bool(x) != bool(y)), "logical_not": _question(lambda x: not x),
    "isnan": _question(math.isnan), "isinf": _question(math.isinf), "isfinite": _question(math.isfinite),
    "isposinf": _question(lambda x: x == math.inf), "isneginf": _question(lambda x: x == -math.inf),
    "isreal": _question(lambda x: True),
    "where": Case(_where_arguments, number_by_number(lambda c, x, y: x if c else y)),
    # bits
    "bitwise_and": _bits(lambda x, y: x & y), "bitwise_or": _bits(lambda x, y: x | y),
    "bitwise_xor": _bits(lambda x, y: x ^ y), "bitwise_left_shift": _bits(lambda x, y: x << y, shift=True),
    "bitwise_right_shift": _bits(lambda x, y: x >> y, shift=True), "gcd": _bits(math.gcd), "lcm": _bits(math.lcm),
    "bitwise_not": Case(
        lambda s: (s.integers(-9, 9, s.shape()),), lambda x: np.vectorize(lambda v: ~int(v), otypes=[np.int64])(x),
        single=None,
    ),
    # activations
    "relu": _relu_like(lambda x: max(x, 0.0), (0.0,)),
    "hardtanh": _with(((-1.0, 1.0), (-0.5, 2.0)), lambda x, a, b: min(max(x, a), b), lambda a, b: (a, b)),
    "leaky_relu": _with(((0.01,), (0.3,)), lambda x, slope: x if x > 0 else slope * x, (0.0,)),
    "threshold": _with(((0.5, 3.0), (-1.0, 0.0)), lambda x, t, v: x if x > t else v, lambda t, v: (t,)),
    "hardshrink": _with(((0.5,), (1.0,)), lambda x, lam: 0.0 if abs(x) <= lam else x, lambda lam: (-lam, lam)),
    "softshrink": _with(
        ((0.5,), (1.0,)), lambda x, lam: x - _sign(x) * lam if abs(x) > lam else 0.0, lambda lam: (-lam, lam)
    ),
    "hardsigmoid": _relu_like(lambda x: min(max(x + 3, 0), 6) / 6, (-3.0, 3.0)),
    "hardswish": _relu_like(lambda x: x * min(max(x + 3, 0), 6) / 6, (-3.0, 3.0)),
    "elu": _with(((1.0, 1.0, 1.0), (1.5, 2.0, 0.5), (1.7, 1.1, 1.0)), _elu, (0.0,)),
    "silu": unary(lambda x: x / (1 + math.exp(-x)), -4, 4),
    "softplus": _with(
        ((1.0, 20.0), (2.0, 20.0), (1.0, 2.0)),
        lambda x, beta, t: x if beta * x > t else math.log1p(math.exp(beta * x)) / beta, lambda beta, t: (t / beta,),
    ),
    "log_sigmoid": unary(lambda x: -math.log1p(math.exp(-x)), -4, 4),
    "mish": unary(lambda x: x * math.tanh(math.log1p(math.exp(x))), -4, 4),
    "softsign": unary(lambda x: x / (1 + abs(x)), avoid=(0.0,)),
    "nan_to_zero": Case(
        lambda s: (np.where(s.bools(shape := s.shape()), math.nan, s.floats(shape)),),
        number_by_number(lambda x: 0.0 if math.isnan(x) else x), differentiable=(),
        why="finite differences of NaN; edges/ has its gradient",
    ),
    "absolute_power": _with(((2.0,), (1.5,), (-0.5,), (3.0,), (0.0,)), lambda x, p: abs(x) ** p, (0.0,), 0.3, 2),
    "signed_power": _with(((2.0,), (1.5,), (-0.5,), (3.0,)), lambda x, p: _sign(x) * abs(x) ** p, (0.0,), -2, -0.3),
    "exp_difference": binary(lambda x, y: math.exp(x - y)),
    "falling": binary(lambda x, y: math.exp(x - y), one=(-2, 0), two=(0.1, 2)),
}  # fmt: skip
