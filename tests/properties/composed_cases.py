"""Operations whose inputs or outputs are lists, which write their graph nodes by hand, and compositions."""

from __future__ import annotations

import numpy as np

import tinygrad_zth as torch

from .case import Case
from .source import Source


def _parts(s: Source):
    shapes, dim = s.choose(
        (
            (((2, 3), (1, 3)), 0), (((2, 1), (2, 2), (2, 1)), 1), (((3,), (0,), (2,)), 0), (((2, 2),), -1),
            (((0, 2), (1, 2)), 0),
        )
    )  # fmt: skip
    return *[s.floats(shape) for shape in shapes], dim


def _equal_parts(s: Source):
    shape, count, dim = s.choose(
        (((2, 3), 2, 0), ((2,), 3, 1), ((), 2, 0), ((2, 3), 2, 2), ((0,), 2, 0), ((1, 2), 1, -1))
    )
    return *[s.floats(shape) for _ in range(count)], dim


def _weighted(outputs):
    """The outputs as one row of numbers, each with a weight of its own; one output is left unused."""
    used = [o for i, o in enumerate(outputs) if i != 1 or len(outputs) == 2]
    return torch.cat([o.reshape(-1) * (i + 1) for i, o in enumerate(used)])


def _np_weighted(outputs):
    used = [o for i, o in enumerate(outputs) if i != 1 or len(outputs) == 2]
    return np.concatenate([o.reshape(-1) * (i + 1) for i, o in enumerate(used)])


def _split_arguments(s: Source):
    shape, sizes, dim = s.choose(
        (((4, 2), [1, 2, 1], 0), ((2, 5), [2, 2, 1], 1), ((3,), [1, 2], 0), ((3, 2), [0, 3, 0], 0))
    )
    return s.floats(shape), sizes, dim


def _np_split(x, sizes, dim):
    ends = np.cumsum(sizes)
    return [np.take(x, range(end - n, end), dim) for n, end in zip(sizes, ends, strict=True)]


def _unbind_arguments(s: Source):
    shape, dim = s.choose((((3, 2), 0), ((2, 3), 1), ((4,), 0), ((2, 3, 2), -1)))
    return s.floats(shape), dim


def _watched(x):
    """x behind the boundaries that a module with a backward hook has."""
    module = torch.nn.Identity()
    module.register_full_backward_hook(lambda module, grad_input, grad_output: None)
    return module(x)


CASES: dict[str, Case] = {
    "cat": Case(_parts, lambda *a: np.concatenate(a[:-1], a[-1]), call=lambda *a: torch.cat(list(a[:-1]), a[-1])),
    "stack": Case(_equal_parts, lambda *a: np.stack(a[:-1], a[-1]), call=lambda *a: torch.stack(list(a[:-1]), a[-1])),
    "module_boundary": Case(lambda s: (s.floats(s.shape()),), lambda x: x, call=_watched),
    "split": Case(
        _split_arguments, lambda x, sizes, dim: _np_weighted(_np_split(x, sizes, dim)),
        call=lambda x, sizes, dim: _weighted(torch.split(x, sizes, dim)),
    ),
    "unbind": Case(
        _unbind_arguments, lambda x, dim: _np_weighted(list(np.moveaxis(x, dim, 0))),
        call=lambda x, dim: _weighted(torch.unbind(x, dim)),
    ),
}  # fmt: skip
