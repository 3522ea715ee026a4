"""A user's program that says, with ``assert_type``, what functions and methods return. Checked with mypy --strict, and run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_type

import numpy as np

import tinygrad_zth as torch
import tinygrad_zth.nn as nn
import tinygrad_zth.nn.functional as F
from tinygrad_zth import Tensor
from tinygrad_zth.optim import SGD, Optimizer
from tinygrad_zth.optim.lr_scheduler import LRScheduler, StepLR
from tinygrad_zth.utils.data import Subset, TensorDataset, random_split


def tensors(x: Tensor) -> None:
    """What depends on the arguments: whether a dimension is named, or more is asked for."""
    assert_type(x.max(), Tensor)
    assert_type(x.max(1), torch.return_types.max)
    assert_type(x.max(dim=1, keepdim=True).values, Tensor)
    assert_type(torch.min(x, x), Tensor)
    assert_type(x.median(0).indices, Tensor)
    values, indices = x.sort(descending=True)
    assert_type(values, Tensor)
    assert_type(indices, Tensor)
    assert_type(torch.topk(x, 2), torch.return_types.topk)
    assert_type(torch.linalg.svd(x).S, Tensor)
    assert_type(torch.linalg.qr(x), torch.return_types.linalg_qr)
    assert_type(x.split(1), tuple[Tensor, ...])
    assert_type(x.unbind(), tuple[Tensor, ...])
    assert_type(torch.meshgrid(x[0], x[0], indexing="ij"), tuple[Tensor, ...])
    assert_type(torch.where(x > 0), tuple[Tensor, ...])
    assert_type(torch.where(x > 0, x, 0.0), Tensor)
    assert_type(x.nonzero(), Tensor)
    assert_type(x.nonzero(as_tuple=True), tuple[Tensor, ...])
    assert_type(x.unique(), Tensor)
    assert_type(torch.unique(x, return_counts=True), tuple[Tensor, ...])
    assert_type(torch.var_mean(x), tuple[Tensor, Tensor])
    assert_type(x.view(-1).reshape(2, -1).permute(1, 0).unsqueeze(0).expand(3, -1, -1), Tensor)
    assert_type(x.add_(1).mul_(2).clamp_(0, 1).exp(), Tensor)
    assert_type(x[0, :, None], Tensor)
    assert_type(1 - x, Tensor)
    assert_type(x**2 @ x.T, Tensor)
    assert_type(x == 1, Tensor)
    assert_type(torch.einsum("ij,kj->ik", x, x), Tensor)


def facts(x: Tensor) -> None:
    assert_type(x.shape, torch.Size)
    assert_type(x.size(), torch.Size)
    assert_type(x.size(0), int)
    assert_type(x.shape[0], int)
    assert_type(x.shape[1:], torch.Size)
    assert_type(x.stride(), tuple[int, ...])
    assert_type(x.stride(0), int)
    assert_type(x.dtype, torch.dtype)
    assert_type(x.device, torch.device)
    assert_type(x.dim() + x.numel() + len(x), int)
    assert_type(x.requires_grad, bool)
    assert_type(x.is_floating_point(), bool)
    assert_type(x.grad, Tensor | None)
    assert_type(x.item() if x.numel() == 1 else 0, int | float | bool)
    assert_type(x.numpy(), np.ndarray)
    assert_type(np.asarray(x.numpy()).ndim, int)
    assert_type(x.type(), str)
    assert_type(x.type(torch.float64), Tensor)
    assert_type(torch.equal(x, x), bool)
    assert_type(torch.allclose(x, x), bool)
    assert_type(torch.is_tensor(x), bool)
    assert_type(torch.get_default_dtype(), torch.dtype)
    assert_type(torch.result_type(x, 1), torch.dtype)
    assert_type(torch.manual_seed(0), torch.Generator)
    assert_type(torch.cuda.is_available(), bool)
    assert_type(torch.finfo(torch.float32).eps, float)


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        return grad_output * 2


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.rnn = nn.LSTM(4, 8, batch_first=True)
        self.loss = nn.CrossEntropyLoss(label_smoothing=0.1)
        self.layers = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Identity()})

    def forward(self, x: Tensor, scale: float = 1.0) -> tuple[Tensor, int]:
        return self.norm(x) * scale, x.shape[0]


def modules(x: Tensor, model: Pair) -> None:
    """A call of a module returns what its forward does."""
    assert_type(nn.Linear(4, 2)(x), Tensor)
    assert_type(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.5))(x), Tensor)
    assert_type(model(x, scale=2.0), tuple[Tensor, int])
    out, (h, c) = model.rnn(x.unsqueeze(0))
    assert_type(h + c, Tensor)
    assert_type(model.loss(x, torch.zeros(4, dtype=torch.int64)), Tensor)
    assert_type(F.relu(F.linear(x, x)), Tensor)
    assert_type(F.max_pool1d(x, 2), Tensor)
    assert_type(F.max_pool1d(x, 2, return_indices=True), tuple[Tensor, Tensor])
    assert_type(nn.Embedding(3, 2).weight, nn.Parameter)
    assert_type(list(model.parameters()), list[nn.Parameter])
    assert_type(model.eval().train(), Pair)
    assert_type(torch.compile(model), Pair)
    for name, p in model.named_parameters():
        assert_type(name, str)
        assert_type(p.data, Tensor)
    for layer in model.layers.values():
        assert_type(layer, nn.Module)
    handle = model.register_forward_hook(lambda module, args, output: None)
    handle.remove()


def training(model: Pair) -> None:
    optimizer: Optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule: LRScheduler = StepLR(optimizer, step_size=2)
    x = torch.ones(4, 4)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = model(x)[0].square().mean()
        loss.backward()
        return loss

    assert_type(optimizer.step(closure), Tensor)
    schedule.step()
    assert_type(schedule.get_last_lr(), list[float | Tensor])
    assert_type(torch.autograd.grad((x.requires_grad_() ** 2).sum(), x), tuple[Tensor, ...])
    whole = TensorDataset(torch.ones(4), torch.zeros(4))
    assert_type(whole[0], tuple[Tensor, ...])
    assert_type(random_split(whole, [0.5, 0.5]), list[Subset[tuple[Tensor, ...]]])
    f: Callable[[Tensor], Tensor] = torch.compile(torch.tanh)
    with torch.no_grad(), torch.autocast("cpu"):
        assert_type(f(x), Tensor)
    twice: Tensor = Double.apply(x.detach().requires_grad_())
    twice.sum().backward()


if __name__ == "__main__":
    torch.manual_seed(0)
    tensors(torch.rand(4, 4))
    facts(torch.rand(4, 4))
    modules(torch.rand(4, 4), Pair())
    training(Pair())
    print("as declared")
