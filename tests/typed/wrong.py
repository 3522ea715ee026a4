"""A user's program with a mistake in every line that says so: mypy --strict reports each of them, and nothing else."""

from __future__ import annotations

import tinygrad_zth as torch
import tinygrad_zth.nn as nn
import tinygrad_zth.nn.functional as F
from tinygrad_zth import Tensor
from tinygrad_zth.optim import AdamW
from tinygrad_zth.utils.data import DataLoader, Dataset


class Numbers(Dataset[Tensor]):
    def __getitem__(self, index: int) -> Tensor:
        return torch.tensor(index)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 4)

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        return self.body(x) * scale


def main(x: Tensor, model: Net) -> None:
    x.tanhh()  # wrong
    x.sum(dim="rows")  # wrong
    x.sum(keepdims_=True)  # wrong
    x.view("2", 3)  # wrong
    x.transpose(0)  # wrong
    x["first"]  # wrong
    x["first"] = 1  # wrong
    x + "one"  # wrong
    x.max(1).value  # wrong
    x.split(1).shape  # wrong
    x.backward(retain_graph="yes")  # wrong
    x.to(dtype=3)  # wrong
    x.requires_grad = "yes"  # wrong
    size: str = x.size(0)  # wrong
    print(size)
    torch.zeros("3")  # wrong
    torch.zeros(3, dtyp=torch.float64)  # wrong
    torch.randint(10)  # wrong
    torch.cat(x)  # wrong
    torch.stack([x, 1])  # wrong
    torch.relu6(x)  # wrong
    torch.manual_seed("0")  # wrong
    torch.arange(0, 10, dtype="float32")  # wrong
    torch.load(3)  # wrong
    F.cross_entropy(x, [1, 2])  # wrong
    F.softmax(x, axis=1)  # wrong
    F.dropout(x, p="half")  # wrong
    F.max_pool2d(x, kernel_size="2")  # wrong
    F.conv1d(x)  # wrong
    nn.Linear("4", 4)  # wrong
    nn.Dropout(rate=0.5)  # wrong
    nn.GELU(inplace=True)  # wrong
    nn.Sequential(nn.Linear(4, 4))(x).loss  # wrong
    model("x")  # wrong
    model()  # wrong
    model(x, scale=x)  # wrong
    y: int = model(x)  # wrong
    print(y)
    AdamW(model.parameters(), rate=0.1)  # wrong
    DataLoader(Numbers(), batch_size="8")  # wrong
    DataLoader(3)  # wrong
    torch.autograd.grad(x, "x")  # wrong
