"""Parametrizations of weights: weight_norm (Salimans and Kingma 2016), spectral_norm (Miyato et al. 2018)."""

from __future__ import annotations

from typing import Any

from ...graph import no_grad
from ...ops.matmul import mv
from ...tensor import Tensor
from .. import functional as F
from ..conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from .parametrize import register_parametrization
from .weight_norm import norm_except, weight_from

__all__ = ["spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    """w = g v / |v|, the norm over all dimensions but ``dim``; over all for None."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_from(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """Train the weight's length and direction by themselves: ``w = g v / |v|``.

    ``parametrizations.<name>.original0`` is g, ``original1`` is v. Returns the module.

    Raises ValueError if there is no such parameter.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def old_names(module: Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """States saved with the older ``nn.utils.weight_norm``."""
        if f"{prefix}{name}_g" in state and f"{prefix}{name}_v" in state:
            for i, part in enumerate("gv"):
                state[f"{prefix}parametrizations.{name}.original{i}"] = state.pop(f"{prefix}{name}_{part}")

    module.register_load_state_dict_pre_hook(old_names)
    return module


class _SpectralNorm(Module):
    """w divided by its largest singular value, which power iteration keeps track of."""

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        n = weight.dim()
        if not -n <= dim < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{n}, {n - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim, self.eps = dim % n, eps
        if n > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._matrix(weight.detach())
            for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                self.register_buffer(name, F.normalize(matrix.new_empty(size).normal_(0, 1), dim=0, eps=eps))
            self._iterate(matrix, 15)

    def _matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.dim, 0).flatten(1)

    def _iterate(self, matrix: Tensor, times: int) -> None:
        with no_grad():
            for _ in range(times):
                self._u.copy_(F.normalize(mv(matrix, self._v), dim=0, eps=self.eps))
                self._v.copy_(F.normalize(mv(matrix.t(), self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.dim() == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix.detach(), self.n_power_iterations)
        # Copies: the next forward writes over the vectors, and this one may not have been backward yet.
        u, v = self._u.clone(), self._v.clone()
        result: Tensor = weight / u.dot(mv(matrix, v))
        return result

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide the weight, as a matrix of ``dim`` by the rest, by its largest singular value.

    Args:
        n_power_iterations: steps of power iteration in each forward in training.
        dim: default 0; 1 for transposed convolutions.

    Raises:
        ValueError: no such tensor; iterations not positive. IndexError: no such dimension.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        dim = 1 if isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d) else 0
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
