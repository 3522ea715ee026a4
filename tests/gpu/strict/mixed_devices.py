"""Tensors of two devices are PyTorch's error, for every function that takes two; and a result lies where its operands do.

Run by ``test_strict.py``: ``pytest --device=strict tests/gpu/strict/mixed_devices.py``. The calls are those that the tables
of the proofs and of the parity tests draw. Of each, one tensor with a dimension after the other is put on the device
beside the host's others, and left on the host beside the device's; what is refused has written nothing.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the parity tables need torch (extra: parity)")

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import tinygrad_zth as torch
from tests.parity.one_call import T, cases, made, variants
from tests.parity.test_nn_functional_parity import TABLES as LAYER_TABLES
from tests.parity.test_tables import ROWS
from tests.properties.proofs import Example
from tests.properties.source import Source
from tests.properties.table import case_of, operations

# Functions that PyTorch lets mix, any of their tensors.
FREE = {
    **dict.fromkeys(("expand_as", "view_as", "reshape_as", "resize_as_", "is_same_size"), "the other lends its shape alone"),
    **dict.fromkeys(("type_as", "result_type"), "the other lends its dtype, or where it lies"),
    **dict.fromkeys(("atleast_1d", "atleast_2d", "atleast_3d", "broadcast_tensors"), "a view of each, and nothing computed"),
    **dict.fromkeys(("select_scatter", "slice_scatter", "diagonal_scatter", "as_strided_scatter"), "copied in, as copy_ does"),
    "tensor_split": "the host cuts at the places it is given",
    "nn.functional.ctc_loss": "labels and lengths are brought to where they are needed",
}  # fmt: skip
INDEX = {
    "index_put": 1,
    "Tensor.__setitem__": 1,
}  # the place of an index, which may lie on the host beside tensors of the device

# Operations that no user calls, but functions that have looked at their tensors, or made them themselves.
INTERNAL = {
    **dict.fromkeys(("bernoulli", "normal", "poisson"), "gives what was drawn, beside what it was drawn for"),
    **dict.fromkeys(("max_along", "min_along"), "takes the indices that it was found at"),
    **dict.fromkeys(("scatter", "scatter_add", "scatter_amax", "scatter_amax_alone", "scatter_amin", "scatter_amin_alone"), "an index that scatter has placed"),
    **dict.fromkeys(("shares", "signed_shares", "linear_recurrence"), "part of a gradient"),
    "cross_entropy": "the function of this name looks at the weights",
}  # fmt: skip


def _f(*shape: int) -> np.ndarray:
    return np.linspace(0.1, 0.9, int(np.prod(shape))).reshape(shape)


def _i(*values: Any) -> np.ndarray:
    return np.asarray(values)


SQUARE = _f(2, 2) + 2 * np.eye(2)
POLYNOMIALS = [n for n in torch.special.__all__ if "polynomial" in n]
# Calls of functions that no table draws, by their names: (arguments, keywords).
BY_HAND: dict[str, tuple[tuple, dict]] = {
    "batch_norm": ((_f(2, 3), _f(3), _f(3), _f(3), _f(3), True, 0.1, 1e-5, False), {}),
    "instance_norm": ((_f(2, 3, 4), _f(3), _f(3), _f(3), _f(3), True, 0.1, 1e-5, False), {}),
    "layer_norm": ((_f(2, 3), (3,), _f(3), _f(3)), {}), "group_norm": ((_f(2, 4, 3), 2, _f(4), _f(4)), {}),
    "embedding": ((_f(4, 3), _i(1, 2)), {}), "clamp_max": ((_f(3), _f(3)), {}), "clamp_min": ((_f(3), _f(3)), {}),
    "diff": ((_f(4), 1, -1, _f(1), _f(2)), {}), "cov": ((_f(2, 4),), {"fweights": _i(1, 2, 1, 1), "aweights": _f(4)}),
    "gradient": ((_f(4),), {"spacing": (_f(4),)}), "ldexp": ((_f(3), _f(3)), {}), "gcd_": ((_i(4, 6), _i(2, 3)), {}),
    "lcm_": ((_i(4, 6), _i(2, 3)), {}), "histogram": ((_f(4), _f(3)), {"weight": _f(4)}),
    "histogramdd": ((_f(4, 2), (_f(3), _f(3))), {"weight": _f(4)}), "tensor_split": ((_f(4), _i(1, 2)), {}),
    "index_reduce": ((_f(3), 0, _i(0, 2), _f(2), "prod"), {}), "normal": ((_f(3), _f(3)), {}),
    "linalg.householder_product": ((_f(3, 2), _f(2)), {}), "orgqr": ((_f(3, 2), _f(2)), {}),
    "ormqr": ((_f(3, 2), _f(2), _f(3, 2)), {}), "linalg.lstsq": ((_f(3, 2), _f(3, 1)), {}),
    "triangular_solve": ((_f(2, 1), SQUARE), {}), "svd_lowrank": ((_f(3, 3), 2, 2, _f(3, 3)), {}),
    "nn.functional.embedding_bag": ((_i(0, 1, 2), _f(4, 3), _i(0, 2)), {"mode": "sum", "per_sample_weights": _f(3)}),
    **{f"nn.functional.fractional_max_pool{n}d": ((_f(1, 1, *[4] * n), 2, 2), {"_random_samples": _f(1, 1, n)}) for n in (2, 3)},
    **{f"nn.functional.fractional_max_pool{n}d_with_indices": ((_f(1, 1, *[4] * n), 2, 2), {"_random_samples": _f(1, 1, n)}) for n in (2, 3)},
    "nn.functional.linear_cross_entropy": ((_f(2, 3), _f(4, 3), _i(0, 3)), {}),
    "nn.functional.scaled_dot_product_attention": ((_f(1, 2, 3), _f(1, 2, 3), _f(1, 2, 3), _f(2, 2)), {}),
    "nn.functional.multi_head_attention_forward": (
        (_f(3, 1, 4), _f(3, 1, 4), _f(3, 1, 4), 4, 2, _f(12, 4), _f(12), None, None, False, 0.0, _f(4, 4), _f(4)), {},
    ),
    **{f"special.{n}": ((_f(3), _i(1, 2, 3)), {}) for n in POLYNOMIALS},
    **{f"Tensor.{n}": ((_f(3), _f(3)), {}) for n in ("fmod_", "atan2_", "__add__", "__rsub__", "__eq__", "__itruediv__", "__pow__")},
    "Tensor.__matmul__": ((_f(2, 2), _f(2, 2)), {}), "Tensor.__contains__": ((_f(3), _f(3)), {}),
    "Tensor.__and__": ((_i(1, 2), _i(1, 2)), {}), "Tensor.__setitem__": ((_f(3), _i(0, 1), _f(2)), {}),
}  # fmt: skip
OTHERS = {  # of these functions no call can mix
    **dict.fromkeys(("arange", "fill", "fill_"), "their further tensors have no dimension"),
    **dict.fromkeys(("solve", "lstsq"), "retired: they always raise"),
}  # fmt: skip

OPERATIONS = {name: o for name, o in operations().items() if case_of(o) is not None}
FUNCTIONAL = {f"nn.functional.{name}": row for table in LAYER_TABLES for name, row in table.items()}
PER_NAME = 4  # drawn calls of which a mixture is looked at


# ---------------------------------------------------------------------------- one call


def leaves(value: Any) -> Iterator[Any]:
    """The tensors in arguments, or in a result."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for v in value.values() if isinstance(value, dict) else value:
            yield from leaves(v)


