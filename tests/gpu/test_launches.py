"""What a training step asks of the device: launches, copies and waits, counted by the simulated device and bounded."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zth as torch
from models import gpt
from tinygrad_zth import nn
from tinygrad_zth.backends import transfers
from tinygrad_zth.fused.bias_activation import bias_activation
from tinygrad_zth.nn import functional as F

from .simulated import device as simulated_device
from .test_training import MODELS

LAYERS = 2


@pytest.fixture(params=[0.0, 0.1], ids=lambda p: f"dropout {p}")
def dropout(request):
    return request.param


@pytest.fixture
def step(only_simulated, dropout):
    """A GPT's training step, run twice: what is made once (kernels, states) is made."""
    torch.manual_seed(0)
    config = gpt.GPTConfig(
        vocab_size=13, block_size=8, n_layer=LAYERS, n_head=2, n_embd=8, dropout=dropout, bias=True, tie_weights=False
    )
    model = gpt.GPT(config).to("cuda")
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    rng = np.random.default_rng(0)
    x, y = (torch.tensor(rng.integers(0, 13, (2, 8)), device="cuda") for _ in range(2))

    def run():
        _, loss = model(x, y)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss, norm

    run()
    run()
    return run


def test_a_training_step_neither_copies_nor_waits(step):
    before = dict(transfers)
    with simulated_device.counted() as seen:
        loss, _ = step()
    assert dict(transfers) == before
    assert not {k: n for k, n in seen.items() if k in ("copyH2D", "copyD2H") or "ynchronize" in k}
    with simulated_device.counted() as seen:  # the requested loss: one copy, one wait
        loss.item()
    assert seen["copyD2H"] == 1 and transfers["to_host"] - before.get("to_host", 0) == 1


@pytest.mark.parametrize("name", MODELS)
def test_no_models_step_copies_or_waits(only_simulated, name):
    """Forward, backward, clipping and the optimiser of every model, on a batch that is on the device."""
    build, batch = MODELS[name]
    torch.manual_seed(0)
    model = build().to("cuda")
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    given = [torch.tensor(a, device="cuda") for a in batch(np.random.default_rng(1))]

    def step():
        _, loss = model(*given)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    step()
    step()
    before = dict(transfers)
    with simulated_device.counted() as seen:
        step()
    assert dict(transfers) == before
    assert not {k: n for k, n in seen.items() if k in ("copyH2D", "copyD2H") or "ynchronize" in k}


WITHOUT_WAITING = {
    "max_pool1d": lambda x: F.max_pool1d(x[0], 2),
    "max_pool2d": lambda x: F.max_pool2d(x, 3, padding=1),
    "max_pool2d and where": lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
    "grid_sample": lambda x: F.grid_sample(x, x[:, 0, :3, :2].unsqueeze(1), align_corners=False),
    "grid_sample bicubic": lambda x: F.grid_sample(x, x[:, 0, :3, :2].unsqueeze(1), "bicubic", align_corners=True),
    "gaussian_nll_loss": lambda x: F.gaussian_nll_loss(x, x.detach(), x.detach().abs() + 1),
    "index_fill": lambda x: x.index_fill(1, torch.zeros(3, dtype=torch.long, device="cuda"), 2.0),
    "index_fill by a tensor": lambda x: x.index_fill(-1, torch.zeros(3, dtype=torch.long, device="cuda"), x[0, 0, 0, 0]),
    "take_along_dim": lambda x: torch.take_along_dim(x, torch.zeros(2, 3, 4, 1, dtype=torch.long, device="cuda") - 2, 3),
    "scatter_reduce": lambda x: x.scatter_reduce(1, torch.zeros(2, 3, 4, 4, dtype=torch.long, device="cuda"), x, "amax"),
    "max of all": lambda x: x.max(),
    "integers": lambda x: x * (torch.ones(4, dtype=torch.long, device="cuda") // 2) ** torch.ones(4, dtype=torch.long, device="cuda"),
    "floor division": lambda x: x + x.detach() // 0.3,
}  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT_WAITING)
def test_no_result_is_waited_for(only_simulated, name):
    x = torch.randn(2, 3, 4, 4, device="cuda", requires_grad=True)
    with simulated_device.counted() as seen:
        WITHOUT_WAITING[name](x).sum().backward()
    assert not seen["copyD2H"] and not any("ynchronize" in k for k in seen), seen
    assert x.grad is not None


