"""Keeping gradients small (Pascanu et al. 2013, algorithm 1)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...backends import Kernels, backend_of
from ...fused import many_tensors_cuda
from ...tensor import Tensor, new_tensor, storage_of

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _with_grad(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    return [p.grad for p in parameters if p.grad is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors' elements together, a 0-d tensor; 0 for no tensors."""
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not tensors:
        return new_tensor(np.zeros((), np.float32))
    p = float(norm_type)
    first = tensors[0]._array
    arrays = [t._array for t in tensors]
    one_dtype = len({a.dtype for a in arrays}) == 1
    total = _euclidean[first.__class__](arrays) if p == 2.0 and one_dtype else _norm(arrays, p)
    total = backend_of(first).xp.asarray(total, np.result_type(*{a.dtype for a in arrays}))
    if error_if_nonfinite and not math.isfinite(new_tensor(total).item()):
        raise RuntimeError(
            f"The total norm of order {p} for gradients from `parameters` is non-finite, so it cannot be clipped. To "
            "disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return new_tensor(total)


def _norm(arrays: list[Any], p: float) -> Any:
    """The norm of order ``p`` of the norms of all arrays."""
    xp = backend_of(arrays[0]).xp
    norms = []
    for a in arrays:
        flat = a.reshape(-1)
        if p == 2.0:
            norms.append(xp.sqrt(xp.dot(flat, flat)))
        elif p == math.inf:
            norms.append(abs(flat).max() if flat.size else flat.sum())
        else:
            norms.append((abs(flat) ** p).sum() ** (1 / p))
    each = xp.stack([xp.asarray(n) for n in norms])
    return each.max() if p == math.inf else xp.sqrt(xp.dot(each, each)) if p == 2.0 else (each**p).sum() ** (1 / p)


def _scale(arrays: list[Any], norm: Any, most: float) -> None:
    """Each array in place times most / (norm + 1e-6), where that is below 1."""
    scale = most / (norm + 1e-6)
    if scale >= 1:
        return  # nothing would change
    for a in arrays:
        a *= np.minimum(scale.astype(a.dtype), a.dtype.type(1))


def _scale_each(arrays: list[Any], norm: Any, most: float) -> None:
    """``_scale`` of arrays of several dtypes, or not contiguous, without looking at the norm."""
    xp = backend_of(norm).xp
    for a in arrays:
        a *= xp.minimum((most / (norm + 1e-6)).astype(a.dtype), a.dtype.type(1))


def _scale_on_device(arrays: list[Any], norm: Any, most: float) -> None:
    together = all(a.flags.c_contiguous and a.dtype == norm.dtype for a in arrays)
    (many_tensors_cuda.scale_all if together else _scale_each)(arrays, norm, most)


_euclidean = Kernels(lambda arrays: _norm(arrays, 2.0), {"cupy": many_tensors_cuda.norm_of_all})
_scale_all = Kernels(_scale, {"cupy": _scale_on_device})


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients in place by max_norm / (total_norm + 1e-6), if that is below 1."""
    grads = _with_grad(parameters)
    if not grads:
        return
    _scale_all[grads[0]._array.__class__]([g._array for g in grads], total_norm._array, float(max_norm))
    for g in grads:
        storage_of(g).version += 1


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients in place so that their norm, taken together, is at most ``max_norm``.

    Returns the norm before. Raises RuntimeError for a norm that is not finite, if asked to.
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_with_grad(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, float(max_norm), total)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Hold every gradient's elements within [-clip_value, clip_value], in place."""
    clip_value = float(clip_value)
    for g in _with_grad(parameters):
        backend_of(g._array).xp.clip(g._array, -clip_value, clip_value, out=g._array)
        storage_of(g).version += 1


def clip_grad_norm(*args: Any, **kwargs: Any) -> Tensor:
    """``clip_grad_norm_`` under the name of PyTorch's first years; warns."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.", FutureWarning,
        stacklevel=2,
    )  # fmt: skip
    return clip_grad_norm_(*args, **kwargs)
