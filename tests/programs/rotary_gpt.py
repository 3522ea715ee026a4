"""A GPT with what came later: RMS norms, rotary positions, grouped queries with a cache, gated layers, nucleus sampling."""

import itertools
import math
from dataclasses import asdict, dataclass
from typing import Optional

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Shape:
    width: int = 16
    layers: int = 2
    heads: int = 4
    shared: Optional[int] = 2
    tokens: int = 30
    length: int = 16


class Scale(nn.Module):
    def __init__(self, width, eps=1e-6):
        super().__init__()
        self.eps, self.weight = eps, nn.Parameter(torch.ones(width))

    def forward(self, x):
        return (x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + self.eps)).type_as(x) * self.weight


def angles(size, length, base=10000.0):
    rates = 1.0 / base ** (torch.arange(0, size, 2)[: size // 2].float() / size)
    turns = torch.outer(torch.arange(length, device=rates.device), rates).float()
    return turns.cos(), turns.sin()


def turned(x, cos, sin):
    re, im = x.float().reshape(*x.shape[:-1], -1, 2).unbind(-1)
    cos, sin = (t.view(1, t.shape[0], 1, t.shape[1]) for t in (cos, sin))
    return torch.stack([re * cos - im * sin, re * sin + im * cos], dim=-1).flatten(3).type_as(x)


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.heads, self.shared, self.size = s.heads, s.shared or s.heads, s.width // s.heads
        self.q = nn.Linear(s.width, s.heads * self.size, bias=False)
        self.kv = nn.Linear(s.width, 2 * self.shared * self.size, bias=False)
        self.out = nn.Linear(s.heads * self.size, s.width, bias=False)
        self.cache = torch.zeros(2, 1, s.length, self.shared, self.size)

    def forward(self, x, start, cos, sin, mask, cached):
        b, n, _ = x.shape
        q = turned(self.q(x).view(b, n, self.heads, self.size), cos, sin)
        k, v = self.kv(x).view(b, n, 2, self.shared, self.size).unbind(2)
        k = turned(k, cos, sin)
        if cached:
            self.cache[0, :b, start : start + n], self.cache[1, :b, start : start + n] = k, v
            k, v = self.cache[:, :b, : start + n]
        k, v = (t[:, :, :, None].expand(-1, -1, -1, self.heads // self.shared, -1).flatten(2, 3) for t in (k, v))
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        scores = torch.matmul(q, k.transpose(2, 3)) / math.sqrt(self.size)
        scores = F.softmax((scores if mask is None else scores + mask).float(), dim=-1).type_as(q)
        return self.out(torch.matmul(scores, v).transpose(1, 2).contiguous().view(b, n, -1))


class Gated(nn.Module):
    def __init__(self, width, multiple=8):
        super().__init__()
        hidden = multiple * ((8 * width // 3 + multiple - 1) // multiple)
        self.gate, self.up = (nn.Linear(width, hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.attention, self.gated = Attention(s), Gated(s.width)
        self.one, self.two = Scale(s.width), Scale(s.width)

    def forward(self, x, *rest):
        x = x + self.attention(self.one(x), *rest)
        return x + self.gated(self.two(x))


class Model(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.table = nn.Embedding(s.tokens, s.width)
        self.blocks = torch.nn.ModuleList()
        for _ in range(s.layers):
            self.blocks.append(Block(s))
        self.norm, self.head = Scale(s.width), nn.Linear(s.width, s.tokens, bias=False)
        for name, t in zip(("cos", "sin"), angles(s.width // s.heads, 2 * s.length)):
            self.register_buffer(name, t, persistent=False)

    def forward(self, tokens, start=0, cached=False):
        n = tokens.shape[1]
        h, mask = self.table(tokens), None
        if n > 1:
            mask = torch.triu(torch.full((n, n), float("-inf"), device=tokens.device), diagonal=1)
            mask = torch.hstack([torch.zeros((n, start)), mask]).type_as(h)
        for block in self.blocks:
            h = block(h, start, self.cos[start : start + n], self.sin[start : start + n], mask, cached)
        return self.head(self.norm(h)).float()


torch.manual_seed(42)
shape = Shape()
model = Model(shape)
print(model, asdict(shape), list(model.state_dict())[:5], len(model.state_dict()), len(list(model.buffers())))
adam = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1, betas=(0.9, 0.95), amsgrad=True)
average = {name: t.clone() for name, t in model.state_dict().items()}
schedule = torch.optim.lr_scheduler.SequentialLR(
    adam,
    [torch.optim.lr_scheduler.LinearLR(adam, 0.1, total_iters=3), torch.optim.lr_scheduler.CosineAnnealingLR(adam, 7)],
    milestones=[3],
)
text = torch.arange(200).mul(3).remainder(30)
for step in range(8):
    at = torch.randint(0, 180, (2,))
    x, y = (torch.stack([text[i + shift : i + shift + 12] for i in at]) for shift in (0, 1))
    logits = model(x)
    loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
    adam.zero_grad(set_to_none=True)
    loss.backward()
    size = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(p.grad) for p in model.parameters()]))
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
    adam.step()
    schedule.step()
    with torch.no_grad():
        for name, t in model.state_dict().items():
            average[name].lerp_(t, 0.1)
    print(f"{step:02d} {loss.item():.4f} {size.item():.4f} {adam.param_groups[0]['lr']:.2e}")
print(logits[0, 0, :3], loss)


def nucleus(p, mass):
    sorted_p, places = torch.sort(p, dim=-1, descending=True)
    sorted_p[torch.cumsum(sorted_p, dim=-1) - sorted_p > mass] = 0.0
    sorted_p.div_(sorted_p.sum(dim=-1, keepdim=True))
    return torch.gather(places, -1, torch.multinomial(sorted_p, num_samples=1))


@torch.inference_mode()
def written(prompt, more):
    model.eval()
    tokens = torch.full((1, len(prompt) + more), 0, dtype=torch.long)
    tokens[0, : len(prompt)] = torch.tensor(prompt, dtype=torch.long)
    before = 0
    for now in range(len(prompt), tokens.size(1)):
        p = torch.softmax(model(tokens[:, before:now], before, True)[:, -1] / 0.8, dim=-1)
        tokens[:, now], before = nucleus(p, 0.9).reshape(-1), now
    return tokens.tolist()


print(written([3, 6, 9], 10), {name: round(t.mean().item(), 5) for name, t in itertools.islice(average.items(), 4)})
q, kv = torch.ones(1, 4, 3, 2), torch.arange(12.0).view(1, 2, 3, 2)
print(F.scaled_dot_product_attention(q, kv, kv, enable_gqa=True), nn.RMSNorm(4)(torch.arange(8.0).view(2, 4)))
