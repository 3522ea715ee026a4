"""What goes wrong, goes wrong as in PyTorch: the same exception, and for the common mistakes the same words."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch", reason="errors are compared with torch (extra: parity)")

import tinygrad_zth as zth  # noqa: E402
from tests.device_mode import settle  # noqa: E402

from .mistakes import SAME_KIND, SAME_WORDS  # noqa: E402
from .one_call import base_of  # noqa: E402
from .snippets import as_on_host, first_line  # noqa: E402

pytestmark = [pytest.mark.parity]


def _leaf(t):
    return t.zeros(3, requires_grad=True)


EXPRESSIONS = [
    "t.zeros(2, 3) @ t.zeros(2, 3)", "t.zeros(2, 3) + t.zeros(4)", "t.zeros(2, 3) * t.zeros(3, 2)", "t.zeros(3).view(2, 2)",
    "t.zeros(2, 3).t().view(6)", "t.zeros(2)[2]", "t.zeros(2)[-3]", "t.zeros(2, 3)[0, 3]", "t.zeros(2)[0, 0]", "t.tensor(1.0)[0]",
    "t.zeros(2)['a']", "t.zeros(2)[1.5]", "t.zeros(2, 3)[t.tensor([True, False, True])]", "t.zeros(2).item()",
    "bool(t.zeros(2))", "bool(t.zeros(0))", "len(t.tensor(1.0))", "list(t.tensor(1.0))", "t.zeros(2).sum(1)", "t.zeros(2).sum(-2)",
    "t.zeros(2, 3).transpose(0, 2)", "t.zeros(2, 3).permute(0, 0)", "t.cat([])", "t.stack([])", "t.cat([t.zeros(2), t.zeros(2, 2)])",
    "t.cat([t.zeros(2, 3), t.zeros(3, 2)])", "t.stack([t.zeros(2), t.zeros(3)])", "t.zeros(2).backward()",
    "t.zeros(2, requires_grad=True).backward()", "(t.zeros(2, requires_grad=True) * 2).backward()", "t.zeros(2, requires_grad=True).numpy()",
    "t.tensor([1, 2], requires_grad=True)", "t.arange(3).requires_grad_()", "t.arange(3).mean()", "t.tensor([[1, 2], [3]])", "t.tensor('a')",
    "t.tensor(object())", "t.zeros(-1)", "t.arange(0, 3, 0)", "t.arange(3, 0)", "t.zeros(3).squeeze(1)", "t.zeros(3).unsqueeze(3)",
    "t.zeros(2, 3).expand(3, 3)", "t.zeros(2, 3).expand(3)", "t.zeros(2, 3).reshape(4, -1)", "t.zeros(2, 3).reshape(-1, -1)",
    "t.mm(t.zeros(2, 3), t.zeros(3))", "t.bmm(t.zeros(2, 3), t.zeros(3, 2))", "t.dot(t.zeros(2), t.zeros(3))", "t.zeros(2, 3).mv(t.zeros(2))",
    "t.zeros(2).max(1)", "t.zeros(0).max()", "t.zeros(0).argmax()", "t.multinomial(t.zeros(2), 1)", "t.multinomial(t.tensor([1.0, -1.0]), 1)",
    "t.multinomial(t.ones(2), 3)", "t.gather(t.zeros(2, 2), 0, t.tensor([[5, 0]]))", "t.zeros(2, 3).index_select(0, t.tensor([5]))",
    "t.eye(-1)", "t.linspace(0, 1, -1)", "t.randint(0, 0, (2,))", "t.full((2,), 'a')", "t.zeros(2).to('gpu')", "t.device('gpu')",
    "t.zeros(2).float(3, 4)", "t.ones(3, 4).chunk(0)", "t.ones(3).split(-1)", "t.ones(3).split([1, 1])", "t.triu(t.ones(3))", "t.diag(t.ones(1, 1, 1))",
    "t.zeros(2).repeat()", "t.einsum('ij,jk->ik', t.zeros(2, 3), t.zeros(2, 3))", "t.einsum('i->ij', t.zeros(2))", "t.where(t.zeros(2), 1, 2)",
    "t.zeros(2).masked_fill(t.zeros(2), 1)", "t.tensor([True]) - t.tensor([True])", "-t.tensor([True])", "t.tensor([1.0]) & t.tensor([1.0])",
    "~t.tensor([1.0])", "t.tensor([1]) ** -1", "t.clamp(t.zeros(2))", "t.linalg.inv(t.zeros(2, 3))", "t.linalg.cholesky(-t.eye(2))",
    "t.linalg.solve(t.zeros(2, 2), t.ones(2))", "t.inverse(t.zeros(2, 2))", "t.linalg.det(t.zeros(2, 3))",
    "t.autograd.grad(t.ones(1, requires_grad=True).sum(), t.ones(1, requires_grad=True))", "t.autograd.grad(t.ones(1), t.ones(1))",
    "t.nn.functional.one_hot(t.tensor([1.0]))", "t.nn.functional.one_hot(t.tensor([3]), 2)", "t.nn.functional.one_hot(t.tensor([-1]))",
    "t.nn.functional.cross_entropy(t.zeros(2, 3), t.tensor([0, 5]))", "t.nn.functional.cross_entropy(t.zeros(2, 3), t.tensor([0, 1, 2]))",
    "t.nn.functional.embedding(t.tensor([5]), t.zeros(3, 2))", "t.nn.Linear(2, 3)(t.zeros(4, 5))", "t.nn.functional.dropout(t.zeros(2), 1.5)",
    "t.nn.functional.layer_norm(t.zeros(2, 3), (2,))", "t.nn.functional.layer_norm(t.zeros(2, 3), ())",
    "t.nn.functional.layer_norm(t.zeros(2, 3), (3,), t.ones(1))", "t.nn.functional.layer_norm(t.zeros(2, 3), (3,), None, t.ones(3, 1))",
    "t.nn.functional.rms_norm(t.zeros(2, 3), (3,), t.ones(4))", "t.nn.functional.rms_norm(t.zeros(2, 3), ())", "t.nn.functional.softmax(t.zeros(2), 3)", "t.set_default_dtype(t.int64)",
    "t.from_numpy([1, 2])", "t.zeros(3, dtype=float, device='cpu', foo=1)", "t.tensor([1.0]).foo", "t.foo", "t.zeros(2).add_(t.zeros(3))",
    "t.zeros(2, dtype=t.int64).add_(1.5)", "t.zeros(2, dtype=t.int64).div_(2)", "t.zeros(1).expand(3).add_(1)", "int(t.zeros(2))", "float(t.zeros(2))",
    "'%d' % t.zeros(2)", "range(t.tensor(1.5))", "[1, 2][t.tensor(1.0)]", "hash(t.zeros(2)) == 0 or 1 / 0", "t.zeros(2) + 'a'", "t.zeros(2) + None",
    "t.zeros(2) + [1, 2]", "t.add(t.zeros(2), 'a')", "t.exp('a')", "t.exp(1.0)", "t.sum([1, 2])", "t.matmul(1, 2)", "t.zeros(2).copy_(t.zeros(3))",
    "t.zeros(2).fill_(t.zeros(2))", "t.Generator().manual_seed('a')", "t.zeros(2).type('torch.NoTensor')", "t.ones(2).tril()", "t.cumsum(t.ones(2), 2)",
    "t.zeros(2).topk(3)", "t.zeros(2).kthvalue(0)", "t.quantile(t.ones(2), 1.5)", "t.bincount(t.tensor([-1]))", "t.ones(2).narrow(0, 1, 2)",
    "t.ones(2).select(1, 0)", "t.ones(2).unflatten(0, (3, 1))", "t.ones(2).flatten(1, 0)", "t.ones(2, 2, 2).t()", "t.ones(2).mT",
    "t.broadcast_shapes((2,), (3,))", "t.zeros(2).view(-1, -1)", "t.zeros(2).logical_and(1)", "t.randn(2, dtype=t.int64)", "t.normal(0.0, -1.0, (2,))",
    "t.bernoulli(t.tensor([2.0]))", "t.zeros(3).scatter(0, t.tensor([5]), 1.0)", "t.take(t.zeros(3), t.tensor([3]))", "t.ones(2).index_add(0, t.tensor([0]), t.ones(2))",
]  # fmt: skip

# Statements: what is written over, frozen or used twice.
STATEMENTS = [
    "x = t.ones(2, requires_grad=True); x += 1", "x = t.ones(2, requires_grad=True); x[0] = 1", "x = t.ones(2, requires_grad=True); x.view(2).add_(1)",
    "x = t.ones(2, requires_grad=True); y = x.exp(); y.mul_(2); y.sum().backward()",
    "x = t.ones(2, requires_grad=True); y = (x * x).sum(); y.backward(); y.backward()",
    "x = t.ones(2, requires_grad=True); (x * 2).requires_grad = False", "x = t.ones(2); x.grad = t.ones(3)", "x = t.ones(2); x.grad = 1",
    "x = t.ones(2); x[3] = 1", "x = t.ones(2); x[0] = 'a'", "x = t.ones(2); x[t.tensor([0, 1])] = t.ones(3)", "x = t.ones(2); x.data = 1",
    "x = t.ones(2); t.exp(t.ones(2, requires_grad=True), out=x)", "x = t.ones(2, requires_grad=True).exp(); x.detach_().sum().backward()",
    "x = t.ones(2); x.retain_grad()", "x = t.ones(2); x.register_hook(print)", "x = t.ones(2, requires_grad=True); del x.shape",
    "t.nn.Module().foo", "t.nn.Linear(2, 3).load_state_dict({})", "t.nn.Linear(2, 3).weight = 1", "t.nn.Sequential(1)", "t.optim.SGD([], lr=1)",
    "t.optim.SGD([t.ones(1)], lr=-1)", "t.optim.Adam(t.ones(2))", "t.nn.Parameter(t.ones(1)).foo", "t.nn.ModuleList([1])",
    "t.nn.Linear(2, 3).register_buffer('weight', None)", "t.nn.Embedding(2, 3)(t.tensor([2]))", "t.nn.Dropout(2)", "t.nn.BatchNorm1d(2)(t.ones(2))",
    "t.nn.BatchNorm1d(2)(t.ones(1, 2))", "t.nn.MSELoss(reduction='x')(t.ones(1), t.ones(1))",
]  # fmt: skip
# The same exception in other words. PyTorch lists devices that are not offered here, counts arguments from another place,
# names C++ classes, or knows a little more (which pivot, which output); ours name the package where that helps.
OTHER_WORDS = {
    "t.zeros(2).to('gpu')", "t.device('gpu')", "t.zeros(2).float(3, 4)", "t.einsum('ij,jk->ik', t.zeros(2, 3), t.zeros(2, 3))",
    "t.tensor([True]) - t.tensor([True])", "t.inverse(t.zeros(2, 2))", "t.foo", "t.zeros(2) + None",
    "t.broadcast_shapes((2,), (3,))", "t.zeros(2).logical_and(1)", "t.bernoulli(t.tensor([2.0]))",
    "x = t.ones(2, requires_grad=True); y = x.exp(); y.mul_(2); y.sum().backward()",
    "x = t.ones(2, requires_grad=True); del x.shape",
}  # fmt: skip


def outcome(t, text: str) -> BaseException | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(text, {"t": t})
            settle()
        except Exception as error:
            return error
    return None


@pytest.mark.parametrize("text", EXPRESSIONS + STATEMENTS + SAME_WORDS + SAME_KIND)
def test_the_same_exception(text: str) -> None:
    theirs, ours = outcome(torch, text), outcome(zth, text)
    if theirs is None:
        assert ours is None, f"{text} raises {ours!r}; torch does not"
        return
    assert ours is not None, f"{text} does not raise; torch: {theirs!r}"
    assert base_of(ours) is base_of(theirs), f"{text} raises {ours!r}; torch: {theirs!r}"
    if text not in OTHER_WORDS and text not in SAME_KIND:
        assert as_on_host(first_line(ours)) == first_line(theirs)
