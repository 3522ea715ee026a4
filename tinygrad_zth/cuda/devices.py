"""Which devices there are, which one is in use, and what they are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ..backends import backend_for
from ..backends.cupy_backend import device_count
from ..device import device as device_type

__all__ = [
    "backend",
    "can_device_access_peer",
    "current_device",
    "device",
    "device_of",
    "get_arch_list",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "index_of",
    "init",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "on",
    "set_device",
    "synchronize",
]


def backend(where: Any = None) -> Any:
    """The backend of a device (None: "cuda"; an int is an index). Raises RuntimeError if there is none."""
    return backend_for(_device(where))


def _device(where: Any) -> device_type:
    return device_type("cuda") if where is None else device_type(where)


def index_of(where: Any = None) -> int:
    """The index of a device; of the one in use, for None or "cuda". Raises ValueError for the CPU."""
    found = _device(where)
    if found.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {found}")
    return backend(found).current() if found.index is None else found.index


def on(where: Any = None) -> Any:
    """A context in which a device is in use."""
    return backend(where).on(device_type("cuda", index_of(where)))


def is_available() -> bool:
    """Whether ``.to("cuda")`` can work here. Never raises."""
    return device_count() > 0


def init() -> None:
    """Load CuPy. Raises RuntimeError saying what is missing."""
    backend()


def is_initialized() -> bool:
    """Whether a device has been used or can be."""
    return is_available()


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Always False: NumPy has no bfloat16."""
    return False


def synchronize(device: Any = None) -> None:
    """Wait for all work on a device, and raise what its kernels found: IndexError for an index out of range."""
    backend(device).synchronize(device_type("cuda", index_of(device)))


def current_device() -> int:
    """The index of the device in use. Raises RuntimeError if there is none."""
    return index_of()


def set_device(device: Any) -> None:
    """Use this device for what follows, in this thread. Raises RuntimeError if it does not exist."""
    backend(device).use(index_of(device))


class device:
    """``with torch.cuda.device(1):`` the device in use inside. None or a negative index changes nothing."""

    def __init__(self, device: Any) -> None:
        keeps = device is None or (isinstance(device, int) and device < 0)
        self.idx = -1 if keeps else index_of(device)
        self._context: Any = None

    def __enter__(self) -> None:
        if self.idx >= 0:
            self._context = on(self.idx)
            self._context.__enter__()

    def __exit__(self, *error: Any) -> None:
        if self._context is not None:
            self._context.__exit__(*error)


class device_of(device):
    """``with torch.cuda.device_of(tensor):`` the tensor's device in use inside."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.device.index if obj.is_cuda else -1)


def get_device_properties(device: Any = None) -> SimpleNamespace:
    """name, major, minor, total_memory, multi_processor_count, warp_size, max_threads_per_block of a device."""
    index = index_of(device)  # refuses the CPU
    found = backend(device).xp.cuda.runtime.getDeviceProperties(index)
    name = found["name"]
    return SimpleNamespace(
        name=name.decode() if isinstance(name, bytes) else name,
        major=found["major"],
        minor=found["minor"],
        total_memory=found["totalGlobalMem"],
        multi_processor_count=found["multiProcessorCount"],
        warp_size=found["warpSize"],
        max_threads_per_block=found["maxThreadsPerBlock"],
    )


def get_device_name(device: Any = None) -> str:
    """The device's name."""
    return str(get_device_properties(device).name)


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Its compute capability, (major, minor)."""
    found = get_device_properties(device)
    return found.major, found.minor


def get_arch_list() -> list[str]:
    """What kernels are compiled for: the devices that are there, since they are compiled when they are needed."""
    return sorted({f"sm_{a}{b}" for a, b in (get_device_capability(i) for i in range(device_count()))})


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """Whether one device can read another's memory."""
    return bool(backend(device).xp.cuda.runtime.deviceCanAccessPeer(index_of(device), index_of(peer_device)))
