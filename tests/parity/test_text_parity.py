"""What is printed, to the character: expressions whose ``repr`` must be PyTorch's."""

from __future__ import annotations

import re
import warnings

import pytest

torch = pytest.importorskip("torch", reason="texts are compared with torch (extra: parity)")

import tinygrad_zth as zth  # noqa: E402

pytestmark = [pytest.mark.parity, pytest.mark.host]  # what is printed names the device

TENSORS = [
    "t.tensor(1.5)", "t.tensor(3)", "t.tensor(True)", "t.tensor([])", "t.zeros(0, 3)", "t.zeros(2, 0)", "t.tensor([1.0, 2.0])", "t.tensor([1, 200, -3])",
    "t.tensor([True, False])", "t.tensor([1.0, float('nan'), float('inf')])", "t.tensor([1e-8, 1.0])", "t.tensor([1e10, 1.0])", "t.tensor([0.1, 100.5])",
    "t.arange(24.0).reshape(2, 3, 4)", "t.arange(2000)", "t.arange(2000.0).reshape(40, 50)", "t.zeros(3, dtype=t.float64)", "t.ones(2, dtype=t.float16)",
    "t.ones(2, dtype=t.uint8)", "t.ones(2, dtype=t.int8)", "t.ones(2, dtype=t.int32)", "t.ones(2, dtype=t.bool)", "t.ones(2, requires_grad=True)",
    "t.ones(2, requires_grad=True).tanh()", "(t.ones(2, requires_grad=True) * 2).sum()", "t.ones(2, 2, requires_grad=True)[0]", "t.tensor([-0.0])",
    "t.tensor([[1.5, -2.25], [1000.125, 3]])", "t.tensor([12345678.0, 1.0])", "t.tensor(1e-5)", "t.tensor([1.0, 1e5])", "t.tensor([[1e-3, 1e3]])", "t.empty(0, dtype=t.int64)",
    "t.ones(1, 1, 1, 1)", "t.arange(100.0)", "t.tensor([0.0])", "t.linspace(-1, 1, 7)", "t.full((3,), 1e-7)", "t.eye(3)", "t.arange(1001.0) / 7",
    "t.ones(2).double().requires_grad_()", "t.nn.Parameter(t.ones(2))", "t.nn.Parameter(t.ones(2), requires_grad=False)", "t.ones(3).max(0)", "t.ones(2, 2).sort(1)",
    "t.arange(4.0).topk(2)", "t.std_mean(t.ones(2, 2))", "t.linalg.svd(t.eye(2) * t.tensor([2.0, 1.0]))", "t.linalg.slogdet(t.eye(2))", "t.ones(2).histogram(2)",
    "t.ones(2).shape", "t.Size([])", "t.Size([2, 3])", "t.ones(2, 3).size()", "t.ones(2).dtype", "t.float16", "t.ones(2).device", "t.device('cuda', 1)", "t.ones(2).layout",
    "t.finfo(t.float32)", "t.finfo(t.float16)", "t.finfo(t.float64)", "t.finfo(t.bfloat16)", "t.iinfo(t.int8)", "t.iinfo(t.int64)", "t.iinfo(t.uint8).max",
    "t.preserve_format", "t.contiguous_format", "t.channels_last", "t.strided", "t.FloatTensor([1, 2])", "t.LongTensor([[1], [2]])", "t.DoubleTensor(0)", "t.BoolTensor([1, 0])",
    "t.HalfTensor([1.5])", "t.IntTensor([1])", "t.ShortTensor([1])", "t.CharTensor([1])", "t.ByteTensor([1])", "t.FloatTensor", "t.typename(t.ones(1))", "t.ones(1).type()",
    "t.ones(2, requires_grad=True).detach()", "t.ones(2).tolist()", "t.tensor(2.5).item()", "t.tensor([1, 2]).numpy()", "t.ones(2, requires_grad=True).exp().grad_fn.name()",
    "(t.ones(2, requires_grad=True) @ t.ones(2)).grad_fn.name()", "t.ones(2, 2, requires_grad=True).mean().grad_fn.next_functions[0][0].name()",
]  # fmt: skip
MODULES = [
    "nn.Linear(2, 3)", "nn.Linear(2, 3, bias=False)", "nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Tanh()))", "nn.Embedding(3, 4)", "nn.Embedding(3, 4, padding_idx=0)",
    "nn.LayerNorm(3)", "nn.LayerNorm((2, 3), eps=1e-3, elementwise_affine=False)", "nn.BatchNorm1d(3)", "nn.Dropout(0.3)", "nn.Dropout(0.3, inplace=True)", "nn.Conv2d(1, 2, 3)",
    "nn.Conv2d(1, 2, 3, stride=2, padding=1, bias=False)", "nn.Conv1d(2, 4, 3, padding='same', groups=2)", "nn.MaxPool2d(2)", "nn.AvgPool2d(2)", "nn.LSTM(2, 3)", "nn.LSTM(2, 3, 2, batch_first=True, bidirectional=True, dropout=0.1)",
    "nn.GRU(2, 3)", "nn.RNN(2, 3, nonlinearity='relu')", "nn.LSTMCell(2, 3)", "nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])", "nn.ModuleDict({'a': nn.Linear(1, 1)})", "nn.GELU()", "nn.GELU('tanh')",
    "nn.Softmax(dim=1)", "nn.LeakyReLU(0.1)", "nn.Flatten()", "nn.Identity()", "nn.CrossEntropyLoss()", "nn.MSELoss()", "nn.GroupNorm(2, 4)", "nn.RMSNorm(3)", "nn.ParameterList([t.ones(2)])", "nn.Bilinear(1, 2, 3)",
    "nn.MultiheadAttention(4, 2)", "nn.TransformerEncoderLayer(4, 2, 8)", "nn.ReLU(inplace=True)", "nn.ELU()", "nn.Softplus()", "nn.PReLU()", "nn.Hardtanh()", "nn.ConvTranspose2d(1, 2, 3)", "nn.AdaptiveAvgPool2d((1, 1))",
    "t.optim.SGD([t.ones(1, requires_grad=True)], lr=0.1)", "t.optim.AdamW([t.ones(1, requires_grad=True)], lr=0.1)", "t.optim.Adam([{'params': [t.ones(1, requires_grad=True)], 'lr': 1.0}, {'params': [t.ones(2, requires_grad=True)]}], lr=0.1)",
    "nn.Linear(2, 3).state_dict().keys()", "[n for n, _ in nn.LSTM(2, 3, 2).named_parameters()]", "nn.Linear(2, 3).weight.shape", "nn.utils.parameters_to_vector([t.ones(2), t.zeros(1)])",
]  # fmt: skip
FORMATS = [
    "f'{t.tensor(1.23456):.2f}'", "f'{t.tensor(3):5d}'", "f'{t.tensor([1.5, 2])}'", "'%.3f' % t.tensor(1.5)", "'%d' % t.tensor(3)", "str(t.tensor(2.0))", "str(nn.Parameter(t.ones(2)))", "f'{t.tensor(True)}'", "f'{t.tensor(12345.678):.3e}'",
    "f'{t.tensor(5):>8}'", "f'{t.tensor([1, 2]).shape}'", "str(t.float32)", "f'{t.device(\"cpu\")}'", "int(t.tensor(2.7))", "float(t.tensor(3))", "[10, 20, 30][t.tensor(1)]", "round(t.tensor(2.567).item(), 2)",
    "[x for x in t.arange(3)]", "list(zip(t.arange(2), t.ones(2)))", "len(t.ones(3, 2))", "2 in t.arange(3)", "5 in t.arange(3)", "bool(t.tensor([0.0]))", "sorted([t.tensor(2), t.tensor(1)])", "max(t.tensor(1), t.tensor(2))",
    "sum(t.arange(4))", "t.tensor([t.tensor(1), t.tensor(2)])", "{t.float32: 1}[t.float32]", "divmod(7, 2) and t.tensor(7) // 2", "t.tensor([7, -7]) // 2", "t.tensor([7, -7]) % 3", "t.tensor([7.0, -7.0]) % 3", "abs(t.tensor([-1.0]))",
    "t.tensor([1, 2]) == t.tensor([1, 3])", "t.tensor([1.0]) == 1", "t.tensor([1, 2, 3]) > 1", "~t.tensor([True])", "t.tensor([5]) & 3", "t.tensor([5]) << 1", "-t.tensor([1.0])", "+t.tensor([1.0])", "2 ** t.tensor([1.0, 2.0])",
    "reversed([1, 2]) and t.arange(3)[[2, 0]]", "t.ones(2)[None].shape", "t.ones(2, 3)[..., 0]", "t.ones(2, 3)[:, [0, 2]].shape", "t.arange(6).view(2, 3)[1, t.tensor([0, 2])]", "t.arange(3)[t.tensor([True, False, True])]", "t.ones(2, 3).ndim",
    "t.result_type(t.tensor([1]), 1.0)", "t.promote_types(t.int64, t.float16)", "t.can_cast(t.float32, t.int64)", "(t.ones(2, dtype=t.float64) + t.ones(2)).dtype", "(t.ones(2) + t.tensor(1.0, dtype=t.float64)).dtype", "(t.arange(2) + 1.5).dtype", "(t.arange(2) / 2).dtype",
    "t.is_tensor(t.ones(1))", "t.is_tensor(1)", "t.numel(t.ones(2, 3))", "t.is_floating_point(t.ones(1))", "t.is_storage(t.ones(1).untyped_storage())", "t.get_default_dtype()", "t.ones(1).is_cuda", "t.ones(1).is_sparse", "t.ones(1).is_leaf",
    "t.ones(2, 3).stride()", "t.ones(2, 3).t().is_contiguous()", "t.ones(2).nbytes", "t.ones(2).element_size()", "t.ones(2).get_device()", "t.ones(2, 3).dim_order()", "t.ones(1).is_same_size(t.zeros(1))", "t.is_nonzero(t.tensor([1.0]))",
    "t.empty_strided((2, 3), (1, 2)).stride()", "t.empty_permuted((2, 3), (1, 0)).stride()", "t.ones(2, 3).resize_(3, 2)", "t.ones(4).resize_(2)", "t.zeros(3, 3).fill_diagonal_(5)", "t.ones(3).resize_as_(t.ones(2))", "t.ones(2).new_empty_strided((2, 2), (2, 1)).shape",
    "t.zeros(3).index_reduce(0, t.tensor([0, 0]), t.tensor([2.0, 3.0]), 'amax')", "t.as_strided_scatter(t.zeros(4), t.ones(2), (2,), (2,))", "t.get_float32_matmul_precision()", "t.get_default_device()", "t.are_deterministic_algorithms_enabled()",
    "nn.init.calculate_gain('tanh')", "nn.init.calculate_gain('leaky_relu', 0.2)", "nn.init.dirac_(t.empty(2, 2, 3))", "nn.init.eye_(t.empty(2, 3))", "nn.init.constant_(t.empty(2), 0.3)", "nn.init.sparse_(t.empty(3, 2), 0.3) * 0",
    "t.autograd.functional.jacobian(lambda x: x ** 2, t.tensor([1.0, 2.0]))", "t.autograd.functional.hessian(lambda x: (x ** 3).sum(), t.tensor([1.0, 2.0]))", "t.autograd.functional.vjp(lambda x: x ** 2, t.tensor([1.0, 2.0]), t.ones(2))",
    "t.autograd.functional.jvp(lambda x: x ** 2, t.tensor([1.0, 2.0]), t.ones(2))", "t.autograd.functional.hvp(lambda x: (x ** 3).sum(), t.tensor([1.0, 2.0]), t.ones(2))", "t.autograd.functional.vhp(lambda x: (x ** 3).sum(), t.tensor([1.0, 2.0]), t.ones(2))",
    "t.autograd.functional.jacobian(lambda x, y: x * y, (t.tensor([1.0, 2.0]), t.tensor([3.0, 4.0])))", "t.func.grad(lambda x: (x ** 2).sum())(t.tensor([1.0, 2.0]))", "t.func.grad_and_value(lambda x: (x ** 2).sum())(t.tensor([1.0, 2.0]))",
    "t.func.vmap(lambda x: x.sum())(t.ones(2, 3))", "t.func.jacrev(lambda x: x ** 2)(t.ones(2))", "t.func.jacfwd(lambda x: x ** 2)(t.ones(2))", "t.func.hessian(lambda x: (x ** 3).sum())(t.ones(2))", "t.func.vjp(lambda x: x * 2, t.ones(2))[1](t.ones(2))",
    "t.func.jvp(lambda x: x * 2, (t.ones(2),), (t.ones(2),))", "t.from_dlpack(t.ones(2))", "t.set_printoptions(precision=2) or t.tensor([1.2345])", "t.set_printoptions(profile='default') or t.tensor([1.2345])",
]  # fmt: skip


def value_of(t, text: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t.manual_seed(0)
        return eval(
            text,
            {"t": t, "nn": t.nn, "F": t.nn.functional, "x": t.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)},
        )


def plain(text: str) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", text)


@pytest.mark.parametrize("text", TENSORS + MODULES + FORMATS)
def test_the_same_text(text: str) -> None:
    assert plain(repr(value_of(zth, text))) == plain(repr(value_of(torch, text)))
