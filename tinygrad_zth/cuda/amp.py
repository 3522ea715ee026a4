"""``torch.cuda.amp``: the older names of ``torch.amp``, for the device "cuda"."""

from __future__ import annotations

from .. import amp
from ..amp import custom_bwd, custom_fwd
from ..dtypes import dtype as dtype_type

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(amp.autocast):
    """``torch.autocast("cuda", ...)``."""

    def __init__(self, enabled: bool = True, dtype: dtype_type | None = None, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


class GradScaler(amp.GradScaler):
    """``torch.amp.GradScaler("cuda", ...)``."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
