"""A user's program: a small GPT with a training loop, as nanoGPT writes it. Checked with mypy --strict, and run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import tinygrad_zth as torch
import tinygrad_zth.nn as nn
from tinygrad_zth import Tensor
from tinygrad_zth.nn import functional as F
from tinygrad_zth.utils.data import DataLoader, Dataset


@dataclass
class GPTConfig:
    block_size: int = 16
    vocab_size: int = 32
    n_layer: int = 2
    n_head: int = 2
    n_embd: int = 16
    dropout: float = 0.1
    bias: bool = True


class CausalSelfAttention(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        assert config.n_embd % config.n_head == 0
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.resid_dropout = nn.Dropout(config.dropout)
        self.n_head, self.dropout = config.n_head, config.dropout

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(C, dim=2)
        q, k, v = (t.view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0, is_causal=True)
        return self.resid_dropout(self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C)))


class Block(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(config.n_embd), nn.LayerNorm(config.n_embd)
        self.attn = CausalSelfAttention(config)
        self.mlp = nn.Sequential(
            nn.Linear(config.n_embd, 4 * config.n_embd), nn.GELU(), nn.Linear(4 * config.n_embd, config.n_embd)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList([Block(config) for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.wte.weight = self.lm_head.weight
        self.apply(self._init_weights)
        for name, p in self.named_parameters():
            if name.endswith("c_proj.weight"):
                torch.nn.init.normal_(p, mean=0.0, std=0.02 / math.sqrt(2 * config.n_layer))

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        device = idx.device
        t = idx.size(1)
        pos = torch.arange(0, t, dtype=torch.long, device=device)
        x = self.drop(self.wte(idx) + self.wpe(pos))
        for block in self.h:
            x = block(x)
        x = self.ln_f(x)
        if targets is None:
            return self.lm_head(x[:, [-1], :]), None
        logits = self.lm_head(x)
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)

    def configure_optimizers(self, weight_decay: float, lr: float, betas: tuple[float, float]) -> torch.optim.AdamW:
        params = {n: p for n, p in self.named_parameters() if p.requires_grad}
        groups = [
            {"params": [p for p in params.values() if p.dim() >= 2], "weight_decay": weight_decay},
            {"params": [p for p in params.values() if p.dim() < 2], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=lr, betas=betas)

    @torch.no_grad()
    def generate(self, idx: Tensor, max_new_tokens: int, temperature: float = 1.0, top_k: int | None = None) -> Tensor:
        for _ in range(max_new_tokens):
            logits, _ = self(idx[:, -self.config.block_size :])
            logits = logits[:, -1, :] / temperature
            if top_k is not None:
                v, _ = torch.topk(logits, min(top_k, logits.size(-1)))
                logits[logits < v[:, [-1]]] = -float("inf")
            idx_next = torch.multinomial(F.softmax(logits, dim=-1), num_samples=1)
            idx = torch.cat((idx, idx_next), dim=1)
        return idx


class Windows(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, data: Tensor, block: int) -> None:
        self.data, self.block = data, block

    def __len__(self) -> int:
        return len(self.data) - self.block

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        return self.data[i : i + self.block], self.data[i + 1 : i + 1 + self.block]


def get_lr(it: int, warmup: int, total: int, lr: float) -> float:
    if it < warmup:
        return lr * (it + 1) / (warmup + 1)
    return 0.1 * lr + 0.45 * lr * (1.0 + math.cos(math.pi * (it - warmup) / max(total - warmup, 1)))


@torch.no_grad()
def estimate_loss(model: GPT, loader: DataLoader[tuple[Tensor, Tensor]], batches: int) -> float:
    model.eval()
    losses = torch.zeros(batches)
    for k, (X, Y) in zip(range(batches), loader):
        loss = model(X, Y)[1]
        assert loss is not None
        losses[k] = loss.item()
    model.train()
    return float(losses.mean())


def main() -> None:
    torch.manual_seed(1337)
    text = torch.randint(0, 8, (80,)).repeat(4)
    model = GPT(GPTConfig())
    loader = DataLoader(Windows(text, 16), batch_size=8, shuffle=True, drop_last=True)
    optimizer = model.configure_optimizers(0.1, 3e-3, (0.9, 0.95))
    before = estimate_loss(model, loader, 4)
    step = 0
    for X, Y in loader:
        for group in optimizer.param_groups:
            group["lr"] = get_lr(step, 5, 30, 3e-3)
        _, loss = model(X, Y)
        assert loss is not None
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if step == 30:
            break
    after = estimate_loss(model, loader, 4)
    print(f"{before:.2f} {after:.2f} {norm.item():.2f} {sum(p.numel() for p in model.parameters())}")
    assert after < before
    print(model.generate(torch.zeros((1, 1), dtype=torch.long), 8, top_k=5)[0].tolist())


if __name__ == "__main__":
    main()
