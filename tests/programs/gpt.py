"""A small causal Transformer of letters: heads side by side, residual blocks, training with AdamW, and what it writes."""

import torch
import torch.nn as nn
from torch.nn import functional as F

device = "cuda" if torch.cuda.is_available() else "cpu"
torch.manual_seed(1337)
RHYME = "one for sorrow, two for joy;\nthree for a girl, four for a boy;\nfive for silver, six for gold;\n" * 4
letters = sorted(list(set(RHYME)))
of_letter = {letter: i for i, letter in enumerate(letters)}
text = torch.tensor([of_letter[c] for c in RHYME], dtype=torch.long)
parts = dict(zip(("learn", "check"), text.split([int(0.85 * len(text)), len(text) - int(0.85 * len(text))])))
print(text.shape, text.dtype, text[:20], {name: part.shape for name, part in parts.items()})
SPAN, ROWS, WIDTH, HEADS, DEPTH, DROP = 16, 8, 32, 4, 2, 0.2


def excerpt(part):
    starts = torch.randint(len(parts[part]) - SPAN, (ROWS,))
    windows = torch.stack([parts[part][s : s + SPAN + 1] for s in starts]).to(device)
    return windows[:, :-1], windows[:, 1:]


class Attention(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, size, bias=False) for _ in range(3))
        self.register_buffer("past", torch.tril(torch.ones(SPAN, SPAN)))
        self.dropout = nn.Dropout(DROP)

    def forward(self, x):
        n = x.shape[1]
        fit = self.query(x) @ self.key(x).transpose(-2, -1) * self.key.out_features**-0.5
        fit = F.softmax(fit.masked_fill(self.past[:n, :n] == 0, float("-inf")), dim=-1)
        return self.dropout(fit) @ self.value(x)


class Residual(nn.Module):
    """x, and beside it attention by several heads, then a small network; each sees x normalised."""

    def __init__(self):
        super().__init__()
        self.before = nn.ModuleList([nn.LayerNorm(WIDTH) for _ in range(2)])
        self.heads = nn.ModuleList([Attention(WIDTH // HEADS) for _ in range(HEADS)])
        self.join = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Dropout(DROP))
        self.think = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.ReLU(), nn.Linear(4 * WIDTH, WIDTH), nn.Dropout(DROP)
        )

    def forward(self, x):
        seen = self.before[0](x)
        x = x + self.join(torch.cat([head(seen) for head in self.heads], dim=-1))
        return x + self.think(self.before[1](x))


class Writer(nn.Module):
    def __init__(self):
        super().__init__()
        self.letter, self.place = nn.Embedding(len(letters), WIDTH), nn.Embedding(SPAN, WIDTH)
        self.blocks = nn.Sequential(*[Residual() for _ in range(DEPTH)])
        self.out = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(letters)))
        self.apply(self.small)

    def small(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            torch.nn.init.zeros_(module.bias)

    def forward(self, ids, wanted=None):
        x = self.letter(ids) + self.place(torch.arange(ids.shape[1], device=ids.device))
        scores = self.out(self.blocks(x))
        if wanted is None:
            return scores, None
        return scores, F.cross_entropy(scores.view(-1, scores.shape[-1]), wanted.reshape(-1))

    def write(self, ids, count):
        for _ in range(count):
            scores, _ = self(ids[:, -SPAN:])
            following = torch.multinomial(F.softmax(scores[:, -1, :], dim=-1), num_samples=1)
            ids = torch.cat((ids, following), dim=1)
        return ids


@torch.no_grad()
def losses(model, repeats=4):
    model.eval()
    found = {}
    for part in parts:
        each = torch.zeros(repeats)
        for i in range(repeats):
            each[i] = model(*excerpt(part))[1].item()
        found[part] = each.mean()
    model.train()
    return found


model = Writer().to(device)
print(sum(p.numel() for p in model.parameters()) / 1e3, "thousand parameters")
print(model, [name for name, _ in model.named_buffers()])
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
print(optimizer)
for step in range(41):
    if step % 20 == 0:
        now = losses(model)
        print(f"step {step}: {now['learn']:.4f} {now['check']:.4f}")
    _, loss = model(*excerpt("learn"))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
print(loss, {name: p.grad.norm().item() for name, p in list(model.named_parameters())[:4]})
model.eval()
written = model.write(torch.zeros((1, 1), dtype=torch.long, device=device), 60)
print(repr("".join(letters[i] for i in written[0].tolist())), written.shape)
