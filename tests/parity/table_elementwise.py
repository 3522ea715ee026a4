"""Rows of the parity tables: elementwise functions, of one and of several tensors."""

from __future__ import annotations

from .one_call import Case, D, Draw


def unary(low: float = -3, high: float = 3, dtype: str = "any", edges: bool = True, tolerance: float = 1.0):
    def row(d: Draw) -> Case:
        return Case((d.tensor(dtype=dtype, low=low, high=high, edges=edges),), tolerance=tolerance)

    return row


def binary(
    dtype: str = "any",
    low: float = -3,
    high: float = 3,
    numbers: bool = True,
    edges: bool = True,
    tolerance: float = 1.0,
    grad: bool = True,
):
    """Two tensors that broadcast, or a tensor and a number."""

    def row(d: Draw) -> Case:
        a = d.tensor(dtype=dtype, low=low, high=high, edges=edges, grad=grad)
        if numbers and d.int(0, 3) == 0:
            return Case((a, d.choice(2, 3, -1, 0.5, 1.5, True)), tolerance=tolerance)
        b = d.tensor(d.broadcastable(a.array.shape), dtype, low, high, edges, grad)
        return Case((a, b), tolerance=tolerance)

    return row


def with_alpha(d: Draw) -> Case:
    a = d.tensor(dtype="n")
    b = d.tensor(d.broadcastable(a.array.shape), "n")
    return Case((a, b), {"alpha": d.choice(1, 2, -3)} if d.bool() else {})


def division(d: Draw) -> Case:
    case = binary("n")(d)
    return Case(
        case.args, d.choice({}, {"rounding_mode": "trunc"}, {"rounding_mode": "floor"}, {"rounding_mode": None})
    )


def clamping(d: Draw) -> Case:
    a = d.tensor(dtype="n", edges=True)
    kind = d.int(0, 4)
    if kind == 0:
        return Case((a,), {"min": d.choice(-1, 0, 0.5), "max": d.choice(1, 2.5)})
    if kind == 1:
        return Case((a, d.choice(-1, 0.5)))
    if kind == 2:
        return Case((a,), {"max": d.choice(1, 0.5)})
    if kind == 3:
        return Case((a,))
    dtype = str(a.array.dtype)
    return Case((a, d.tensor(a.array.shape, dtype), d.tensor(a.array.shape, dtype)))


def rounding(d: Draw) -> Case:
    return Case((d.tensor(dtype="n", low=-30, high=30),), {"decimals": d.choice(0, 1, 2, -1)} if d.bool() else {})


def choosing(d: Draw) -> Case:
    a = d.tensor(dtype="n")
    return Case((d.tensor(a.array.shape, "bool"), a, d.tensor(d.broadcastable(a.array.shape), "n")))


def interpolation(d: Draw) -> Case:
    a = d.tensor(dtype=d.choice("float32", "float64"))
    b = d.tensor(a.array.shape, str(a.array.dtype))
    return Case((a, b, d.choice(0, 0.25, 0.5, 0.75, 1.0)))


def three(d: Draw) -> Case:
    kind = d.choice("float32", "float64")
    a = d.tensor(dtype=kind)
    b, c = d.tensor(a.array.shape, kind, 0.5, 2), d.tensor(d.broadcastable(a.array.shape), kind, 0.5, 2)
    return Case((a, b, c), {"value": d.choice(1, 0.5, -2)} if d.bool() else {})


def closeness(d: Draw) -> Case:
    kind = d.choice("float32", "float64", "int64")
    a = d.tensor(dtype=kind, low=0, high=2, edges=True, grad=False)
    return Case((a, d.tensor(a.array.shape, kind, 0, 2, True, False)), {"equal_nan": d.bool(), "rtol": 0.3})


def power(d: Draw) -> Case:
    a = d.tensor(dtype="n", low=0.5, high=3)
    exponent = d.choice(0, 1, 2, 3, -1, 0.5, -0.5, 1.7, "tensor")
    return Case((a, d.tensor(d.broadcastable(a.array.shape), "n", 0, 3) if exponent == "tensor" else exponent))


def shifting(d: Draw) -> Case:
    a = d.tensor(dtype="int64", low=0, high=40)
    return Case((a, d.tensor(a.array.shape, "int64", 0, 4)))


def cast(d: Draw) -> Case:
    return Case((d.tensor(dtype="any"),))


def to_dtype(d: Draw) -> Case:
    kind = D(d.choice("float32", "float64", "int64", "int32", "uint8", "bool", "float16"))
    return Case((d.tensor(dtype="any", low=0), kind))


