"""Every operation of the tables on the device: its value and its gradients equal the CPU's.

The arguments are those of the property tests (``tests/properties``): an operation that is proved there is proved here.
"""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import tinygrad_zth as torch
from tests.gpu.simulated import device as simulated_device
from tests.properties.proofs import Example
from tests.properties.source import Source
from tests.properties.table import case_of, operations

ALL = {name: o for name, o in operations().items() if case_of(o) is not None}
# Forward or backward the host is waited for where it computes (``kernels=HOST``; docs/gpu.md), or a part of the operation or of its
# gradient is (by name here), and where the data are asked: a mask as an index (how many?), is there a zero?
BY_HOST = set(
    """eigenvalues eigenvectors left_singular_vectors linalg_cholesky linalg_det linalg_qr lu_lower lu_upper median median_index
    mode_index qr_q qr_r rank_index right_singular_vectors scatter_prod singular_values slogdet_sign to_device""".split()
)
ASKS = {"cumprod", "index_add", "index_select", "linalg_det", "prod"}


def may_wait(name: str) -> bool:
    """Whether the operation may make the host wait for the device."""
    return ALL[name].kernels.others.get("cupy") == "host" or name in BY_HOST | ASKS


FEW = 2  # examples of each; with --slow, MANY
MANY = 12


def _leaves(result):
    if isinstance(result, torch.Tensor):
        return [result]
    return [t for part in result for t in _leaves(part)] if isinstance(result, tuple | list) else []


def run(example: Example, device: str):
    """The results and the gradients of one call on a device, as NumPy arrays; and how often it was waited for (which the
    simulated device tells)."""
    with torch.device(device):
        with simulated_device.counted() as seen:
            outs, varied = _run(example, device)
        gradients = [t.grad.cpu().numpy() if t.grad is not None else None for t in varied]
        return [t.detach().cpu().numpy() for t in outs], gradients, seen["copyD2H"] + seen["deviceSynchronize"]


def _there(argument, device: str):
    """An argument on the device: a Tensor as a leaf, an array as one of the device's."""
    if isinstance(argument, torch.Tensor):
        return argument.detach().to(device)
    return torch.from_numpy(argument).to(device)._array if isinstance(argument, np.ndarray) else argument


def _run(example: Example, device: str):
    """The results, and the leaves with their gradients."""
    passed = [_there(t, device) for t in example.tensors(dtype=np.float32)]
    if example.operation.name == "to_device":
        passed[2] = torch.device(device)  # where it is brought from, and its gradient goes
    varied = [passed[i].requires_grad_() for i in example.differentiable]
    outs = _leaves(example.function(*passed))
    where = "cpu" if example.operation.name == "to_device" else device
    assert all(t.device.type == where for t in outs), [t.device for t in outs]
    total = None
    for i, t in enumerate(outs):
        if t.requires_grad:
            weights = np.random.default_rng(i).uniform(0.5, 1.5, tuple(t.shape)).astype("float32")
            part = (t * torch.tensor(weights, dtype=t.dtype, device=t.device)).sum()
            total = part if total is None else total + part
    if total is not None:
        total.backward()
    return outs, varied


def compare(name: str, seed: int, device: str) -> None:
    operation = ALL[name]
    case = case_of(operation)
    example = Example(operation, case, Source.seeded(zlib.crc32(name.encode()) % 10000 + seed))
    try:
        expected = run(example, "cpu")
    except NotImplementedError as error:
        pytest.skip(str(error))
    found = run(example, device)
    assert not found[2] or may_wait(name), f"{name} makes the host wait for the device"
    loose = 1e-5 if case.single is None else max(case.single, 1e-5)
    for mine, theirs in zip(found[0] + found[1], expected[0] + expected[1], strict=True):
        if theirs is None:
            assert mine is None
            continue
        assert mine.dtype == theirs.dtype and mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=loose, atol=1e-5, err_msg=repr(example))


@pytest.mark.parametrize("name", sorted(ALL))
def test_operation(cuda, name):
    for seed in range(FEW):
        compare(name, seed, cuda)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ALL))
def test_operation_on_many_examples(cuda, name):
    for seed in range(FEW, MANY):
        compare(name, seed, cuda)


