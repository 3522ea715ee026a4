"""Where a tensor lives: ``torch.device("cpu")``, ``torch.device("cuda:1")``."""

from __future__ import annotations

from typing import Any

__all__ = ["device", "get_default_device", "set_default_device"]

_KNOWN = ("cpu", "cuda")


class device:
    """A device type and, for CUDA, an index. Equal devices compare and hash equal.

    In a ``with`` statement, tensors made in the block are made there unless a function is told otherwise.

    Args:
        type: ``"cpu"``, ``"cuda"``, ``"cuda:0"``, another ``device``, or (as in PyTorch) an integer,
            which is a CUDA index.
        index: the device's index, when ``type`` does not carry one.

    Raises:
        RuntimeError: for an unknown device string, as PyTorch does.
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, type: str | int | device, index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        if not isinstance(type, str | int):
            raise TypeError(f"device() received an invalid combination of arguments - got ({type.__class__.__name__})")
        if isinstance(type, int):
            index, type = type, "cuda"
        kind, colon, number = str(type).partition(":")
        if kind not in _KNOWN:
            raise RuntimeError(f"Expected one of {', '.join(_KNOWN)} device type at start of device string: {type}")
        if colon:
            if index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: {type}"
                )
            if not number.isdecimal() or (len(number) > 1 and number[0] == "0"):
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(number)
        if index is not None and index < 0:
            raise RuntimeError(f"Device index must not be negative: {index}")
        self.type, self.index = kind, index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (f", index={self.index})" if self.index is not None else ")")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self) -> Any:
        return (device, (str(self),))

    def __enter__(self) -> device:
        _defaults.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _defaults.pop()


CPU = device("cpu")
_defaults: list[device | None] = [None]  # the one set, then those of the `with torch.device(...)` blocks we are in


def set_default_device(device_: device | str | int | None) -> None:
    """Make new tensors on this device from now on; None is the CPU again."""
    _defaults[0] = None if device_ is None else device(device_)


def default_device() -> device | None:
    """Where a tensor is made if nobody says where; None if nobody said anything, which is the CPU."""
    return _defaults[-1] or _defaults[0]


def get_default_device() -> device:
    """Where a tensor is made if nobody says where."""
    return default_device() or CPU


def placed(where: str | int | device | None) -> device:
    """``where`` as a device; for None, the default one."""
    return (default_device() or CPU) if where is None else device(where)