ROWS = {
    **{name: unary() for name in (
        "abs", "absolute", "neg", "negative", "positive", "sign", "sgn", "signbit", "square", "exp", "exp2", "expm1", "sqrt",
        "rsqrt", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asinh", "arcsinh", "atan",
        "arctan", "sigmoid", "relu", "reciprocal", "ceil", "floor", "trunc", "fix", "frac", "isnan", "isinf", "isfinite",
        "isposinf", "isneginf", "isreal", "logical_not", "nan_to_num", "deg2rad", "rad2deg", "sinc",
        "is_floating_point", "is_complex", "is_signed", "numel", "real", "conj", "resolve_conj", "resolve_neg",
        "conj_physical",
    )},
    **{name: unary(-0.95, 0.95) for name in ("asin", "arcsin", "acos", "arccos", "atanh", "arctanh", "erfinv")},
    **{name: unary(1.05, 4) for name in ("acosh", "arccosh")},
    **{name: unary(tolerance=5) for name in ("erf", "erfc")},
    **{name: unary(0.5, 6, tolerance=5) for name in ("lgamma", "digamma", "i0")},
    **{name: binary() for name in ("add", "mul", "multiply", "true_divide", "result_type")},
    **{name: binary(grad=False) for name in ("eq", "ne", "not_equal", "gt", "greater", "ge", "greater_equal",
                                             "lt", "less", "le", "less_equal", "logical_and", "logical_or", "logical_xor")},
    **{name: binary(numbers=False) for name in ("maximum", "minimum", "fmax", "fmin", "atan2", "arctan2",
                                                "copysign")},
    "float_power": binary(numbers=False, edges=False),
    **{name: binary("n") for name in ("sub", "subtract", "remainder", "fmod", "floor_divide", "rsub", "xlogy")},
    **{name: binary("f", numbers=False) for name in ("logaddexp", "logaddexp2", "hypot")},
    "nextafter": binary("f", numbers=False),
    **{name: binary("i", numbers=False) for name in ("gcd", "lcm", "bitwise_and", "bitwise_or", "bitwise_xor")},
    "__rsub__": binary("n"), "__radd__": binary(), "__rmul__": binary(), "__rtruediv__": binary("n", tolerance=1e5),
    "__rpow__": lambda d: Case((d.tensor(dtype="n", low=0, high=3, grad=False), d.choice(2, 0.5, 3))),
    "__rand__": binary("i", numbers=False), "__ror__": binary("i", numbers=False), "__rxor__": binary("i", numbers=False),
    "__rmod__": lambda d: Case((d.tensor(dtype="n", low=1, high=4, grad=False), d.choice(5, 7.5, -3))),
    "__rfloordiv__": lambda d: Case((d.tensor(dtype="n", low=1, high=4, grad=False), d.choice(5, 7, -3))),
    "div": division, "divide": division, "clamp": clamping, "clip": clamping, "round": rounding, "where": choosing,
    "clamp_min": lambda d: Case((d.tensor(dtype="n"), d.choice(0, 0.5, -1))),
    "clamp_max": lambda d: Case((d.tensor(dtype="n"), d.choice(0, 0.5, -1))),
    "lerp": interpolation, "addcmul": three, "addcdiv": three, "isclose": closeness, "allclose": closeness,
    "pow": power, "heaviside": lambda d: (lambda a: Case((a, d.tensor(a.array.shape, str(a.array.dtype), grad=False))))(d.tensor(dtype="f", edges=True, grad=False)),
    "bitwise_left_shift": shifting, "bitwise_right_shift": shifting,
    "bitwise_not": lambda d: Case((d.tensor(dtype=d.choice("int64", "int32", "uint8", "bool")),)),
    "logit": lambda d: Case((d.tensor(dtype="f", low=0.05, high=0.95), *([d.choice(0.1, 1e-6)] if d.bool() else []))),
    "ldexp": lambda d: Case((d.tensor(dtype="f", grad=False), d.tensor((), "int64", -3, 3))),
    "mvlgamma": lambda d: Case((d.tensor(dtype="f", low=3, high=6), d.int(1, 4)), tolerance=10),
    "polygamma": lambda d: Case((d.int(0, 3), d.tensor(dtype="f", low=0.5, high=6)), tolerance=10),
    "equal": lambda d: (lambda a: Case((a, a if d.bool() else d.tensor(dtype="f", grad=False))))(d.tensor(dtype="any", grad=False)),
    "isin": lambda d: Case((d.tensor(dtype="int64"), d.tensor((d.int(0, 4),), "int64")), {"invert": d.bool()}),
    "frexp": lambda d: Case((d.tensor(dtype="f", grad=False),)),
    "bool": cast, "byte": lambda d: Case((d.tensor(dtype="any", low=0),)), "char": cast, "short": cast, "int": cast, "long": cast, "half": cast, "float": cast, "double": cast,
    "to": to_dtype, "type": to_dtype, "type_as": lambda d: Case((d.tensor(dtype="any", low=0), d.tensor(dtype="n"))),
    "softmax": lambda d: (lambda a: Case((a, d.dim(a))))(d.tensor(dtype="f")),
    "log_softmax": lambda d: (lambda a: Case((a, d.dim(a)), {"dtype": D("float64")} if d.bool() else {}))(d.tensor(dtype="f")),
    "can_cast": lambda d: Case((D(d.choice("float32", "int64", "bool")), D(d.choice("float64", "int32", "uint8")))),
    "promote_types": lambda d: Case((D(d.choice("float32", "int64", "bool", "float16", "bfloat16")), D(d.choice("float64", "int32", "uint8")))),
}  # fmt: skip
SKIP = {
    "to": ("function",), "type": ("function",),
    "polygamma": ("method", "in_place"),
    "logical_not": ("in_place",),  # torch's leaves the graph as it was: a wrong gradient
    "copysign": ("in_place",), "where": ("method", "in_place"),
}  # fmt: skip