F = torch.nn.functional
# Of an image or a volume (2, 4, 8, 8[, 8]) with n dimensions.
LAYERS_OF_IMAGES = {
    "max_pool": lambda x, n: getattr(F, f"max_pool{n}d")(x, 2),
    "max_pool and places": lambda x, n: getattr(F, f"max_pool{n}d")(x, 3, 2, 1, return_indices=True),
    "avg_pool": lambda x, n: getattr(F, f"avg_pool{n}d")(x, 2),
    "avg_pool without padding": lambda x, n: getattr(F, f"avg_pool{n}d")(x, 3, 2, 1, count_include_pad=False),
    "lp_pool": lambda x, n: getattr(F, f"lp_pool{n}d")(x, 2, 2),
    "adaptive_avg_pool to one": lambda x, n: getattr(F, f"adaptive_avg_pool{n}d")(x, 1),
    "adaptive_avg_pool to a divisor": lambda x, n: getattr(F, f"adaptive_avg_pool{n}d")(x, 4),
    "adaptive_avg_pool": lambda x, n: getattr(F, f"adaptive_avg_pool{n}d")(x, 3),
    "adaptive_max_pool": lambda x, n: getattr(F, f"adaptive_max_pool{n}d")(x, 3, return_indices=True),
    "conv": lambda x, n: getattr(F, f"conv{n}d")(x, torch.ones(3, 4, *[2] * n, device=x.device)),
    "batch_norm": lambda x, n: F.batch_norm(x, None, None, training=True),
    "group_norm": lambda x, n: F.group_norm(x, 2, torch.ones(4, device=x.device)),
}

ALSO_OF_VOLUMES = {
    "max_pool",
    "max_pool and places",
    "conv",
    "batch_norm",
    "group_norm",
}  # keep channels last, as PyTorch's


@pytest.mark.parametrize("name", LAYERS_OF_IMAGES)
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("last", [True, False], ids=["channels last", "channels first"])
def test_layers_of_images_lie_as_on_the_cpu(cuda, rng, name, n, last):
    image = rng.standard_normal((2, *[8] * n, 4)).astype("float32")
    found = {}
    for device in ("cpu", cuda):
        x = torch.tensor(image, device=device).movedim(-1, 1)
        results = _leaves(LAYERS_OF_IMAGES[name](x if last else x.contiguous(), n))
        found[device] = [(tuple(t.shape), t.stride()) for t in results]
    assert found[cuda] == found["cpu"]
    assert any(stride[1] == 1 for _, stride in found["cpu"]) == (
        last and (n == 2 or name in ALSO_OF_VOLUMES) or name.endswith("to one")
    )


# `sort` is stable, the others choose as the CPU's do (PyTorch's GPU as it happens).
BY_RANK = {
    "kthvalue": lambda x: x.kthvalue(3, 1), "kthvalue of rows": lambda x: x.kthvalue(2, 0, True), "topk": lambda x: x.topk(4, 1),
    "smallest": lambda x: x.topk(3, 0, largest=False), "topk in no order": lambda x: x.topk(3, 1, sorted=False),
    "sort": lambda x: x.sort(1), "descending": lambda x: x.sort(1, descending=True), "median": lambda x: x.median(1),
    "nanmedian": lambda x: x.nanmedian(0), "mode": lambda x: x.mode(1), "max": lambda x: x.max(1), "min": lambda x: x.min(0),
    "argmax": lambda x: (x.argmax(1),), "cummax": lambda x: x.cummax(1),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_RANK)
def test_of_equal_elements_that_of_the_cpu_is_found(cuda, rng, name):
    rows = [rng.integers(0, 3, (7, 9)).astype("float32")]
    if not name.endswith(("max", "min")):  # of several NaN, CuPy's argmax names any
        rows.append(np.where(rng.random((7, 9)) < 0.3, np.float32(np.nan), rows[0]))
    for x in map(torch.from_numpy, rows):
        for here, there in zip(BY_RANK[name](x), BY_RANK[name](x.to(cuda)), strict=True):
            np.testing.assert_array_equal(there.cpu().numpy(), here.numpy())
