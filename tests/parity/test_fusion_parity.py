"""A BatchNorm fused into the layer before it, spectral normalisation by a hook, SyncBatchNorm of one process."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="compared with torch (extra: parity)")

import tinygrad_zth as zth  # noqa: E402

from .snippets import same_in_both  # noqa: E402

pytestmark = pytest.mark.parity
LAYERS = [
    ("t.nn.Conv1d(4, 6, 3)", 6, (2, 4, 7), ()), ("t.nn.Conv2d(4, 6, 3, groups=2, bias=False)", 6, (2, 4, 5, 5), ()),
    ("t.nn.ConvTranspose2d(4, 6, 2)", 6, (2, 4, 3, 3), (True,)), ("t.nn.Conv3d(2, 3, 1)", 3, (2, 2, 2, 2, 2), ()),
    ("t.nn.Linear(4, 6)", 6, (5, 4), ()), ("t.nn.Linear(4, 6, bias=False)", 6, (5, 4), ()), ("t.nn.Linear(4, 6)", 1, (5, 4), ()),
]  # fmt: skip


# Of a norm without weight PyTorch's function for Linear makes a TypeError.
@pytest.mark.parametrize(
    ("text", "channels", "shape", "options", "affine"),
    [(*layer, a) for layer in LAYERS for a in (True, False) if a or "Linear" not in layer[0]],
)
def test_a_fused_layer_is_the_two_in_a_row(text, channels, shape, options, affine):
    found = []
    for t in (torch, zth):
        t.manual_seed(1)
        layer = eval(text)
        norm = getattr(t.nn, f"BatchNorm{max(len(shape) - 2, 1)}d")(channels, affine=affine)
        for parameter in norm.parameters():
            parameter.data.uniform_(0.5, 2)
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
        layer.eval(), norm.eval()
        layer.weight.requires_grad_(False)
        fuse = t.nn.utils.fuse_linear_bn_eval if "Linear" in text else t.nn.utils.fuse_conv_bn_eval
        fused = fuse(layer, norm, *options)
        assert type(fused) is type(layer) and fused is not layer
        x = t.randn(shape)
        out = fused(x)
        if channels != 1:
            np.testing.assert_allclose(out.detach().numpy(), norm(layer(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
        found.append((fused.weight, fused.bias, out))
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-4, atol=1e-5)
        assert ours.requires_grad == theirs.requires_grad


PROGRAMS = [
    "u = nn.utils; [kind(lambda: f()) for f in (lambda: u.fuse_conv_bn_eval(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2).eval()), lambda: u.fuse_conv_bn_eval(nn.Conv2d(1, 2, 1).eval(), nn.BatchNorm2d(2)), lambda: u.fuse_conv_bn_eval(nn.Conv2d(1, 2, 1).eval(), nn.BatchNorm2d(2, track_running_stats=False).eval()), lambda: u.fuse_linear_bn_eval(nn.Linear(1, 2).eval(), nn.BatchNorm1d(3).eval()), lambda: u.fuse_linear_bn_eval(nn.Linear(1, 2), nn.BatchNorm1d(2).eval()))]",
    "w, b = nn.utils.fuse_conv_bn_weights(t.ones(2, 1, 1, 1), None, t.tensor([0.5, 1.0]), t.tensor([1.0, 4.0]), 0.0, None, None); v, c = nn.utils.fuse_linear_bn_weights(t.ones(2, 3), t.ones(2), t.tensor([0.5, 1.0]), t.tensor([1.0, 4.0]), 0.0, t.tensor([2.0, 3.0]), t.tensor([1.0, 0.0])); [w, b, v, c]",
    # the older spectral_norm
    "m = nn.utils.spectral_norm(nn.Linear(3, 4), n_power_iterations=2); x = t.randn(2, 3); y = m(x); y.sum().backward(); z = m(x); m.eval(); [list(m.state_dict()), names(m), y, z, m(x), m(x), m.weight_orig.grad, m.weight_u, m.weight_v, m.weight.requires_grad]",
    "m = nn.utils.spectral_norm(nn.ConvTranspose2d(2, 3, 2)); y = m(t.randn(1, 2, 3, 3)); n = nn.utils.spectral_norm(nn.Conv1d(2, 3, 2), dim=1); [m.weight_u.shape, m.weight_v.shape, y, n(t.randn(1, 2, 4)), n.weight_u.shape]",
    "m = nn.utils.spectral_norm(nn.Linear(3, 4)); x = t.randn(2, 3); m(x); r = nn.utils.remove_spectral_norm(m); [r is m, list(m.state_dict()), m.weight, m(x), said(lambda: nn.utils.remove_spectral_norm(m)), type(m.weight).__name__]",
    "m = nn.Linear(3, 4); nn.utils.spectral_norm(m); [said(lambda: nn.utils.spectral_norm(m)), said(lambda: nn.utils.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)), kind(lambda: nn.utils.spectral_norm(nn.Linear(2, 2), 'nothing')), said(lambda: nn.utils.spectral_norm(nn.Linear(2, 2, bias=False), 'bias')), nn.utils.spectral_norm(nn.Linear(2, 3), 'bias').bias]",
    # SyncBatchNorm
    "m = nn.SyncBatchNorm(3); x = t.randn(4, 3, 2, 2); y = m(x); m.eval(); [m, y, m(x), m.running_mean, m.running_var, kind(lambda: m(t.ones(3))), kind(lambda: m(t.ones(2, 0)))]",
    "m = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, eps=1e-3, momentum=0.2), nn.Sequential(nn.BatchNorm2d(2, affine=False).eval())); n = nn.SyncBatchNorm.convert_sync_batchnorm(m); [str(n), n[1].weight is m[1].weight, n[2][0].training, list(n.state_dict()), n[1](t.randn(4, 3))]",
    # low rank
    "A = t.randn(7, 3, dtype=t.float64) @ t.randn(3, 5, dtype=t.float64); out = []\nfor B in (A, A.mT, t.stack([A, A * 2])):\n    u, s, v = t.svd_lowrank(B, q=4); out += [s, u @ s.diag_embed() @ v.mT - B, u.shape, v.shape]\nout",
    "A = t.randn(7, 3, dtype=t.float64) @ t.randn(3, 5, dtype=t.float64) + 1; u, s, v = t.pca_lowrank(A); p = t.pca_lowrank(A, 2, center=False, niter=1); w = t.svd_lowrank(A, 3, 2, t.ones(1, 5, dtype=t.float64).expand(7, 5)); [s, (u * s) @ v.mT, p[1].shape, (p[0] * p[1]) @ p[2].mT, w[1], [kind(lambda: t.pca_lowrank(A, *q)) for q in ((9,), (-1,), (2, True, -1))]]",
    # what is left of retired functions
    "x = t.ones(2, 2); import_ = warnings.simplefilter('ignore'); [kind(lambda: f()) for f in (lambda: x.lstsq(x), lambda: x.solve(x), lambda: x.symeig(), lambda: t.lstsq(x, x), lambda: t.solve(x, x), lambda: t.symeig(x), lambda: x.lstsq(), lambda: x.resize(4), lambda: x.resize([4, 1]), lambda: x.resize(3), lambda: x.resize_as(t.ones(4, 1)), lambda: x.resize_as(t.ones(3)), lambda: t.autograd.variable(x))]",
    "x = t.tensor([[1.0, 2.0]]); y = x.clone(); r = y.map2_(t.tensor([3.0, 4.0]), t.tensor([[5.0], ]), lambda a, b, c: a + b * c); [r is y, y, x.dense_dim(), t.tensor(1.0).dense_dim(), kind(lambda: t.ones(1, requires_grad=True).map2_(x[0, :1], x[0, :1], lambda a, b, c: a)), t.from_dlpack(x).shape, type(t.to_dlpack(x)).__name__]",
    "a = t.autograd; b = a.is_multithreading_enabled()\nwith a.set_multithreading_enabled(False): c = a.is_multithreading_enabled()\n[b, c, a.is_multithreading_enabled(), t.GradScaler is t.amp.GradScaler]",
    "f = lambda x, y: (x * y).sum() + x.exp(); x, y = t.tensor([1.0, 2.0]), t.tensor([0.5, 3.0]); out, g = t.func.linearize(f, x, y); [out, g(t.ones(2), t.zeros(2)), g(t.zeros(2), t.tensor([1.0, 2.0])), kind(lambda: g(t.ones(2)))]",
    "m = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2), nn.BatchNorm2d(3, affine=False), nn.InstanceNorm1d(2, track_running_stats=True)); r = t.func.replace_all_batch_norm_modules_(m); [r is m, str(m), list(m.state_dict())]",
    "b = t.nn.UninitializedBuffer(); p = nn.UninitializedParameter(); [kind(lambda: b.shape), kind(lambda: b.numel()), repr(b), b.persistent, b.requires_grad, type(b.materialize((2, 3))).__name__, b.shape, type(b).__name__, type(p.materialize((2,))).__name__, p.shape]",
    "D = t.utils.data.DistributedSampler; [list(D(range(n), r, k, shuffle=s, seed=3, drop_last=d)) for n in (7, 6, 2) for r, k in ((2, 0), (3, 1), (3, 2)) for s in (True, False) for d in (True, False)]",
    "D = t.utils.data.DistributedSampler; s = D(range(5), 2, 1); s.set_epoch(4); [list(s), len(s), s.num_samples, s.total_size, kind(lambda: D([1], 2, 2)), kind(lambda: D([1], 2, -1)), kind(lambda: D([1]))]",
    "x, w, y = t.randn(4, 3), t.randn(5, 3), t.tensor([0, 4, 2, 1]); x.requires_grad_(); f = F.linear_cross_entropy; l = f(x, w, y, linear_bias=t.ones(5), ignore_index=2, label_smoothing=0.1, weight=t.arange(1.0, 6.0)); l.backward(); [l, x.grad, f(x[0], w, y[0]), f(x, w, y, reduction='none'), f(x, w.view(5, 1, 3), y.view(4, 1), reduction='sum'), f(x, w, t.full((4, 5), 0.2))]",
    "f = t.nn.functional.linear_cross_entropy; x, w, y = t.ones(2, 3), t.ones(4, 3), t.tensor([0, 1]); [said(lambda: f(*a, **k)) for a, k in (((t.ones(1, 1, 3), w, y), {}), ((x, w[0], y), {}), ((x, t.ones(4, 2), y), {}), ((x, w, y), {'linear_bias': t.ones(3)}), ((x[0], t.ones(4, 2, 3), y), {}), ((x, w, t.ones(2, 4)), {'ignore_index': 1}))]",
    "m = t.nn.LinearCrossEntropyLoss(3, 4, out_features=(2,), bias=True, reduction='sum', weight=t.tensor([1.0, 2.0, 3.0, 4.0])); n = t.nn.LinearCrossEntropyLoss(3, 4); x = t.randn(5, 3); [m, list(m.state_dict()), m(x, t.tensor([[0, 3]] * 5)), n(x, t.tensor([0, 1, 2, 3, 0])), n.linear.weight, said(lambda: t.nn.LinearCrossEntropyLoss(3, 4, weight=t.ones(3))), said(lambda: t.nn.LinearCrossEntropyLoss(3, 4, label_smoothing=2.0))]",
    "with_ = warnings.simplefilter('ignore'); m = t.nn.NLLLoss2d(reduction='sum'); [m, m(t.randn(1, 2, 3, 3).log_softmax(1), t.zeros(1, 3, 3).long()), isinstance(m, nn.NLLLoss)]",
    "class Mine(t.Tensor): pass\nx = t.ones(2, requires_grad=True); y = (x * 2).as_subclass(Mine); z = t.zeros(2).as_subclass(nn.Parameter); (y * 3).sum().backward(); [type(y).__name__, x.grad, type(z).__name__, kind(lambda: x.as_subclass(int)), t.zeros(2).as_subclass(t.Tensor)]",
    "def f(x):\n    y = x.clone(); y.add_(1); return y.view(-1)\nx = t.ones(2, 2); g = t.func.functionalize(f); [g(x), t.func.functionalize(f, remove='mutations_and_views')(x), kind(lambda: t.func.functionalize(f, remove='views')(x)), t.optim.lr_scheduler.Optimizer is t.optim.Optimizer]",
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_same_in_both(program):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same_in_both(program)
