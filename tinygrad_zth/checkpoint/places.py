"""What a structure that is written to a file may consist of, and how an error says where in it something stands."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Any

from ..tensor import Size

__all__ = ["SCALARS", "Place", "check_key", "items_of"]

SCALARS = (type(None), bool, int, float, complex, str, bytes)
"""What may be a key, by itself or in a tuple."""

_MAPPINGS = (dict, OrderedDict, Counter)
_SEQUENCES = (list, tuple, Size)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the structure a value is: one step further than its parent."""

    parent: Place | None = None
    step: Any = None

    def steps(self) -> list[Any]:
        """The keys and indices that lead here."""
        place, steps = self, []
        while place.parent is not None:
            steps.append(place.step)
            place = place.parent
        return steps[::-1]

    def __str__(self) -> str:
        return "the structure" + "".join(f"[{step!r}]" for step in self.steps())


def items_of(value: Any, place: Place) -> list[tuple[Any, Any]]:
    """The steps into a container and what they lead to. Raises TypeError if it is none of those that are stored."""
    kind = type(value)
    if kind in _MAPPINGS:
        return list(value.items())
    if kind in _SEQUENCES:
        return list(enumerate(value))
    raise TypeError(
        f"cannot store {place}: an object of type {kind.__module__}.{kind.__qualname__}. A "
        "checkpoint holds dict, OrderedDict, Counter, list, tuple, None, bool, int, float, "
        "complex, str, bytes, dtype, device, Size, tensors and arrays"
    )


def check_key(key: Any, place: Place) -> None:
    """Raises TypeError for a key that is neither a scalar nor a flat tuple of scalars."""
    if type(key) not in SCALARS and not (type(key) is tuple and all(type(part) in SCALARS for part in key)):
        raise TypeError(
            f"cannot store {place}: its key {key!r} is of type {type(key).__name__}; a key is None, "
            "bool, int, float, complex, str, bytes, or a tuple of these"
        )
