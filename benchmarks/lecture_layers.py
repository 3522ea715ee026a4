"""Layers written by hand from tensors, as in lecture 5: what a student's code looks like to the engine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def layers(torch: Any) -> Any:
    """The lecture's layer classes over the framework ``torch``."""

    class Linear:
        def __init__(self, fan_in: int, fan_out: int, bias: bool = True) -> None:
            self.weight = torch.randn((fan_in, fan_out)) / fan_in**0.5
            self.bias = torch.zeros(fan_out) if bias else None

        def __call__(self, x: Any) -> Any:
            out = x @ self.weight
            if self.bias is not None:
                out = out + self.bias
            return out

        def parameters(self) -> list[Any]:
            return [self.weight] + ([] if self.bias is None else [self.bias])

    class BatchNorm1d:
        def __init__(self, dim: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
            self.eps, self.momentum, self.training = eps, momentum, True
            self.gamma, self.beta = torch.ones(dim), torch.zeros(dim)
            self.running_mean, self.running_var = torch.zeros(dim), torch.ones(dim)

        def __call__(self, x: Any) -> Any:
            if self.training:
                dim: Any = 0 if x.ndim == 2 else (0, 1)
                mean = x.mean(dim, keepdim=True)
                var = x.var(dim, keepdim=True)
            else:
                mean, var = self.running_mean, self.running_var
            xhat = (x - mean) / torch.sqrt(var + self.eps)
            out = self.gamma * xhat + self.beta
            if self.training:
                with torch.no_grad():
                    self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
                    self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var
            return out

        def parameters(self) -> list[Any]:
            return [self.gamma, self.beta]

    class Tanh:
        def __call__(self, x: Any) -> Any:
            return torch.tanh(x)

        def parameters(self) -> list[Any]:
            return []

    class Embedding:
        def __init__(self, num: int, dim: int) -> None:
            self.weight = torch.randn((num, dim))

        def __call__(self, ix: Any) -> Any:
            return self.weight[ix]

        def parameters(self) -> list[Any]:
            return [self.weight]

    class FlattenConsecutive:
        def __init__(self, n: int) -> None:
            self.n = n

        def __call__(self, x: Any) -> Any:
            B, T, C = x.shape
            x = x.view(B, T // self.n, C * self.n)
            return x.squeeze(1) if x.shape[1] == 1 else x

        def parameters(self) -> list[Any]:
            return []

    class Sequential:
        def __init__(self, layers: list[Any]) -> None:
            self.layers = layers

        def __call__(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x

        def parameters(self) -> list[Any]:
            return [p for layer in self.layers for p in layer.parameters()]

    return SimpleNamespace(**{k: v for k, v in locals().items() if isinstance(v, type)})