def mapped(value: Any, function: Callable, kind: type = torch.Tensor) -> Any:
    """Arguments with each tensor (what is of ``kind``) as ``function`` makes it."""
    if isinstance(value, kind):
        return function(value)
    if isinstance(value, dict):
        return {k: mapped(v, function, kind) for k, v in value.items()}
    if type(value) in (tuple, list):
        return type(value)(mapped(v, function, kind) for v in value)
    return value


def mixtures(given: Any) -> Iterator[tuple[int, str, Any]]:
    """(which tensor is apart, where the others are, the arguments), for each tensor with a dimension."""
    large = [t.dim() > 0 for t in leaves(given)]
    for alone in [i for i, is_large in enumerate(large) if is_large] if sum(large) > 1 else []:
        for others, apart in (("cpu", "cuda"), ("cuda", "cpu")):
            place = iter(range(len(large)))

            def moved(t: Any, place=place, alone=alone, others=others, apart=apart) -> Any:
                return t.detach().to(apart if next(place) == alone else others, copy=True)

            yield alone, others, mapped(given, moved)


def state(given: Any) -> list:
    return [(str(t.device), t._version, t.cpu().numpy().tobytes()) for t in leaves(given)]


def quietly(call: Callable, args: tuple, kwargs: dict) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*args, **kwargs)


