"""What ``print(tensor)`` says of a tensor's history: the name of its ``grad_fn`` is PyTorch's, of compositions too."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch", reason="the names are compared with torch (extra: parity)")

import tinygrad_zth as zth  # noqa: E402

pytestmark = [pytest.mark.parity, pytest.mark.host]  # the CPU's names

# x (2, 3), y (2, 3), b (2, 2, 3), i (1, 2, 4, 4): floating tensors that require grad; F is nn.functional.
EXPRESSIONS = """
x + y | x - 1 | 1 - x | -x | x * y | x / y | x ** 2 | 2 ** x | x @ y.T | b @ y.T | b @ b.mT | t.bmm(b, b.mT) | x.t() | x.T | x.view(3, 2)
x.reshape(-1) | x[0] | x[:, 1:] | x[[0, 1]] | x.sum() | x.sum(1) | x.mean() | x.mean(0) | x.var() | x.std(1) | x.max() | x.max(1)[0]
x.exp() | x.log() | x.tanh() | x.sigmoid() | x.relu() | x.softmax(1) | x.log_softmax(1) | x.clamp(0, 1) | x.clamp_min(0) | x.abs() | x.sqrt()
t.cat([x, y]) | t.stack([x, y]) | x.unbind(0)[0] | x.split(2, 1)[0] | x.chunk(2)[0] | x.expand(2, 2, 3) | x.repeat(2, 1) | x.tile(2)
x.masked_fill(x > 0, 1) | x.tril() | x.transpose(0, 1) | b.permute(2, 0, 1) | x.squeeze(0) | x.unsqueeze(0) | x.flatten() | x.clone()
x.gather(1, t.tensor([[0], [1]])) | x.index_select(0, t.tensor([1])) | x.cumsum(0) | x.cumprod(0) | x.norm() | x.dist(y) | t.cdist(x, y)
t.addmm(x, x, t.ones(3, 3)) | t.baddbmm(b, b, t.ones(2, 3, 3)) | t.lerp(x, y, 0.3) | t.addcmul(x, x, y) | t.addcdiv(x, x, y) | t.where(x > 0, x, y)
x.logsumexp(1) | x.median() | x.median(1)[0] | x.kthvalue(1)[0] | x.topk(2)[0] | x.sort(stable=True)[0] | x.nan_to_num() | x.take(t.tensor([0]))
t.einsum('ij,kj->ik', x, y) | x.roll(1) | x.flip(0) | x.diff() | t.outer(x[0], y[0]) | t.dot(x[0], y[0]) | x.mv(t.ones(3)) | x.float() | x.double()
F.linear(x, y) | F.linear(x, y, t.ones(2, requires_grad=True)) | F.linear(b, y) | F.linear(b, y, t.ones(2, requires_grad=True))
F.mse_loss(x, y) | F.l1_loss(x, y) | F.smooth_l1_loss(x, y) | F.huber_loss(x, y) | F.cross_entropy(x, t.tensor([0, 2])) | F.kl_div(x, y)
F.nll_loss(x, t.tensor([0, 2])) | F.binary_cross_entropy(x.sigmoid(), y.sigmoid().detach()) | F.binary_cross_entropy_with_logits(x, y.detach())
F.soft_margin_loss(x, y.detach().sign()) | F.multi_margin_loss(x, t.tensor([0, 2])) | F.gelu(x) | F.silu(x) | F.elu(x) | F.selu(x) | F.celu(x)
F.leaky_relu(x) | F.prelu(x, t.ones(1)) | F.softplus(x) | F.hardtanh(x) | F.glu(b.mT.repeat(1, 1, 2)) | F.logsigmoid(x) | F.mish(x) | F.dropout(x, 0.5)
F.embedding(t.tensor([1]), x) | F.layer_norm(x, (3,)) | F.batch_norm(x, None, None, training=True) | F.group_norm(i, 2) | F.normalize(x)
F.conv2d(i, t.ones(1, 2, 2, 2)) | F.conv_transpose2d(i, t.ones(2, 1, 2, 2)) | F.max_pool2d(i, 2) | F.avg_pool2d(i, 2) | F.adaptive_avg_pool2d(i, 2)
F.interpolate(i, scale_factor=2) | F.interpolate(i, scale_factor=2, mode='bilinear') | F.pixel_shuffle(i.repeat(1, 2, 1, 1), 2) | F.unfold(i, 2)
x.square() | x.rsqrt() | x.reciprocal() | x.log10() | x.log1p() | x.unfold(0, 1, 1) | x.sort().values | x.erf() | x.sin() | x.maximum(y) | x.narrow(0, 0, 1)
x.select(0, 0) | x.diagonal() | t.mm(x, y.T) | x.prod() | F.linear(x, y, t.ones(2)) | F.scaled_dot_product_attention(b, b, b) | F.pad(x, (1, 1)) | F.cosine_similarity(x, y) | F.one_hot(t.tensor([1])) | x.detach()
"""


@pytest.mark.parametrize("text", [one for line in EXPRESSIONS.strip().splitlines() for one in line.split(" | ")])
def test_the_name_is_the_same(text: str) -> None:
    shown = []
    for t in (torch, zth):
        t.manual_seed(1)
        names = {
            n: t.rand(s, requires_grad=True)
            for n, s in (("x", (2, 3)), ("y", (2, 3)), ("b", (2, 2, 3)), ("i", (1, 2, 4, 4)))
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = eval(text, {"t": t, "F": t.nn.functional, **names})
        shown.append(repr(result).rpartition("grad_fn=")[2])
        repr(result.grad_fn)  # and it can be shown itself
    assert shown[0] == shown[1]


def test_an_input_that_is_returned_keeps_its_name():
    x = zth.ones(2, requires_grad=True) * 2
    assert zth.clamp_min(x, 0).grad_fn.name() == "ClampMinBackward0"
    assert zth.nn.functional.dropout(x, 0.5, training=False).grad_fn.name() == x.grad_fn.name() == "MulBackward0"
    assert zth.nn.functional.interpolate(x.view(1, 1, 2), size=2, mode="linear").grad_fn is not x.grad_fn
