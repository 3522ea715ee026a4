"""A byte-pair tokenizer, then embeddings of its tokens, padded batches, masks, packed sequences and pooling."""

from collections import Counter
from typing import Tuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset


def get_stats(ids, counts=None):
    counts = {} if counts is None else counts
    for pair in zip(ids, ids[1:]):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def merge(ids, pair, idx):
    newids, i = [], 0
    while i < len(ids):
        if ids[i] == pair[0] and i < len(ids) - 1 and ids[i + 1] == pair[1]:
            newids.append(idx)
            i += 2
        else:
            newids.append(ids[i])
            i += 1
    return newids


text = "the quick brown fox jumps over the lazy dog. the dog sleeps; the fox does not."
ids = list(text.encode("utf-8"))
merges, vocab = {}, {idx: bytes([idx]) for idx in range(256)}
for i in range(12):
    stats = get_stats(ids)
    pair = max(stats, key=stats.get)
    ids = merge(ids, pair, 256 + i)
    merges[pair] = 256 + i
    vocab[256 + i] = vocab[pair[0]] + vocab[pair[1]]
print(merges)


def encode(s):
    t = list(s.encode())
    while len(t) >= 2:
        stats = get_stats(t)
        pair = min(stats, key=lambda p: merges.get(p, float("inf")))
        if pair not in merges:
            break
        t = merge(t, pair, merges[pair])
    return t


class Sentences(Dataset):
    def __init__(self, s):
        self.s = s

    def __len__(self):
        return len(self.s)

    def __getitem__(self, i):
        return torch.tensor(encode(self.s[i])), len(self.s[i]) % 2


def collate(batch):
    xs, ys = zip(*batch)
    lengths = torch.tensor([len(x) for x in xs])
    return pad_sequence(xs, batch_first=True, padding_value=0), torch.tensor(ys, dtype=torch.float32), lengths


torch.manual_seed(0)
ds = Sentences([s.strip() for s in text.split(".") if s] + ["the fox", "the dog", "over the lazy", "a"])
loader = DataLoader(ds, batch_size=3, shuffle=True, collate_fn=collate, drop_last=False)


class Model(nn.Module):
    def __init__(self, n, d):
        super().__init__()
        self.emb = nn.Embedding(n, d, padding_idx=0)
        self.bag = nn.EmbeddingBag(n, d, mode="mean")
        self.rnn = nn.LSTM(d, d, num_layers=2, bidirectional=True, batch_first=True, dropout=0.1)
        self.norm = nn.LayerNorm([2 * d], elementwise_affine=True)
        self.attn = nn.MultiheadAttention(2 * d, 2, batch_first=True)
        self.head = nn.Sequential(nn.Linear(3 * d, d), nn.SiLU(), nn.Dropout(p=0.2), nn.Linear(d, 1))
        self.alpha = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor, lengths: Tensor) -> Tuple[Tensor, Tensor]:
        mask = x == 0
        e = self.emb(x)
        packed = pack_padded_sequence(e, lengths.cpu(), batch_first=True, enforce_sorted=False)
        out, (h, c) = self.rnn(packed)
        out, ls = pad_packed_sequence(out, batch_first=True)
        assert torch.equal(ls, lengths)
        a, w = self.attn(out, out, out, key_padding_mask=mask)
        out = self.norm(out + self.alpha * a)
        pooled = out.masked_fill(mask.unsqueeze(-1), 0).sum(1) / lengths[:, None]
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)[:-1]])
        flat = x[~mask]
        z = torch.cat([pooled, self.bag(flat, offsets)], dim=-1)
        return self.head(z).squeeze(-1), w


model = Model(270, 8)
print(model)
opt = torch.optim.RMSprop(model.parameters(), lr=1e-2, momentum=0.9)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=1e-2, total_steps=12)
crit = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(1.5))
step = 0
for epoch in range(4):
    for xb, yb, lb in loader:
        opt.zero_grad()
        logits, w = model(xb, lb)
        loss = crit(logits, yb)
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        opt.step()
        if step < 12:
            sched.step()
        step += 1
        acc = ((logits > 0) == yb.bool()).float().mean()
        print(f"{epoch} {step} {loss.item():.5f} {acc:.3f} {sched.get_last_lr()[0]:.3e} {w.shape} {xb.shape}")
print(model.emb.weight[0], model.emb.weight.grad[0].abs().sum(), model.alpha)
with torch.no_grad():
    x, y, l = next(iter(DataLoader(ds, batch_size=6, collate_fn=collate)))
    model.eval()
    p = torch.sigmoid(model(x, l)[0])
    print(p, torch.topk(p, 2), p.argsort(descending=True), torch.where(p > 0.5))
print(Counter([w.item() for w in x.flatten()]).most_common(3))
