"""``torch.amp``: autocast and GradScaler, so that scripts written for mixed precision run unchanged.

NumPy has no bfloat16, and its float16 arithmetic is emulated: slower than float32, and less exact. So
``autocast`` changes no result here: it keeps its book (``torch.is_autocast_enabled``,
``torch.get_autocast_dtype``) and everything is computed in the dtypes that the tensors have.

``GradScaler`` is real: it scales the loss, looks for infinities and NaN before a step, leaves the step
out if it finds one, and adapts the scale, as in Micikevicius et al., Mixed Precision Training (2018).
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from . import dtypes
from .backends import Kernels, backend_of
from .cuda.devices import is_available as _cuda_is_available
from .device import device as _device
from .fused import many_tensors_cuda
from .tensor import Tensor, storage_of
from .types import Array

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

Outputs = TypeVar("Outputs")  # a Tensor, or a list or tuple of them
_enabled = {"cpu": False, "cuda": False}
_dtypes = {"cpu": dtypes.bfloat16, "cuda": dtypes.float16}
_cache_enabled = True


def _known(device_type: str) -> str:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if device_type not in _enabled:
        raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
    return device_type


def is_autocast_available(device_type: str) -> bool:
    """Whether ``autocast(device_type)`` is accepted."""
    return _device(device_type).type in _enabled


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether the code runs inside ``autocast(device_type)``."""
    return _enabled[_known(device_type)]


def get_autocast_dtype(device_type: str) -> dtypes.dtype:
    """The dtype that ``autocast(device_type)`` was asked for (bfloat16 on the CPU unless set)."""
    return _dtypes[_known(device_type)]


def is_autocast_cache_enabled() -> bool:
    """Whether autocast was asked to keep its casts."""
    return _cache_enabled


class autocast:
    """A context manager (and decorator) that records that reduced precision was asked for.

    Args:
        device_type: "cpu" or "cuda".
        dtype: default bfloat16 on the CPU, float16 on CUDA.
        enabled: False makes the context do nothing.

    Raises RuntimeError for an unknown device type. As in PyTorch, a dtype that autocast does not know
    on that device warns and switches it off.
    """

    def __init__(
        self,
        device_type: str,
        dtype: dtypes.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        self.device = _known(device_type)
        self.fast_dtype = dtype if dtype is not None else _dtypes[device_type]
        if self.device == "cuda" and enabled and not _cuda_is_available():
            warnings.warn("User provided device_type of 'cuda', but CUDA is not available. Disabling", stacklevel=2)
            enabled = False
        if enabled and self.fast_dtype not in (dtypes.bfloat16, dtypes.float16):
            warnings.warn(
                f"In {'CPU' if self.device == 'cpu' else 'CUDA'} autocast, but the target dtype is not supported. "
                "Disabling autocast.\n"
                f"{'CPU' if self.device == 'cpu' else 'CUDA'} Autocast only supports dtypes of torch.bfloat16, "
                "torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._cache_enabled = _cache_enabled if cache_enabled is None else cache_enabled
        self._before: list[tuple[bool, dtypes.dtype, bool]] = []

    def __enter__(self) -> autocast:
        global _cache_enabled
        self._before.append((_enabled[self.device], _dtypes[self.device], _cache_enabled))
        _enabled[self.device], _dtypes[self.device], _cache_enabled = (
            self._enabled,
            self.fast_dtype,
            self._cache_enabled,
        )
        return self

    def __exit__(self, *exc: object) -> None:
        global _cache_enabled
        _enabled[self.device], _dtypes[self.device], _cache_enabled = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return decorated


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str = "cuda", cast_inputs: Any = None
) -> Callable[..., Any]:
    """Decorates the ``forward`` of an ``autograd.Function`` for autocast; nothing is to be done here."""
    return fwd if fwd is not None else functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str = "cuda") -> Callable[..., Any]:
    """Decorates the ``backward`` of an ``autograd.Function`` for autocast; nothing is to be done here."""
    return bwd if bwd is not None else functools.partial(custom_bwd, device_type=device_type)


def _unscale(arrays: list[Array], by: Any) -> Array:
    """Each array times ``by``, in place; 1 (0-d, float32) if a number in them was infinite or NaN, else 0."""
    xp = backend_of(arrays[0]).xp
    found = xp.zeros((), bool)
    for a in arrays:
        found = found | ~xp.isfinite(a).all()
        a *= a.dtype.type(by)
    return found.astype(np.float32)


