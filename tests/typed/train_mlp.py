"""A user's program: an MLP trained with nn, optim and utils.data. tests/test_stubs.py checks it with mypy --strict, and runs it."""

from __future__ import annotations

import tinygrad_zth as torch
import tinygrad_zth.nn as nn
import tinygrad_zth.nn.functional as F
from tinygrad_zth import Tensor, optim
from tinygrad_zth.utils.data import DataLoader, Dataset, TensorDataset, random_split


class Net(nn.Module):
    def __init__(self, inputs: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(0.1))
        self.head = nn.Linear(hidden, classes)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x)) * self.scale
        return out


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, n: int) -> None:
        self.x, self.y = torch.randn(n, 4), torch.randint(0, 3, (n,))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index], self.y[index]


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    model.eval()
    hits = (model(x).argmax(dim=-1) == y).float().mean()
    model.train()
    return float(hits)


def train(epochs: int) -> float:
    torch.manual_seed(0)
    data = Pairs(64)
    first, rest = random_split(data, [48, 16])
    model = Net(4, 8, 3)
    optimizer = optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    total = 0.0
    for _ in range(epochs):
        for x, y in DataLoader(first, batch_size=16, shuffle=True):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
        schedule.step()
    sizes: list[int] = [p.numel() for p in model.parameters()]
    assert sum(sizes) > 0 and len(rest) == 16 and isinstance(model.state_dict(), dict)
    pairs = TensorDataset(data.x, data.y)
    return total / len(pairs) + accuracy(model, data.x, data.y)


if __name__ == "__main__":
    print(f"{train(3):.3f}", torch.cat([torch.zeros(2), torch.ones(1)]).shape, torch.float32, torch.device("cpu"))
