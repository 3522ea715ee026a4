"""What the operations that are an entry and nothing more compute, in words: their docstrings."""

from __future__ import annotations

__all__ = ["DOCSTRINGS"]

_FLOATING = {
    "acos": "The angle in [0, pi] whose cosine is ``input``; nan outside [-1, 1]",
    "acosh": "The inverse of cosh on [1, inf]; nan below 1",
    "asin": "The angle in [-pi / 2, pi / 2] whose sine is ``input``; nan outside [-1, 1]",
    "asinh": "The inverse of sinh",
    "atan": "The angle in (-pi / 2, pi / 2) whose tangent is ``input``",
    "atanh": "The inverse of tanh; nan outside [-1, 1]",
    "cos": "The cosine, of radians",
    "cosh": "The hyperbolic cosine, (e^x + e^-x) / 2",
    "deg2rad": "Degrees as radians",
    "digamma": "The derivative of ``lgamma``",
    "erf": "The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to ``input``",
    "erfc": "1 - erf(input), exact where erf is nearly 1",
    "erfinv": "The inverse of ``erf``; nan outside [-1, 1]",
    "exp": "e to the power ``input``",
    "exp2": "2 to the power ``input``",
    "expm1": "e^input - 1, exact near 0",
    "i0": "The modified Bessel function of the first kind, of order 0",
    "lgamma": "The logarithm of the absolute value of the gamma function",
    "log": "The natural logarithm; -inf at 0, nan below",
    "log10": "The logarithm to base 10; -inf at 0, nan below",
    "log1p": "log(1 + input), exact near 0",
    "log2": "The logarithm to base 2; -inf at 0, nan below",
    "rad2deg": "Radians as degrees",
    "reciprocal": "1 / input; inf at 0",
    "rsqrt": "1 / sqrt(input); inf at 0, nan below",
    "sigmoid": "1 / (1 + e^-input)",
    "sin": "The sine, of radians",
    "sinc": "sin(pi x) / (pi x), and 1 at 0",
    "sinh": "The hyperbolic sine, (e^x - e^-x) / 2",
    "sqrt": "The square root; nan below 0",
    "tan": "The tangent, of radians",
    "tanh": "The hyperbolic tangent, (e^x - e^-x) / (e^x + e^-x)",
}
_SPECIAL = {
    "i0e": "i0(input) e^-abs(input)",
    "i1e": "i1(input) e^-abs(input)",
    "i1": "The modified Bessel function of the first kind, of order 1",
}
_ALIKE = {
    "abs": "The absolute value. Raises NotImplementedError for bool tensors",
    "bitwise_not": "The bits, or the truth values, turned round. Raises NotImplementedError for floating dtypes",
    "ceil": "Up to the next whole number",
    "floor": "Down to the next whole number",
    "frac": "What is left of ``trunc``: input - trunc(input). Raises NotImplementedError for integers",
    "relu": "max(input, 0). Raises RuntimeError for bool tensors",
    "sgn": "``sign``, for real numbers",
    "sign": "-1, 0 or 1, by the sign",
    "trunc": "Towards 0 to the next whole number",
}
_QUESTIONS = {
    "isfinite": "Whether it is neither infinite nor nan",
    "isinf": "Whether it is inf or -inf",
    "isnan": "Whether it is nan",
    "isneginf": "Whether it is -inf",
    "isposinf": "Whether it is inf",
    "isreal": "Whether it is a real number, as all numbers here are",
    "signbit": "Whether the sign is negative, that of -0.0 too",
}
_PAIRS = {
    "fmax": "The larger of the two; of nan and a number, the number",
    "fmin": "The smaller of the two; of nan and a number, the number",
    "gcd": "The greatest common divisor. Raises NotImplementedError for floating dtypes",
    "lcm": "The least common multiple. Raises NotImplementedError for floating dtypes",
    "maximum": "The larger of the two; nan if either is. Equal ones share the gradient",
    "minimum": "The smaller of the two; nan if either is. Equal ones share the gradient",
    "nextafter": "The next number after ``input`` in the direction of ``other``",
}
_FLOATING_PAIRS = {
    "atan2": "The angle of the point (other, input), in [-pi, pi]",
    "copysign": "``input`` with the sign of ``other``",
    "hypot": "sqrt(input^2 + other^2), without overflow",
    "igamma": "The regularised lower incomplete gamma function: the share of the gamma distribution of shape ``input`` below ``other``",
    "igammac": "1 - igamma(input, other), exact where that is small",
    "zeta": "Hurwitz's zeta function, the sum over k >= 0 of (other + k)^-input; no gradient to ``input``",
    "logaddexp": "log(e^input + e^other), without overflow",
    "logaddexp2": "log2(2^input + 2^other), without overflow",
}

#: By the function's name in PyTorch.
DOCSTRINGS = {
    **{k: f"{v}. Element by element, any shape; integers become the default floating type." for k, v in (_FLOATING | _SPECIAL).items()},
    **{k: f"{v}. Element by element, any shape; the dtype stays." for k, v in _ALIKE.items()},
    **{k: f"{v}: a bool tensor of ``input``'s shape." for k, v in _QUESTIONS.items()},
    **{k: f"{v}. The two broadcast; the promoted dtype." for k, v in _PAIRS.items()},
    **{k: f"{v}. The two broadcast; the promoted dtype, the default floating type for integers." for k, v in _FLOATING_PAIRS.items()},
}  # fmt: skip
