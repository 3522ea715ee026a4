"""One launch over many tensors on a CUDA device: the launches of ``many_tensors.cu``.

Up to 128 tensors go in a launch (what a kernel's arguments, 4 KiB, can hold); more take one launch more for each 128.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..backends import backend_of
from ..backends.cuda_source import CudaSource, contiguous, number

__all__ = ["adam", "norm_of_all", "scale_all", "sgd", "unscale_all"]

SOURCE = CudaSource(__file__, "many_tensors.cu")
MANY, CHUNK, THREADS = 128, 4096, 256
_NONE = np.uintp(0)
_TENSORS = np.dtype(
    [("one", "i8", MANY), ("two", "i8", MANY), ("start", "i8", MANY), ("chunk", "i4", MANY + 1), ("count", "i4")],
    align=True,
)


def _launches(one: Sequence[Any], two: Sequence[Any] | None) -> Iterator[tuple[Any, int, int, int]]:
    """For each launch: where its tensors lie, their elements, those before them, and its blocks."""
    before = 0
    full = [i for i in range(len(one)) if one[i].size]
    for first in range(0, len(full), MANY):
        members = full[first : first + MANY]
        table = np.zeros((), _TENSORS)
        blocks = elements = 0
        for j, i in enumerate(members):
            table["one"][j] = one[i].data.ptr
            if two is not None:
                table["two"][j] = two[i].data.ptr
            table["start"][j], table["chunk"][j] = elements, blocks
            elements += one[i].size
            blocks += -(-one[i].size // CHUNK)
        table["chunk"][len(members)], table["count"] = blocks, len(members)
        yield table[()], elements, before, blocks
        before += elements


def _dense(xp: Any, tensors: Sequence[Any]) -> list[Any]:
    return [contiguous(t) for t in tensors]


def _apply(
    name: str, parameters: Sequence[Any], gradients: Sequence[Any], states: Sequence[Any], numbers: Sequence[Any]
) -> None:
    """A step's kernel on all parameters. ``states`` are flat, the parameters' one after the other, or None."""
    xp = backend_of(parameters[0]).xp
    kind = parameters[0].dtype.char
    gradients = _dense(xp, gradients)
    for table, elements, before, blocks in _launches(parameters, gradients):
        flat = [_NONE if s is None else s[before:] for s in states]
        SOURCE.launch(xp, name, kind, (blocks,), THREADS, (table, np.int64(elements), *flat, *numbers))


def adam(
    parameters: Sequence[Any], gradients: Sequence[Any], states: Sequence[Any], *, shrink: float, penalty: float, maximize: bool,
    beta1: float, beta2: float, rate: float, floor: float,
) -> None:  # fmt: skip
    """``optimizer_steps.adam`` on all parameters at once. ``states``: one flat array a state."""
    kind = parameters[0].dtype.char
    given = (shrink, penalty, -1.0 if maximize else 1.0, 1 - beta1, beta2, 1 - beta2, rate, floor)
    numbers = [number(v, kind) for v in given]
    _apply("adam", parameters, gradients, [*states, None][:3], numbers)


def sgd(
    parameters: Sequence[Any], gradients: Sequence[Any], states: Sequence[Any], *, penalty: float, maximize: bool, momentum: float,
    dampening: float, lr: float, nesterov: bool, first: bool,
) -> None:  # fmt: skip
    """``optimizer_steps.sgd`` on all parameters at once."""
    kind = parameters[0].dtype.char
    given = (penalty, -1.0 if maximize else 1.0, momentum, 1 - dampening, lr)
    numbers = [*(number(v, kind) for v in given), np.int32(nesterov), np.int32(first)]
    _apply("sgd", parameters, gradients, [*states, None][:1], numbers)


def norm_of_all(tensors: Sequence[Any]) -> Any:
    """The 2-norm of all elements together, 0-d, of the tensors' dtype."""
    xp = backend_of(tensors[0]).xp
    kind = tensors[0].dtype
    tensors = _dense(xp, tensors)
    launches = list(_launches(tensors, None))
    total = sum(blocks for *_, blocks in launches)
    if not total:
        return xp.zeros((), kind)
    sums = xp.empty(total, np.float32 if kind.char == "e" else kind)
    norm, ticket, offset = xp.empty((), kind), xp.zeros((), np.int32), 0
    for table, elements, _, blocks in launches:
        arguments = (table, np.int64(elements), sums, np.int32(offset), np.int32(total), ticket, norm)
        SOURCE.launch(xp, "norm_of_all", kind.char, (blocks,), THREADS, arguments)
        offset += blocks
    return norm


def scale_all(tensors: Sequence[Any], norm: Any, most: float) -> None:
    """Each tensor, in place, times most / (norm + 1e-6) where that is below 1. They must be contiguous."""
    xp = backend_of(norm).xp
    kind = tensors[0].dtype.char
    for table, elements, _, blocks in _launches(tensors, None):
        arguments = (table, np.int64(elements), norm, number(most, kind))
        SOURCE.launch(xp, "scale_all", kind, (blocks,), THREADS, arguments)


def unscale_all(tensors: Sequence[Any], by: float, found: Any) -> None:
    """Each tensor, in place, times ``by``; ``found`` (0-d, float32) becomes 1 if a number was infinite or NaN. They must be
    contiguous and of one dtype."""
    xp = backend_of(found).xp
    for table, elements, _, blocks in _launches(tensors, None):
        arguments = (table, np.int64(elements), found, np.float32(by))
        SOURCE.launch(xp, "unscale_all", tensors[0].dtype.char, (blocks,), THREADS, arguments)
