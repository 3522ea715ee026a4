"""Activation functions as layers. Each calls the function of the same name in ``nn.functional``."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from ..tensor import Tensor
from . import functional as F
from . import init
from .creation import empty_parameter
from .module import Module

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid",
    "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softmax2d",
    "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


def _layer(
    name: str, function: str, formula: str, shown: tuple[str, ...] | None = None, **defaults: Any
) -> type[Module]:
    """A layer whose arguments are handed to ``functional.<function>`` by name.

    shown: the arguments that ``repr`` gives (default, all but ``inplace``, which shows when set).
    """
    names = tuple(defaults)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature(
        [
            inspect.Parameter("self", kind),
            *(
                inspect.Parameter(n, kind, default=inspect.Parameter.empty if v is ... else v)
                for n, v in defaults.items()
            ),
        ]
    )

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}.__init__() {error}") from None
        Module.__init__(self)
        bound.apply_defaults()
        for key, value in list(bound.arguments.items())[1:]:
            setattr(self, key, value)

    __init__.__signature__ = signature  # type: ignore[attr-defined]

    def forward(self: Any, input: Tensor) -> Tensor:
        result: Tensor = getattr(F, function)(input, **{n: getattr(self, n) for n in names})
        return result

    def extra_repr(self: Any) -> str:
        listed = names if shown is None else shown
        parts = [f"{n}={getattr(self, n)!r}" for n in listed if n != "inplace"]
        if "inplace" in listed and self.inplace:
            parts.append("inplace=True")
        return ", ".join(parts)

    for method in (forward, extra_repr):
        method.__qualname__ = f"{name}.{method.__name__}"  # so that it has the docstring of the one that it overrides
    cls = type(
        name,
        (Module,),
        {
            "_function": function, "__init__": __init__, "forward": forward, "extra_repr": extra_repr, "__module__": __name__,
            "__doc__": f"{formula}, element by element. Any shape.\n\nArguments: {', '.join(names) or 'none'}; "
            f"see ``nn.functional.{function}``.",
        },
    )  # fmt: skip
    return cls


ReLU = _layer("ReLU", "relu", "max(x, 0)", inplace=False)
ReLU6 = _layer("ReLU6", "relu6", "min(max(x, 0), 6)", inplace=False)
LeakyReLU = _layer("LeakyReLU", "leaky_relu", "x, or slope * x below 0", negative_slope=0.01, inplace=False)
ELU = _layer("ELU", "elu", "x, or alpha (exp(x) - 1) below 0", alpha=1.0, inplace=False)
CELU = _layer("CELU", "celu", "x, or alpha (exp(x / alpha) - 1) below 0", alpha=1.0, inplace=False)
SELU = _layer("SELU", "selu", "ELU scaled to keep mean and variance (Klambauer et al. 2017)", inplace=False)
SiLU = _layer("SiLU", "silu", "x sigmoid(x)", inplace=False)
Mish = _layer("Mish", "mish", "x tanh(softplus(x))", inplace=False)
Hardsigmoid = _layer("Hardsigmoid", "hardsigmoid", "min(max(x / 6 + 1 / 2, 0), 1)", shown=(), inplace=False)
Hardswish = _layer("Hardswish", "hardswish", "x hardsigmoid(x)", shown=(), inplace=False)
Threshold = _layer(
    "Threshold", "threshold", "x above the threshold, else value", threshold=..., value=..., inplace=False
)
GELU = _layer("GELU", "gelu", "x Phi(x) (Hendrycks and Gimpel 2016)", approximate="none")
Tanh = _layer("Tanh", "tanh", "tanh(x)")
Sigmoid = _layer("Sigmoid", "sigmoid", "1 / (1 + exp(-x))")
LogSigmoid = _layer("LogSigmoid", "logsigmoid", "log(sigmoid(x))")
Softsign = _layer("Softsign", "softsign", "x / (1 + |x|)")
Tanhshrink = _layer("Tanhshrink", "tanhshrink", "x - tanh(x)")
Softplus = _layer("Softplus", "softplus", "log(1 + exp(beta x)) / beta", beta=1.0, threshold=20.0)
Hardshrink = _layer("Hardshrink", "hardshrink", "x where |x| > lambd, else 0", lambd=0.5)
Softshrink = _layer("Softshrink", "softshrink", "x moved lambd towards 0", lambd=0.5)
GLU = _layer("GLU", "glu", "a sigmoid(b), for the halves a and b of a dimension", dim=-1)
Softmax = _layer("Softmax", "softmax", "exp(x) over its sum along a dimension", dim=None)
Softmin = _layer("Softmin", "softmin", "softmax(-x)", dim=None)
LogSoftmax = _layer("LogSoftmax", "log_softmax", "log(softmax(x))", dim=None)


def _lambda_repr(self: Any) -> str:
    """``lambd`` alone, without its name."""
    return str(self.lambd)


Hardshrink.extra_repr = Softshrink.extra_repr = _lambda_repr  # type: ignore[method-assign]


class Hardtanh(Module):
    """x held between min_val and max_val, element by element. Any shape.

    min_value, max_value: the older names, with a warning. Raises AssertionError unless max_val > min_val.
    """

    def __init__(
        self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False, min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        for old, new, value in (("min_value", "min_val", min_value), ("max_value", "max_val", max_value)):
            if value is not None:
                warnings.warn(
                    f"keyword argument `{old}` is deprecated and renamed to `{new}`", FutureWarning, stacklevel=2
                )
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if not self.max_val > self.min_val:
            raise AssertionError(f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})")

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")


class Softmax2d(Module):
    """softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead")
        return F.softmax(input, -3)


class PReLU(Module):
    """x, or weight * x below 0; one weight, or one per channel (He et al. 2015)."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = empty_parameter(num_parameters, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The weight as it was asked for."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """LeakyReLU whose slope is drawn from [lower, upper] in training, and their mean in evaluation."""

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")
