"""A training run as repositories have it: a tied GPT, decay by kind of weight, a schedule, accumulation, a checkpoint taken up again."""

import inspect
import math
import os
import tempfile
from contextlib import nullcontext
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn as nn
from torch.distributed import destroy_process_group, init_process_group
from torch.nn import functional as F


@dataclass
class Plan:
    span: int = 16
    ids: int = 32
    depth: int = 2
    heads: int = 2
    width: int = 32
    drop: float = 0.1
    bias: bool = False
    fast: bool = True


class Norm(nn.Module):
    def __init__(self, width, bias):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class Mixing(nn.Module):
    def __init__(self, plan):
        super().__init__()
        self.plan = plan
        self.all_three = nn.Linear(plan.width, 3 * plan.width, bias=plan.bias)
        self.residual = nn.Linear(plan.width, plan.width, bias=plan.bias)
        self.drop_weights, self.drop_out = nn.Dropout(plan.drop), nn.Dropout(plan.drop)
        self.fast = plan.fast and hasattr(torch.nn.functional, "scaled_dot_product_attention")
        if not self.fast:
            self.register_buffer("past", torch.tril(torch.ones(plan.span, plan.span))[None, None])

    def forward(self, x):
        rows, places, width = x.size()
        q, k, v = (
            part.view(rows, places, self.plan.heads, width // self.plan.heads).transpose(1, 2)
            for part in self.all_three(x).split(width, dim=2)
        )
        if self.fast:
            drop = self.plan.drop if self.training else 0
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=None, dropout_p=drop, is_causal=True)
        else:
            fit = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
            fit = fit.masked_fill(self.past[:, :, :places, :places] == 0, float("-inf"))
            mixed = self.drop_weights(F.softmax(fit, dim=-1)) @ v
        return self.drop_out(self.residual(mixed.transpose(1, 2).contiguous().view(rows, places, width)))


class Thinking(nn.Sequential):
    def __init__(self, plan):
        super().__init__()
        self.add_module("open", nn.Linear(plan.width, 4 * plan.width, bias=plan.bias))
        self.add_module("bend", nn.GELU())
        self.add_module("residual", nn.Linear(4 * plan.width, plan.width, bias=plan.bias))
        self.add_module("drop", nn.Dropout(plan.drop))


class Model(nn.Module):
    def __init__(self, plan):
        super().__init__()
        self.plan = plan
        self.base = nn.ModuleDict(
            {
                "id": nn.Embedding(plan.ids, plan.width),
                "place": nn.Embedding(plan.span, plan.width),
                "drop": nn.Dropout(plan.drop),
                "mixing": nn.ModuleList([Mixing(plan) for _ in range(plan.depth)]),
                "thinking": nn.ModuleList([Thinking(plan) for _ in range(plan.depth)]),
                "norms": nn.ModuleList([Norm(plan.width, plan.bias) for _ in range(2 * plan.depth + 1)]),
            }
        )
        self.head = nn.Linear(plan.width, plan.ids, bias=False)
        self.base.id.weight = self.head.weight
        self.apply(self.first_values)
        for name, weight in self.named_parameters():
            if name.endswith("residual.weight"):
                torch.nn.init.normal_(weight, mean=0.0, std=0.02 / math.sqrt(2 * plan.depth))

    @staticmethod
    def first_values(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if getattr(module, "bias", None) is not None:
                torch.nn.init.zeros_(module.bias)

    def size(self, with_places=False):
        return sum(p.numel() for p in self.parameters()) - (0 if with_places else self.base.place.weight.numel())

    def forward(self, ids, wanted=None):
        places = torch.arange(0, ids.size(1), dtype=torch.long, device=ids.device)
        x = self.base.drop(self.base.id(ids) + self.base.place(places))
        norms = iter(self.base.norms)
        for mix, think in zip(self.base.mixing, self.base.thinking):
            x = x + mix(next(norms)(x))
            x = x + think(next(norms)(x))
        x = next(norms)(x)
        if wanted is None:
            return self.head(x[:, [-1], :]), None
        scores = self.head(x)
        return scores, F.cross_entropy(scores.view(-1, scores.size(-1)), wanted.view(-1), ignore_index=-1)

    def shorten(self, span):
        self.plan.span = span
        self.base.place.weight = nn.Parameter(self.base.place.weight[:span])
        for mix in self.base.mixing:
            if hasattr(mix, "past"):
                mix.past = mix.past[:, :, :span, :span]

    @torch.no_grad()
    def follow(self, ids, count, warmth, among):
        for _ in range(count):
            scores = self(ids if ids.size(1) <= self.plan.span else ids[:, -self.plan.span :])[0][:, -1, :] / warmth
            best, _ = torch.topk(scores, min(among, scores.size(-1)))
            scores[scores < best[:, [-1]]] = -float("Inf")
            ids = torch.cat((ids, torch.multinomial(F.softmax(scores, dim=-1), num_samples=1)), dim=1)
        return ids


def optimizer_of(model, rate, device):
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    groups = [
        {"params": [p for p in trained.values() if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in trained.values() if p.dim() < 2], "weight_decay": 0.0},
    ]
    print([(len(g["params"]), f"{sum(p.numel() for p in g['params']):,}") for g in groups])
    fused = "fused" in inspect.signature(torch.optim.AdamW).parameters and device == "cuda"
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), **({"fused": True} if fused else {}))