def looked_at(name: str, call: Callable, args: tuple, kwargs: dict, inner: bool = False) -> bool:
    """Assert that each mixture of these arguments is refused (or none, of FREE). Whether there was one."""
    given = mapped((args, kwargs), lambda t: t.detach())
    try:
        quietly(call, *mapped(given, lambda t: t.clone()))
    except Exception:
        return False  # a call that is refused on one device says nothing of two
    there = mapped(given, lambda t: t.to("cuda"))
    if not inner and list(leaves(given)) and "device" not in kwargs:
        found = quietly(call, *there)
        away = [str(t.device) for t in leaves(found) if t.device.type != "cuda"]
        assert not away, f"{name}{there} puts its result on {away}"
    seen = False
    for alone, others, mixed in mixtures(given):
        seen, before = True, state(mixed)
        if (not inner and name in FREE) or (INDEX.get(name) == alone and others == "cuda"):
            quietly(call, *mixed)
            continue
        with pytest.raises(RuntimeError, match="same device"):
            quietly(call, *mixed)
            pytest.fail(f"{name} takes tensor {alone} apart from the others, on {others}: {mixed}")
        assert state(mixed) == before, f"{name} was refused, and has written"
    return seen


def drawn(strategy: st.SearchStrategy, look: Callable[[Any], bool]) -> int:
    """How many of the drawn calls had a mixture."""
    found = 0

    @settings(
        max_examples=60, database=None, derandomize=True, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def run(one: Any) -> None:
        nonlocal found
        if found < PER_NAME:
            with torch.device("cpu"):
                found += look(one)

    run()
    return found


# ---------------------------------------------------------------------------- which functions


def takes_two(function: Any) -> bool:
    """Whether a signature names two tensors, or a list of them."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    kinds = [(p.kind, str(p.annotation)) for p in parameters if p.name != "out" and "Tensor" in str(p.annotation)]
    return len(kinds) > 1 or any(kind is inspect.Parameter.VAR_POSITIONAL or "[Tensor" in text for kind, text in kinds)


def public() -> dict[str, Any]:
    """The public functions that take two tensors, by name."""
    found = {}
    for prefix in ("", "linalg.", "special.", "nn.functional."):
        space: Any = torch
        for part in prefix.split(".")[:-1]:
            space = getattr(space, part)
        for name in dir(space):
            function = getattr(space, name, None)
            if inspect.isroutine(function) and not name.startswith("_") and takes_two(function):
                found[prefix + name] = function
    return found


def named(name: str) -> Any:
    found: Any = torch
    for part in name.split("."):
        found = getattr(found, part)
    return found


PUBLIC = public()


def test_every_function_of_two_tensors_is_here():
    assert len(PUBLIC) > 200
    known = {id(named(n)) for n in (*ROWS, *FUNCTIONAL, *BY_HAND, *FREE, *OTHERS) if hasattr(torch, n.split(".")[0])}
    known |= {id(o.apply) for o in OPERATIONS.values()}
    assert not [name for name, function in PUBLIC.items() if id(function) not in known]


# ---------------------------------------------------------------------------- the calls


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row(name: str):
    for what, _, call, in_place in variants(name):
        if call is None:
            continue

        def look(case: Any, what=what, call=call) -> bool:
            if what.startswith("Tensor") and not isinstance(case.args[0], T):
                return False
            return looked_at(name, call, made(case.args, torch), made(case.kwargs, torch))

        count = drawn(cases(ROWS[name]), look)
        assert count or in_place or what.startswith("Tensor") or name not in PUBLIC or name in {**BY_HAND, **OTHERS}


@pytest.mark.parametrize("name", sorted(FUNCTIONAL))
def test_a_function_of_layers(name: str):
    def look(arguments: Any) -> bool:
        return looked_at(name, named(name), *mapped(arguments, torch.tensor, np.ndarray))

    assert drawn(FUNCTIONAL[name].arguments, look) or name not in PUBLIC


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_a_call_by_hand(name: str):
    with torch.device("cpu"):
        assert looked_at(name, named(name), *mapped(BY_HAND[name], torch.tensor, np.ndarray))


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - set(INTERNAL)))
def test_an_operation(name: str):
    for seed in range(20):
        with torch.device("cpu"):
            example = Example(OPERATIONS[name], case_of(OPERATIONS[name]), Source.seeded(seed))
            args = tuple(torch.tensor(a) if t else a for a, t in zip(example.arguments, example.tensor, strict=True))
            if all(t.numel() for t in leaves(args)):  # a kernel that has nothing to do looks at nothing
                looked_at(name, example.function, args, {}, inner=True)
