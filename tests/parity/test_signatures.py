"""Functions and methods take PyTorch's arguments: the same names in the same order, the same ones by keyword only."""

from __future__ import annotations

import inspect

import pytest

torch = pytest.importorskip("torch", reason="signatures are compared with torch's schemas (extra: parity)")

import tinygrad_zth as zth  # noqa: E402

pytestmark = pytest.mark.parity

# What the schema of the C++ operator calls otherwise than the Python function, or a list given by a star.
OTHER = {
    "Generator", "Size", "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes", "broadcast_tensors", "cartesian_prod",
    "chain_matmul", "einsum", "initial_seed", "meshgrid", "save", "seed", "set_grad_enabled", "split", "tensor_split", "hsplit", "vsplit", "dsplit",
    "unsafe_split", "tensordot", "searchsorted", "polygamma", "to", "sum_to_size", "resize_", "resize", "resize_as",
    # the first argument has another name, and answers to PyTorch's too (det(input=...))
    "det", "inverse", "matrix_exp", "matrix_power", "cholesky_inverse", "cholesky_solve", "detach_", "fill_", "zero_", "resize_as_",
    # of nn.functional here
    "rrelu", "rrelu_",
}  # fmt: skip
LEFT_OUT = ("layout", "device", "pin_memory", "names")


def schemas() -> dict[str, list]:
    found: dict[str, list] = {}
    for schema in torch._C._jit_get_all_schemas():
        dimnames = any("Dimname" in str(a.type) for a in schema.arguments)
        if schema.name.startswith("aten::") and "out" not in schema.overload_name and not dimnames:
            found.setdefault(schema.name.removeprefix("aten::"), []).append(schema)
    return found


SCHEMAS = schemas()
NAMES = [
    (kind, name)
    for kind, theirs, ours in (("torch", torch, zth), ("Tensor", torch.Tensor, zth.Tensor))
    for name in sorted(SCHEMAS)
    if not name.startswith("_") and name not in OTHER and hasattr(theirs, name) and hasattr(ours, name)
]


@pytest.mark.parametrize(("kind", "name"), NAMES, ids=lambda x: x)
def test_takes_the_same_arguments(kind: str, name: str) -> None:
    try:
        parameters = inspect.signature(getattr(zth if kind == "torch" else zth.Tensor, name)).parameters.values()
    except (TypeError, ValueError):
        return  # an attribute
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return  # takes several forms; the tables call them
    all_names = [p.name for p in parameters]
    by_position = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)]
    complaints = []
    for schema in SCHEMAS[name]:
        wanted = ["input" if a.name == "self" else a.name for a in schema.arguments if a.name not in LEFT_OUT]
        ordered = ["input" if a.name == "self" else a.name for a in schema.arguments if not a.kwarg_only]
        skip = 1 if kind == "Tensor" else 0  # the tensor itself, whose name nobody writes
        missing = [w for w in wanted[skip:] if w not in all_names]
        if not missing and ordered[skip:] == by_position[skip : len(ordered)]:
            return
        complaints.append(f"{schema}: missing {missing}, by position {by_position}")
    raise AssertionError("\n".join(complaints))