def test_a_mask_without_a_hint_is_not_looked_at(only_simulated):
    """A transformer that is not told whether its mask is the causal one: on the host it looks, a device would be waited for."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0)
    encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
    mask, x = nn.Transformer.generate_square_subsequent_mask(5), torch.randn(5, 2, 8)
    expected = encoder(x, mask).detach().numpy()
    encoder, mask, x = encoder.to("cuda"), mask.to("cuda"), x.to("cuda")
    with simulated_device.counted() as seen:
        found = encoder(x, mask)
        found.sum().backward()
    assert not seen["copyD2H"] and not any("ynchronize" in k for k in seen), seen
    np.testing.assert_allclose(found.detach().cpu().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_what_is_wrong_is_said_when_a_result_is_looked_at(cuda):
    ones = torch.ones(3, device=cuda)
    for call, error, message in (
        (lambda: F.gaussian_nll_loss(ones, ones, -ones), ValueError, "var has negative entry/entries"),
        (lambda: ones.long() // ones.long().zero_(), RuntimeError, "ZeroDivisionError"),
        (lambda: ones.long() % torch.zeros((), dtype=torch.long, device=cuda), RuntimeError, "ZeroDivisionError"),
        (lambda: ones.index_fill(0, torch.tensor([3], device=cuda), 1.0), IndexError, "out of range"),
    ):
        result = call()
        with pytest.raises(error, match=message):
            result.tolist()
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        ones.long() // 0


def test_launches_of_a_training_step(step, dropout):
    """Written in plain array calls a layer makes 52 launches forward and 68 backward, and Adam 12 for each of 28 tensors
    (docs/gpu.md). The bounds here are what was counted when they were set: they may be lowered."""
    with simulated_device.counted() as seen:
        step()
    each, rest = (51, 19) if not dropout else (97, 21)
    assert seen["launch"] + seen["gemm"] <= each * LAYERS + rest, seen


@pytest.mark.parametrize("spoilt", [None, float("inf"), float("nan")])
def test_the_scaler_waits_once_a_step(only_simulated, spoilt):
    """However many parameters there are: unscaling is a launch for those of one dtype, and ``step`` reads what it found.
    The largest of them has several blocks, and one is not contiguous."""
    torch.manual_seed(0)
    values = [torch.randn(n) for n in (1, 31, 9000, 5)] + [
        torch.randn(3, 4),
        torch.randn(4, dtype=torch.float64),
        torch.ones(0),
    ]
    results, scales = [], []
    for place in ("cpu", "cuda"):
        parameters = [nn.Parameter(v.clone().to(place)) for v in values]
        optimizer = torch.optim.SGD(parameters, 0.1)
        scaler = torch.amp.GradScaler(place, init_scale=3.0)
        for p in parameters:
            p.grad = (p.detach() * 2 if p.ndim < 2 else p.detach().t().clone().t()) * 3
        if spoilt is not None:
            parameters[2].grad[8999] = spoilt
        if place == "cuda":
            torch.cuda.synchronize()
            before, copies = [p.grad._version for p in parameters], transfers["to_host"]
            with simulated_device.counted() as seen:
                scaler.unscale_(optimizer)
            assert not seen["copyD2H"] and not any("ynchronize" in k for k in seen), seen
            assert seen["launch"] <= 2 + 6, seen  # float32 and float64; array calls for what is not contiguous
            assert [p.grad._version for p in parameters] == [v + 1 for v in before]
            with simulated_device.counted() as seen:
                scaler.step(optimizer)
            assert seen["copyD2H"] <= 2 and transfers["to_host"] - copies <= 2, seen  # one for each dtype
            with simulated_device.counted() as seen:
                scaler.update()
            assert not seen, seen
        else:
            scaler.step(optimizer)
            scaler.update()
        results.append([t.detach().cpu().numpy() for p in parameters for t in (p, p.grad)])
        scales.append(scaler.get_scale())
    for here, there in zip(*results, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-6)
    assert scales == [3.0 if spoilt is None else 1.5] * 2


@pytest.mark.parametrize(
    ("use", "forward", "backward"),
    [
        (lambda x: nn.functional.softmax(x, -1), 1, 1),
        (lambda x: nn.functional.log_softmax(x, -1), 1, 1),
        (lambda x: nn.functional.layer_norm(x, (8,), torch.ones(8, device="cuda"), torch.ones(8, device="cuda")), 1, 1),
        (lambda x: nn.functional.gelu(x), 1, 1),
        (lambda x: bias_activation(x, torch.ones(8, device="cuda", requires_grad=True), "none"), 1, 1),
        (lambda x: nn.functional.dropout(x), 1, 1),
        (lambda x: nn.functional.scaled_dot_product_attention(x, x.detach(), x.detach(), is_causal=True), 1, 1),
        (
            lambda x: nn.functional.scaled_dot_product_attention(
                x, x.detach(), x.detach(), torch.ones(4, 4, device="cuda"), 0.1
            ),
            1,
            1,
        ),
        (lambda x: nn.functional.embedding(torch.zeros(3, dtype=torch.long, device="cuda"), x[0]), 1, 1),
        (lambda x: nn.functional.cross_entropy(x[0], torch.zeros(4, dtype=torch.long, device="cuda")), 1, 1),
        (lambda x: nn.functional.max_pool2d(x, 2), 1, 4),
        (lambda x: nn.functional.batch_norm(x[0], None, None, training=True), 1, 1),
    ],
    ids=[
        "softmax",
        "log_softmax",
        "layer_norm",
        "gelu",
        "bias and gelu",
        "dropout",
        "attention",
        "masked attention with dropout",
        "embedding",
        "cross_entropy",
        "max_pool",
        "batch_norm",
    ],
)
def test_a_fused_operation_is_one_launch_each_way(only_simulated, use, forward, backward):
    x = torch.randn(2, 4, 8, device="cuda", requires_grad=True)
    use(x)
    filled = ("cupy_fill", "cupy_copy")  # the arguments of the test, and zeros for the gradient of x[0]

    def launches(run):
        simulated_device.log = []
        result = run()
        names = [call[1] for call in simulated_device.log if call[0] == "launch" and not call[1].startswith(filled)]
        simulated_device.log = None
        return result, names

    y, names = launches(lambda: use(x))
    assert len(names) == forward, names
    g = torch.ones_like(y)
    _, names = launches(lambda: y.backward(g))
    assert len(names) == backward, names


@pytest.mark.parametrize("count", [1, 28, 128, 129])
def test_the_optimizer_is_one_launch_for_each_128_tensors(only_simulated, count):
    parameters = [nn.Parameter(torch.randn(3, device="cuda")) for _ in range(count)]
    optimizer = torch.optim.AdamW(parameters)
    for p in parameters:
        p.grad = torch.ones_like(p)
    optimizer.step()
    with simulated_device.counted() as seen:
        optimizer.step()
    assert dict(seen) == {"launch": -(-count // 128)}
    with simulated_device.counted() as seen:
        nn.utils.clip_grad_norm_(parameters, 1.0)
    assert seen["launch"] == 2 * -(-count // 128) and not seen["streamSynchronize"]
