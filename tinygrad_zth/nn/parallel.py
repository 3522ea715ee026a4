"""``torch.nn.parallel``: the wrappers that scripts put around a model. Here a model runs where its parameters are."""

from __future__ import annotations

from typing import Any

from .module import Module

__all__ = ["DataParallel", "DistributedDataParallel"]


class DataParallel(Module):
    """As PyTorch's without a GPU: calls ``module``, which is to be had as ``.module``."""

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = []
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """``module(*inputs, **kwargs)``."""
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """Needs processes that this package does not start: raises RuntimeError when constructed."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            "DistributedDataParallel: tinygrad_zth runs in one process and has no distributed package; use the "
            "module itself"
        )
