"""``torch.cuda``: the devices there are, their memory, their queues. Without CuPy or a device, it says so.

Numbers on a device come from the host's stream, sent there, so that a seed gives the same tensors everywhere. Only dropout
makes its own, from a counter (``set_random_source``).
"""

from __future__ import annotations

from ..backends.cupy_backend import device_count
from ..backends.device_memory import OutOfMemoryError
from .devices import (
    can_device_access_peer,
    current_device,
    device,
    device_of,
    get_arch_list,
    get_device_capability,
    get_device_name,
    get_device_properties,
    init,
    is_available,
    is_bf16_supported,
    is_initialized,
    set_device,
    synchronize,
)
from .graphs import CUDAGraph, graph, is_current_stream_capturing
from .memory import (
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    memory_summary,
    reset_max_memory_allocated,
    reset_peak_memory_stats,
)
from .random import (
    get_random_source,
    get_rng_state,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_random_source,
    set_rng_state,
)
from .streams import Event, Stream, current_stream, default_stream, stream

__all__ = [
    "CUDAGraph", "Event", "OutOfMemoryError", "Stream", "can_device_access_peer", "current_device",
    "current_stream", "default_stream", "device", "device_count", "device_of", "empty_cache", "get_arch_list",
    "get_device_capability", "get_device_name", "get_device_properties", "get_random_source", "get_rng_state",
    "graph", "init", "initial_seed", "is_available", "is_bf16_supported", "is_current_stream_capturing",
    "is_initialized", "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_reserved",
    "mem_get_info", "memory_allocated", "memory_reserved", "memory_summary", "reset_max_memory_allocated",
    "reset_peak_memory_stats", "seed", "seed_all", "set_device", "set_random_source", "set_rng_state", "stream",
    "synchronize",
]  # fmt: skip