def rate_at(step, warm=3, end=12, high=1e-3, low=1e-4):
    if step < warm:
        return high * (step + 1) / (warm + 1)
    return low + 0.5 * (high - low) * (1.0 + math.cos(math.pi * min((step - warm) / (end - warm), 1.0)))


device, folder = "cpu", tempfile.mkdtemp()
kind = "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float16"
several = int(os.environ.get("RANK", -1)) != -1
if several:
    init_process_group(backend="nccl")
torch.manual_seed(1337)
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
lower = nullcontext() if device == "cpu" else torch.amp.autocast(device_type=device, dtype=kinds[kind])
numbers = np.cumsum(np.random.default_rng(0).integers(0, 3, 2000)) % 32
numbers.astype(np.uint16).tofile(os.path.join(folder, "numbers.bin"))


def excerpt(rows=4, span=16):
    data = np.memmap(os.path.join(folder, "numbers.bin"), dtype=np.uint16, mode="r")
    starts = torch.randint(len(data) - span, (rows,))
    both = torch.stack([torch.from_numpy(data[s : s + span + 1].astype(np.int64)) for s in starts])
    read, wanted = both[:, :-1].contiguous(), both[:, 1:].contiguous()
    if device == "cuda":
        return read.pin_memory().to(device, non_blocking=True), wanted.pin_memory().to(device, non_blocking=True)
    return read.to(device), wanted.to(device)


@torch.no_grad()
def scored(model, repeats=3):
    model.eval()
    losses = torch.zeros(repeats)
    for i in range(repeats):
        with lower:
            losses[i] = model(*excerpt())[1].item()
    model.train()
    return losses.mean()


for plan in (Plan(fast=False, bias=True), Plan()):
    model = Model(plan)
    model.to(device)
    print("%.2fK numbers" % (model.size() / 1e3,), model.size(True), plan)
scaler = torch.cuda.amp.GradScaler(enabled=(kind == "float16" and device == "cuda"))
optimizer = optimizer_of(model, 1e-3, device)
whole = torch.compile(model) if torch.cuda.is_available() else model
path, batch = os.path.join(folder, "state.pt"), excerpt()
for step in range(12):
    for group in optimizer.param_groups:
        group["lr"] = rate_at(step)
    if step % 6 == 0:
        loss = scored(whole)
        print(f"step {step}: {loss:.4f}")
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "plan": asdict(plan)}
        torch.save({**state, "step": step, "loss": loss, "config": {"rows": 4, "rate": rate_at(step)}}, path)
    for _ in range(2):
        with lower:
            part = whole(*batch)[1] / 2
        batch = excerpt()
        scaler.scale(part).backward()
    scaler.unscale_(optimizer)
    length = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    print(f"{step}: loss {part.item() * 2:.4f}, norm {length:.4f}, rate {rate_at(step):.6f}")

state = torch.load(path, map_location=device)
print(sorted(state), state["step"], state["loss"], state["plan"], state["config"])
model, values = Model(Plan(**state["plan"])), state["model"]
compiled = {"_orig_mod." + name: value for name, value in values.items()}
print(model.load_state_dict({name.removeprefix("_orig_mod."): value for name, value in compiled.items()}), len(values))
optimizer = optimizer_of(model, 1e-3, device)
optimizer.load_state_dict(state["optimizer"])
print(optimizer.param_groups[0]["lr"], len(optimizer.state_dict()["state"]))
model.eval()
model.shorten(8)
start = torch.tensor([0, 1, 3], dtype=torch.long, device=device)[None, ...]
with torch.no_grad(), lower:
    for _ in range(2):
        print(model.follow(start, 20, warmth=0.8, among=5)[0].tolist())
if several:
    destroy_process_group()
