"""Spectral normalisation (Miyato et al. 2018) by a hook that runs before each forward: PyTorch's older form."""

from __future__ import annotations

from typing import Any, TypeVar

from ...graph import no_grad
from ...ops.matmul import mv
from ...tensor import Tensor
from .. import functional as F
from ..conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from ..parameter import Parameter

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]

AnyModule = TypeVar("AnyModule", bound=Module)


class SpectralNorm:
    """The hook: sets ``module.<name>`` to ``<name>_orig`` over its largest singular value.

    ``<name>_u`` and ``<name>_v`` are the singular vectors, which power iteration keeps track of.
    """

    def __init__(self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        """The weight with ``dim`` as rows and all the rest as columns."""
        return weight.movedim(self.dim, 0).flatten(1) if weight.dim() > 1 else weight.reshape(-1, 1)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The weight as it is to be used now."""
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(mv(matrix.t(), u), dim=0, eps=self.eps))
                    u.copy_(F.normalize(mv(matrix, v), dim=0, eps=self.eps))
            # Copies: the next forward writes over the vectors, and this one may not have been backward yet.
            u, v = u.clone(), v.clone()
        normed: Tensor = weight / u.dot(mv(matrix, v))
        return normed

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


def spectral_norm(
    module: AnyModule, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> AnyModule:
    """Divide the weight by its largest singular value before each forward. Returns the module.

    The parameter becomes ``<name>_orig``. ``nn.utils.parametrizations.spectral_norm`` is the newer form.

    Raises RuntimeError if that has been done already; ValueError for iterations that are not positive.
    """
    if dim is None:
        dim = 1 if isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d) else 0
    for other in module._forward_pre_hooks.values():
        if isinstance(other, SpectralNorm) and other.name == name:
            raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    hook = SpectralNorm(name, n_power_iterations, dim, eps)
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    with no_grad():
        matrix = hook.reshape_weight_to_matrix(weight)
        u, v = (F.normalize(weight.new_empty(n).normal_(0, 1), dim=0, eps=eps) for n in matrix.shape)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Make the weight, as it is divided now, an ordinary parameter. Raises ValueError if it was not normalised."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            with no_grad():
                weight = hook.compute_weight(module, False)
            for each in (name, f"{name}_u", f"{name}_v", f"{name}_orig"):
                delattr(module, each)
            module.register_parameter(name, Parameter(weight.detach()))
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"spectral_norm of '{name}' not found in {module}")
