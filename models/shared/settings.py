"""Settings of a model or of a training run: a dataclass whose fields say what they accept.

The one description serves the check on construction, the command line's flags and their help, and
the settings kept in a checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


def setting(
    default: Any,
    help: str,
    *,
    at_least: float = -math.inf,
    below: float = math.inf,
    choices: tuple[str, ...] = (),
    hidden: bool = False,
) -> Any:
    """A field of a :class:`Settings`.

    default: its value where none is given; its type is the field's type.
    help: one line for ``--help``.
    at_least, below: the range of a number, the lower end included, the upper one not.
    choices: the words that a str may be.
    hidden: no flag on the command line; something else decides it (the data, say).
    """
    about = {
        "help": help,
        "at_least": at_least,
        "below": below,
        "choices": choices,
        "hidden": hidden,
    }
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class Settings:
    """Base of dataclasses made of :func:`setting` fields.

    Raises:
        TypeError: a value has another type than its default (an int may stand for a float).
        ValueError: a value is out of its range; the setting, the value and the range are named.
    """

    def __post_init__(self) -> None:
        for each in fields(self):
            value, kind, about = getattr(self, each.name), type(each.default), each.metadata
            if kind is float and type(value) is int:
                value = float(value)
                object.__setattr__(self, each.name, value)
            if type(value) is not kind:
                raise TypeError(f"{each.name}: expected {kind.__name__}, got {value!r}")
            if about["choices"] and value not in about["choices"]:
                known = ", ".join(about["choices"])
                raise ValueError(f"{each.name}: expected one of {known}, got {value!r}")
            if kind in (int, float) and not about["at_least"] <= value < about["below"]:
                raise ValueError(f"{each.name}: expected a number {_range(about)}, got {value}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The settings that ``asdict`` took apart.

        Raises:
            ValueError: a name is none of this class's; TypeError, ValueError: as on construction.
        """
        known = {each.name for each in fields(cls)}
        if strange := sorted(set(values) - known):
            raise ValueError(f"{cls.__name__} has no setting {', '.join(strange)}; it has {', '.join(sorted(known))}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values."""
        return asdict(self)


def _range(about: Mapping[str, Any]) -> str:
    low, high = about["at_least"], about["below"]
    if high == math.inf:
        return f"from {low:g} up"
    return f"below {high:g}" if low == -math.inf else f"from {low:g} to below {high:g}"


@dataclass(frozen=True)
class Preset:
    """A named size: what it changes in the model's and in the training's settings.

    about: one line for ``--help``.
    """

    about: str
    model: Mapping[str, Any]
    train: Mapping[str, Any]


def preset_named(presets: Mapping[str, Preset], name: str) -> Preset:
    """The preset of that name.

    Raises:
        ValueError: there is none; the known ones are listed.
    """
    if name not in presets:
        raise ValueError(f"unknown preset {name!r}; the known ones are {', '.join(presets)}")
    return presets[name]