def _unscale_on_device(arrays: list[Array], by: Any) -> Array:
    """``_unscale`` in one launch for up to 128 arrays."""
    apart = [a for a in arrays if not a.flags.c_contiguous]
    found = _unscale(apart, by) if apart else backend_of(arrays[0]).xp.zeros((), np.float32)
    many_tensors_cuda.unscale_all([a for a in arrays if a.flags.c_contiguous], by, found)
    return found


_unscale_all = Kernels(_unscale, {"cupy": _unscale_on_device})


class GradScaler:
    """Scales a loss so that small gradients survive in float16, and undoes it before the step.

    ``scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()``. With ``enabled=False``
    everything is passed through: ``step`` is ``optimizer.step``.

    Args:
        device: as in PyTorch; a scaler for CUDA is switched off, with a warning, where there is none.
        init_scale, growth_factor, backoff_factor, growth_interval: the scale is multiplied by
            ``growth_factor`` after so many steps without an infinity or NaN, by ``backoff_factor``
            after one with.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        if enabled and _device(device).type == "cuda" and not _cuda_is_available():
            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            enabled = False
        if enabled and not growth_factor > 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if enabled and not backoff_factor < 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._enabled = enabled
        self._scale, self._growth_tracker = float(init_scale), 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        # By an optimizer's id: whether its gradients had an infinity or NaN, or the arrays that say so when they are read.
        self._seen: dict[int, bool | list[Array]] = {}
        self._stepped: set[int] = set()

    def is_enabled(self) -> bool:
        """Whether the scaler does anything."""
        return self._enabled

    def scale(self, outputs: Outputs) -> Outputs:
        """``outputs`` (a Tensor, or a list or tuple of them) times the scale."""
        if not self._enabled:
            return outputs
        scaled: Any
        if isinstance(outputs, Tensor):
            scaled = outputs * self._scale
        elif isinstance(outputs, (list, tuple)):
            scaled = type(outputs)(self.scale(t) for t in outputs)
        else:
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")
        result: Outputs = scaled
        return result

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of the optimizer's parameters by the scale, once a step. Nothing waits for a device.

        Raises RuntimeError if that was already done since ``update``, ValueError for gradients in float16.
        """
        if not self._enabled:
            return
        if id(optimizer) in self._stepped:
            raise RuntimeError("unscale_() is being called after step().")
        if id(optimizer) in self._seen:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if any(g.dtype is dtypes.float16 for g in gradients):
            raise ValueError("Attempting to unscale FP16 gradients.")
        together: dict[tuple[Any, Any], list[Any]] = {}
        for g in gradients:
            together.setdefault((g.device, g.dtype), []).append(g._array)
            storage_of(g).version += 1
        by = np.float32(1 / self._scale)
        self._seen[id(optimizer)] = [_unscale_all[arrays[0].__class__](arrays, by) for arrays in together.values()]

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step()``, unless a gradient is infinite or NaN. Unscales first if that is not done.

        Raises RuntimeError if it was already called since ``update``, AssertionError if no parameter has a gradient.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        if id(optimizer) in self._stepped:
            raise RuntimeError("step() has already been called since the last update().")
        if id(optimizer) not in self._seen:
            self.unscale_(optimizer)
        if self._seen[id(optimizer)] == []:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        self._stepped.add(id(optimizer))
        return None if self._found(id(optimizer)) else optimizer.step(*args, **kwargs)

    def _found(self, optimizer: int) -> bool:
        """Whether the gradients of an optimizer, by its id, had an infinity or NaN. The first question waits for the device."""
        seen = self._seen[optimizer]
        if not isinstance(seen, bool):
            seen = self._seen[optimizer] = any(backend_of(found).item(found) for found in seen)
        return seen

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Adapt the scale to what the steps met, or set it to ``new_scale``."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            if all(seen == [] for seen in self._seen.values()):
                raise AssertionError("No inf checks were recorded prior to update.")
            if any(self._found(optimizer) for optimizer in self._seen):
                self._scale, self._growth_tracker = self._scale * self._backoff_factor, 0
            else:
                self._growth_tracker += 1
                if self._growth_tracker == self._growth_interval:
                    self._scale, self._growth_tracker = self._scale * self._growth_factor, 0
        self._seen, self._stepped = {}, set()

    def get_scale(self) -> float:
        """The scale in use; 1 when disabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """By what the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set by what the scale grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """By what the scale is multiplied after an infinity."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set by what the scale is multiplied after an infinity."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many good steps the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set after how many good steps the scale grows."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """The scale and what it is adapted by; empty when disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a state from :meth:`state_dict`. Raises RuntimeError for an empty one."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._scale, self._growth_tracker = state_dict["scale"], state_dict["_growth_tracker"]
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
