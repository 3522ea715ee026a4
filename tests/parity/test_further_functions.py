"""Functions and layers of their own kinds: alignments, drawn windows, clusters of classes, counts, special functions."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch", reason="compared with torch (extra: parity)")

import numpy as np  # noqa: E402

import tinygrad_zth as zth  # noqa: E402

pytestmark = pytest.mark.parity


def both(call, *arrays, grad=(), rtol=1e-9):
    """Values and gradients of ``call(t, *tensors)`` in both libraries, compared."""
    found = []
    for t in (torch, zth):
        tensors = [t.tensor(a) for a in arrays]
        for i in grad:
            tensors[i].requires_grad_()
        t.manual_seed(5)
        result = call(t, *tensors)
        results = list(result) if isinstance(result, tuple) else [result]
        flat = [r for one in results for r in (one if isinstance(one, (tuple, list)) else [one])]
        if grad:
            sum((r * r).sum() for r in flat if r.requires_grad).backward()
        found.append(
            [r.detach().numpy() for r in flat] + [tensors[i].grad.numpy() for i in grad] + [t.get_rng_state().numpy()]
        )
    assert len(found[0]) == len(found[1])
    for a, b in zip(*found, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("seed", range(25))
def test_ctc_loss(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps, batch, classes, longest = rng.integers(2, 9), rng.integers(1, 4), rng.integers(2, 6), rng.integers(0, 4)
    blank = int(rng.integers(classes))
    inputs, targets = rng.integers(1, steps + 1, batch), rng.integers(0, longest + 1, batch)
    inputs = np.maximum(inputs, np.minimum(2 * targets + 1, steps))  # mostly with an alignment
    labels = rng.integers(0, classes, (batch, longest))
    labels = np.where(labels == blank, (labels + 1) % classes, labels)
    if rng.integers(2):
        labels = np.concatenate([row[:n] for row, n in zip(labels, targets)])
    how = str(rng.choice(["mean", "sum", "none"]))

    def call(t, x):
        logs = x.log_softmax(2)
        return t.nn.CTCLoss(blank, how, True)(logs, t.tensor(labels), t.tensor(inputs), t.tensor(targets))

    both(call, rng.standard_normal((steps, batch, classes)), grad=(0,))


def test_ctc_loss_without_an_alignment_or_a_batch() -> None:
    x = np.random.default_rng(0).standard_normal((2, 1, 3))
    both(lambda t, x: t.nn.functional.ctc_loss(x.log_softmax(2), t.tensor([[1, 1]]), [2], [2]), x)
    both(
        lambda t, x: t.nn.functional.ctc_loss(x.log_softmax(2), t.tensor([[1, 1]]), [2], [2], zero_infinity=True),
        x,
        grad=(0,),
    )
    both(
        lambda t, x: t.nn.functional.ctc_loss(
            x[:, 0].log_softmax(1), t.tensor([1]), t.tensor(2), t.tensor(1), reduction="none"
        ),
        x,
        grad=(0,),
    )
    for wrong in ([[5], [1]], [[2], [3]]):
        for t in (torch, zth):
            with pytest.raises(RuntimeError):
                t.nn.functional.ctc_loss(t.zeros(2, 1, 3), t.tensor([[1, 1]]), *wrong)


def test_ctc_loss_is_learned() -> None:
    """An aligner finds the two labels in a sequence that shows them."""
    zth.manual_seed(0)
    x = zth.randn(6, 4, 5)
    net = zth.nn.Sequential(zth.nn.Linear(5, 16), zth.nn.Tanh(), zth.nn.Linear(16, 4), zth.nn.LogSoftmax(-1))
    targets = zth.tensor([[1, 2], [2, 3], [3, 1], [1, 3]])
    optimizer = zth.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(60):
        loss = zth.nn.functional.ctc_loss(net(x), targets, [6] * 4, [2] * 4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    said = [
        [k for i, k in enumerate(row) if k and (not i or row[i - 1] != k)] for row in net(x).argmax(-1).t().tolist()
    ]
    assert said == targets.tolist()


@pytest.mark.parametrize("text", [
    "fractional_max_pool2d(x, 2, output_size=3)", "fractional_max_pool2d(x, (2, 3), output_ratio=(0.5, 0.6), return_indices=True)",
    "fractional_max_pool2d(x[0], 2, output_ratio=(0.7, 0.7))", "fractional_max_pool3d(x.unsqueeze(1), (1, 2, 2), output_size=(2, 3, 3), return_indices=True)",
])  # fmt: skip
def test_fractional_pooling(text: str) -> None:
    x = np.random.default_rng(1).standard_normal((2, 3, 7, 8))
    both(lambda t, x: eval(f"t.nn.functional.{text}", {"t": t, "x": x}), x, grad=(0,))


def test_fractional_pooling_layers() -> None:
    x = np.random.default_rng(1).standard_normal((2, 3, 6, 7, 8)).astype(np.float32)
    both(lambda t, x: t.nn.FractionalMaxPool3d(2, output_ratio=(0.5, 0.5, 0.4))(x), x, grad=(0,))
    both(lambda t, x: t.nn.FractionalMaxPool2d((2, 1), (3, 2))(x[0]), x, grad=(0,))
    for arguments in ({}, {"output_size": 2, "output_ratio": 0.5}, {"output_ratio": 2.0}):
        messages = []
        for t in (torch, zth):
            with pytest.raises(ValueError) as caught:
                t.nn.FractionalMaxPool2d(2, **arguments)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


@pytest.mark.parametrize("options", [{}, {"div_value": 2.0, "head_bias": True}])
def test_adaptive_log_softmax(options: dict) -> None:
    made = []
    for t in (torch, zth):
        t.manual_seed(3)
        layer = t.nn.AdaptiveLogSoftmaxWithLoss(16, 20, [4, 10], **options)
        x = t.randn(6, 16, requires_grad=True)
        target = t.tensor([0, 5, 11, 19, 3, 9])
        output, loss = layer(x, target)
        loss.backward()
        made.append([
            output.detach(), loss.detach(), x.grad, layer.log_prob(x).detach(), layer.predict(x), layer(x[0], target[0]).output.detach(),
            *(p.grad for p in layer.parameters()), *(p.detach() for p in layer.parameters()),
        ])  # fmt: skip
        with pytest.raises(RuntimeError, match=r"Target values should be in \[0, 19\], but values in range \[20, 39\]"):
            layer(x, target + 20)
        with pytest.raises(ValueError, match="cutoffs should be a sequence of unique, positive integers"):
            t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 4])
        assert repr(layer).startswith("AdaptiveLogSoftmaxWithLoss(\n  (head): Linear(in_features=16, out_features=6")
    for a, b in zip(*made, strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("rates", [[0.0, 0.5, 3.0, 9.99], [10.0, 25.5, 300.0], [[1.0, 40.0], [7.0, 1e5]]])
def test_poisson_draws_torchs_counts(rates: list) -> None:
    for kind in (np.float32, np.float64):
        both(lambda t, r: t.poisson(r.expand(40, *r.shape).contiguous()), np.asarray(rates, kind))
    for t in (torch, zth):
        with pytest.raises(RuntimeError, match="invalid Poisson rate"):
            t.poisson(t.tensor([-1.0]))


@pytest.mark.parametrize(
    "name", ["hann_window", "hamming_window", "blackman_window", "bartlett_window", "kaiser_window"]
)
def test_windows(name: str) -> None:
    for n in (0, 1, 2, 5, 16):
        for periodic in (True, False):
            both(
                lambda t, n=n, p=periodic: getattr(t, name)(n, p, dtype=t.float64),
                rtol=1e-6 if name == "kaiser_window" else 1e-12,
            )
            both(lambda t, n=n, p=periodic: getattr(t, name)(n, p), rtol=1e-6)
    for t in (torch, zth):
        with pytest.raises(RuntimeError):
            getattr(t, name)(-1)


def test_incomplete_gamma() -> None:
    rng = np.random.default_rng(2)
    a, x = rng.uniform(0.05, 30, 200), rng.uniform(0, 40, 200)
    a[:6], x[:6] = (0, 1, -1, 2, np.inf, 3), (1, 0, 1, np.inf, 2, -1)
    for name in ("igamma", "igammac"):
        both(lambda t, a, x, name=name: getattr(t, name)(a, x), a, x, rtol=1e-8)  # PyTorch is that far from SciPy
        both(lambda t, a, x, name=name: getattr(t, name)(a, x), a[6:], x[6:], grad=(1,), rtol=1e-8)
    both(lambda t, a, x: t.special.gammainc(a, x), a.astype(np.float32), x.astype(np.float32), rtol=2e-6)
    with pytest.raises(NotImplementedError, match="the derivative for 'self' is not implemented"):
        zth.igamma(zth.ones(1, requires_grad=True), zth.ones(1)).sum().backward()


@pytest.mark.parametrize("options", [
    {"bins": 3}, {"bins": [2, 4]}, {"bins": 3, "range": [-1.0, 1.0, 0.0, 2.0]}, {"bins": 2, "density": True}, {"bins": 2, "weight": True},
])  # fmt: skip
def test_histogramdd(options: dict) -> None:
    x, w = np.random.default_rng(3).standard_normal((50, 2)), np.random.default_rng(4).random(50)

    def call(t, x, w):
        named = {**options, **({"weight": w} if options.get("weight") else {})}
        return tuple(t.histogramdd(x, **named))

    both(call, x, w)
    both(
        lambda t, x, w: tuple(
            t.histogramdd(x, [t.tensor([-1.0, 0.0, 2.0]).double(), t.tensor([-2.0, 0.5, 1.0]).double()])
        ),
        x,
        w,
    )


def test_triangular_solve_and_lu() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((3, 3)) + 4 * np.eye(3), rng.standard_normal((3, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for options in ({}, {"upper": False}, {"transpose": True}, {"unitriangular": True}):
            both(lambda t, a, b, options=options: t.triangular_solve(b, a, **options), a, b)
        both(lambda t, a, b: t.lu(a)[:2], a, b)
    both(lambda t, a, b: t.linalg.lu_solve(*t.linalg.lu_factor(a), b), a, b, grad=(0, 1))
    for t in (torch, zth):
        with pytest.raises(RuntimeError, match=r"lu_factor: U\[2,2\] is zero"):
            t.linalg.lu_factor(t.ones(2, 2))


def test_norms_of_an_empty_batch() -> None:
    """No sample, no element to divide by: the shape, and a gradient of zero size."""
    for call in (
        lambda t, x: t.nn.functional.group_norm(x, 2), lambda t, x: t.nn.GroupNorm(2, 4)(x.float()), lambda t, x: t.nn.functional.layer_norm(x, (3,)),
        lambda t, x: t.nn.functional.instance_norm(x), lambda t, x: t.nn.functional.batch_norm(x, None, None, training=True),
    ):  # fmt: skip
        both(call, np.zeros((0, 4, 3)), grad=(0,))


@pytest.mark.parametrize(
    "name, shape",
    [("conv1d", (2, 2, 5)), ("conv2d", (2, 2, 5, 5)), ("conv_transpose1d", (2, 2, 5)), ("conv3d", (1, 2, 3, 3, 3))],
)
def test_convolutions_of_integers(name: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    for kind in (np.int64, np.int32, np.uint8):
        x, w = rng.integers(0, 5, shape).astype(kind), rng.integers(0, 5, (2, 2, *(2,) * (len(shape) - 2))).astype(kind)
        if kind is not np.int64 and "transpose" in name:
            for t in (torch, zth):
                with pytest.raises(NotImplementedError, match="slow_conv_transpose2d_out_cpu"):
                    getattr(t.nn.functional, name)(t.tensor(x), t.tensor(w))
        else:
            both(lambda t, x, w: getattr(t.nn.functional, name)(x, w), x, w)
            both(lambda t, x, w: getattr(t.nn.functional, name)(x, w[:, :1], groups=2), x, w)


def test_products_of_reflections() -> None:
    rng = np.random.default_rng(7)
    for shape in ((4, 3), (3, 3), (2, 4, 2)):
        a = rng.standard_normal(shape)
        both(lambda t, a: tuple(t.geqrf(a)), a)
        packed, tau = (x.numpy() for x in torch.geqrf(torch.tensor(a)))
        other = rng.standard_normal((*shape[:-2], shape[-2], 3))
        both(lambda t, a, tau: t.linalg.householder_product(a, tau), packed, tau, grad=(0, 1))
        both(lambda t, a, tau: t.orgqr(a, tau), packed, tau)
        for transpose in (False, True):
            both(lambda t, a, tau, o, x=transpose: t.ormqr(a, tau, o, True, x), packed, tau, other, grad=(2,))
            both(lambda t, a, tau, o, x=transpose: t.ormqr(a, tau, o.mT, False, x), packed, tau, other)


def test_retired_names_warn() -> None:
    for t in (torch, zth):
        for name in (
            "uniform",
            "normal",
            "constant",
            "eye",
            "dirac",
            "xavier_uniform",
            "xavier_normal",
            "kaiming_uniform",
            "kaiming_normal",
            "orthogonal",
        ):
            x = t.zeros(2, 2, 2) if name == "dirac" else t.zeros(2, 2)
            with pytest.warns(FutureWarning, match=f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`"):
                getattr(t.nn.init, name)(x, *((3.0,) if name == "constant" else ()))
        with pytest.warns(FutureWarning, match="is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`"):
            t.nn.utils.clip_grad_norm([t.zeros(1, requires_grad=True)], 1.0)
        with pytest.warns(UserWarning, match="torch.range is deprecated"):
            assert t.range(1, 4).tolist() == [1, 2, 3, 4]
        with (
            pytest.raises(RuntimeError, match="upper bound and lower bound inconsistent with step sign"),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            t.range(4, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both(lambda t: t.range(0, 1, 0.25, dtype=t.float64))


def test_a_layer_without_its_initialisation() -> None:
    for t in (torch, zth):
        t.manual_seed(1)
        before = t.get_rng_state()
        layer = t.nn.utils.skip_init(t.nn.Linear, 3, 4, bias=False)
        assert tuple(layer.weight.shape) == (4, 3) and t.equal(before, t.get_rng_state())
        with pytest.raises(RuntimeError, match="Module must support a 'device' arg"):
            t.nn.utils.skip_init(t.nn.ReLU)
        layer = t.nn.Linear(3, 2)
        wrapped = t.nn.DataParallel(layer)
        assert t.equal(wrapped(t.ones(1, 3)), layer(t.ones(1, 3))) and wrapped.module is layer


@pytest.mark.host  # on a device, printing names it
def test_datasets_in_a_row_and_side_by_side() -> None:
    seen = []
    for t in (torch, zth):
        data = t.utils.data

        class Numbers(data.IterableDataset):
            def __init__(self, n):
                self.n = n

            def __iter__(self):
                return iter(range(self.n))

            def __len__(self):
                return self.n

        chained = data.ChainDataset([Numbers(2), Numbers(3)])
        stacked, named = data.StackDataset([1, 2], "ab"), data.StackDataset(x=[1, 2], y=[3, 4])
        errors = []
        for wrong in ({"args": ()}, {"args": ([1], [1, 2])}, {"args": ([1],), "a": [1]}):
            arguments = wrong.pop("args")
            with pytest.raises(ValueError) as caught:
                data.StackDataset(*arguments, **wrong)
            errors.append(str(caught.value))
        converted = data.default_convert({"a": np.ones(2), "b": (1, "x"), "c": [np.float32(2)]})
        seen.append(
            (
                list(chained),
                len(chained),
                list(stacked[1]),
                named[0],
                len(named),
                errors,
                data.get_worker_info(),
                repr(converted),
            )
        )
    assert seen[0] == seen[1]


@pytest.mark.host  # PyTorch's choice on the CPU
@pytest.mark.parametrize("kind", [np.int64, np.float32])
def test_which_of_equal_elements_is_found(kind: type) -> None:
    """Rows from 1 to 1500 with few different values, some NaN: the indices of topk and kthvalue are PyTorch's."""
    rng = np.random.default_rng(6)
    for trial in range(120):
        n = int(rng.integers(1, (8, 40, 300, 1500)[trial % 4]))
        x = rng.integers(0, rng.integers(2, 12), (2, n)).astype(kind)
        if kind is np.float32 and trial % 3 == 0:
            x[rng.random(x.shape) < 0.2] = np.nan
        k = int(rng.integers(1, n + 1)) if trial % 2 else max(1, n // 64)
        for options in ({}, {"largest": False}, {"sorted": False}):
            assert (
                torch.topk(torch.tensor(x), k, **options).indices.tolist()
                == zth.topk(zth.tensor(x), k, **options).indices.tolist()
            )
        assert torch.tensor(x.T).kthvalue(k, 0).indices.tolist() == zth.tensor(x.T).kthvalue(k, 0).indices.tolist()
