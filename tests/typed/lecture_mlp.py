"""A user's program: the MLP of the lectures, written with tensors alone. Checked with mypy --strict, and run."""

from __future__ import annotations

import math
import random

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tinygrad_zth import Tensor

WORDS = ["emma", "olivia", "ava", "isabella", "sophia", "mia", "amelia", "harper", "evelyn", "luna", "aria", "ella"]
CHARS = sorted(set("".join(WORDS)))
STOI = {s: i + 1 for i, s in enumerate(CHARS)} | {".": 0}
ITOS = {i: s for s, i in STOI.items()}
BLOCK = 3


def build_dataset(words: list[str]) -> tuple[Tensor, Tensor]:
    xs, ys = [], []
    for w in words:
        context = [0] * BLOCK
        for ch in w + ".":
            ix = STOI[ch]
            xs.append(context)
            ys.append(ix)
            context = context[1:] + [ix]
    return torch.tensor(xs), torch.tensor(ys)


class Linear:
    def __init__(self, fan_in: int, fan_out: int, g: torch.Generator, bias: bool = True) -> None:
        self.weight = torch.randn((fan_in, fan_out), generator=g) / math.sqrt(fan_in)
        self.bias = torch.zeros(fan_out) if bias else None

    def __call__(self, x: Tensor) -> Tensor:
        self.out = x @ self.weight
        if self.bias is not None:
            self.out += self.bias
        return self.out

    def parameters(self) -> list[Tensor]:
        return [self.weight] + ([] if self.bias is None else [self.bias])


class BatchNorm1d:
    def __init__(self, dim: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.eps, self.momentum, self.training = eps, momentum, True
        self.gamma, self.beta = torch.ones(dim), torch.zeros(dim)
        self.running_mean, self.running_var = torch.zeros(dim), torch.ones(dim)

    def __call__(self, x: Tensor) -> Tensor:
        if self.training:
            mean, var = x.mean(0, keepdim=True), x.var(0, keepdim=True)
            with torch.no_grad():
                self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
                self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var
        else:
            mean, var = self.running_mean, self.running_var
        self.out = self.gamma * (x - mean) / torch.sqrt(var + self.eps) + self.beta
        return self.out

    def parameters(self) -> list[Tensor]:
        return [self.gamma, self.beta]


def main() -> None:
    random.seed(42)
    random.shuffle(WORDS)
    n = int(0.9 * len(WORDS))
    Xtr, Ytr = build_dataset(WORDS[:n])
    Xdev, Ydev = build_dataset(WORDS[n:])
    g = torch.Generator().manual_seed(2147483647)
    C = torch.randn((len(STOI), 4), generator=g)
    hidden, bn, head = Linear(4 * BLOCK, 32, g, bias=False), BatchNorm1d(32), Linear(32, len(STOI), g)
    with torch.no_grad():
        head.weight *= 0.1
    parameters = [C] + hidden.parameters() + bn.parameters() + head.parameters()
    print(sum(p.nelement() for p in parameters))
    for p in parameters:
        p.requires_grad = True

    def forward(x: Tensor) -> Tensor:
        emb = C[x]
        h = torch.tanh(bn(hidden(emb.view(emb.shape[0], -1))))
        return head(h)

    lossi: list[float] = []
    ud: list[list[float]] = []
    for i in range(60):
        ix = torch.randint(0, Xtr.shape[0], (16,), generator=g)
        loss = F.cross_entropy(forward(Xtr[ix]), Ytr[ix])
        for p in parameters:
            p.grad = None
        loss.backward()
        lr = 0.1 if i < 40 else 0.01
        for p in parameters:
            if p.grad is not None:
                p.data += -lr * p.grad
        lossi.append(loss.log10().item())
        with torch.no_grad():
            ud.append([(lr * p.grad.std() / p.data.std()).log10().item() for p in parameters if p.grad is not None])
    assert len(ud) == 60 and lossi[-1] < lossi[0]

    bn.training = False
    probabilities = F.softmax(forward(Xdev), dim=1)
    nll = -probabilities[torch.arange(len(Ydev)), Ydev].log().mean()
    assert 0 < nll.item() < 2 * math.log(len(STOI))
    out: list[int] = []
    context = [0] * BLOCK
    while len(out) < 20:
        probs = F.softmax(forward(torch.tensor([context])), dim=1)
        ix_next = int(torch.multinomial(probs, num_samples=1, generator=g).item())
        context = context[1:] + [ix_next]
        out.append(ix_next)
        if ix_next == 0:
            break
    print("".join(ITOS[i] for i in out))


if __name__ == "__main__":
    main()
