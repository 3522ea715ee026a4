"""A small denoising diffusion model with a U-Net, and graph convolution, Siamese, word vectors, matrix factorisation."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

torch.manual_seed(1)
T = 20


def linear_beta_schedule(timesteps):
    return torch.linspace(0.0001, 0.02, timesteps)


def cosine(timesteps, s=0.008):
    x = torch.linspace(0, timesteps, timesteps + 1)
    ac = torch.cos(((x / timesteps) + s) / (1 + s) * torch.pi * 0.5) ** 2
    ac = ac / ac[0]
    return torch.clip(1 - (ac[1:] / ac[:-1]), 0.0001, 0.9999)


betas = linear_beta_schedule(T)
print(cosine(5))
alphas = 1.0 - betas
ac = torch.cumprod(alphas, axis=0)
ac_prev = F.pad(ac[:-1], (1, 0), value=1.0)
sqrt_recip_alphas = torch.sqrt(1.0 / alphas)
sac = torch.sqrt(ac)
somac = torch.sqrt(1.0 - ac)
pv = betas * (1.0 - ac_prev) / (1.0 - ac)


def extract(a, t, x_shape):
    b = t.shape[0]
    out = a.gather(-1, t.cpu())
    return out.reshape(b, *((1,) * (len(x_shape) - 1))).to(t.device)


class Sinus(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, time):
        half = self.dim // 2
        e = math.log(10000) / (half - 1)
        e = torch.exp(torch.arange(half, device=time.device) * -e)
        e = time[:, None] * e[None, :]
        return torch.cat((e.sin(), e.cos()), dim=-1)


class Block(nn.Module):
    def __init__(self, i, o, t):
        super().__init__()
        self.proj = nn.Conv2d(i, o, 3, padding="same", padding_mode="reflect")
        self.norm = nn.GroupNorm(2, o)
        self.act = nn.SiLU(inplace=True)
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(t, 2 * o))
        self.res = nn.Conv2d(i, o, 1) if i != o else nn.Identity()

    def forward(self, x, t):
        scale, shift = self.time(t)[:, :, None, None].chunk(2, dim=1)
        h = self.norm(self.proj(x)) * (scale + 1) + shift
        return self.act(h) + self.res(x)


class Unet(nn.Module):
    def __init__(self, d=4):
        super().__init__()
        self.time = nn.Sequential(Sinus(d), nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, 4 * d))
        self.init_conv = nn.Conv2d(1, d, 3, padding=1)
        self.down = nn.ModuleList([nn.ModuleList([Block(d, 2 * d, 4 * d), nn.Conv2d(2 * d, 2 * d, 4, 2, 1)])])
        self.mid = Block(2 * d, 2 * d, 4 * d)
        self.attn = nn.MultiheadAttention(2 * d, 2, batch_first=True)
        self.up = nn.ModuleList([nn.ModuleList([Block(4 * d, d, 4 * d), nn.Upsample(scale_factor=2, mode="nearest")])])
        self.out = nn.Sequential(
            Block.__new__(Block) if False else nn.Conv2d(d, d, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(d, 1, 1),
        )

    def forward(self, x, t):
        x = self.init_conv(x)
        t = self.time(t)
        hs = []
        for b, down in self.down:
            x = b(x, t)
            hs.append(x)
            x = down(x)
        x = self.mid(x, t)
        B, C, H, W = x.shape
        f = x.flatten(2).permute(0, 2, 1)
        x = x + self.attn(f, f, f, need_weights=False)[0].permute(0, 2, 1).view(B, C, H, W)
        for b, up in self.up:
            x = torch.cat((up(x), hs.pop()), dim=1)
            x = b(x, t)
        return self.out(x)


m = Unet()
print(m)


def q_sample(x0, t, noise):
    return extract(sac, t, x0.shape) * x0 + extract(somac, t, x0.shape) * noise


opt = torch.optim.Adam(m.parameters(), lr=1e-3)
imgs = torch.rand(8, 1, 8, 8) * 2 - 1
for step in range(6):
    t = torch.randint(0, T, (4,)).long()
    x = imgs[torch.randperm(8)[:4]]
    noise = torch.randn_like(x)
    loss = F.smooth_l1_loss(m(q_sample(x, t, noise), t), noise)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(f"{step} {loss.item():.5f}")


@torch.no_grad()
def p_sample(x, t, i):
    bt = extract(betas, t, x.shape)
    mean = extract(sqrt_recip_alphas, t, x.shape) * (x - bt * m(x, t) / extract(somac, t, x.shape))
    return mean if i == 0 else mean + torch.sqrt(extract(pv, t, x.shape)) * torch.randn_like(x)


x = torch.randn(1, 1, 8, 8)
for i in reversed(range(T)):
    x = p_sample(x, torch.full((1,), i, dtype=torch.long), i)
print(x[0, 0, 0], x.clamp(-1, 1).add(1).div(2).mul(255).to(torch.uint8)[0, 0, 0])
# graph convolution
edge = torch.tensor([[0, 1, 1, 2, 3, 3], [1, 0, 2, 1, 0, 2]])


class GCN(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.lin = nn.Linear(i, o, bias=False)
        self.bias = nn.Parameter(torch.empty(o))
        self.reset_parameters()

    def reset_parameters(self):
        self.lin.reset_parameters()
        self.bias.data.zero_()

    def forward(self, x, ei):
        loop = torch.arange(x.size(0))
        ei = torch.cat([ei, torch.stack([loop, loop])], 1)
        x = self.lin(x)
        row, col = ei
        deg = torch.zeros(x.size(0)).scatter_add_(0, col, torch.ones(col.size(0)))
        dis = deg.pow(-0.5)
        dis[dis == float("inf")] = 0
        norm = dis[row] * dis[col]
        out = torch.zeros_like(x).index_add(0, col, norm.unsqueeze(-1) * x[row])
        return out + self.bias


gcn = nn.ModuleList([GCN(3, 4), GCN(4, 2)])
h = torch.eye(4, 3)
h = gcn[1](F.dropout(F.elu(gcn[0](h, edge)), p=0.5, training=True), edge)
print(h, F.log_softmax(h, 1))
h.sum().backward()
print(gcn[0].lin.weight.grad)


# word vectors by negative sampling, matrix factorisation with sparse-like embedding
class SG(nn.Module):
    def __init__(self, v, d):
        super().__init__()
        self.u = nn.Embedding(v, d)
        self.v = nn.Embedding(v, d)
        nn.init.uniform_(self.u.weight, -0.5 / d, 0.5 / d)
        nn.init.constant_(self.v.weight, 0)

    def forward(self, pu, pv, nv):
        eu, ev, en = self.u(pu), self.v(pv), self.v(nv)
        score = -F.logsigmoid(torch.clamp(torch.sum(torch.mul(eu, ev), dim=1), max=10, min=-10))
        neg = -torch.sum(F.logsigmoid(-torch.clamp(torch.bmm(en, eu.unsqueeze(2)).squeeze(), max=10, min=-10)), dim=1)
        return torch.mean(score + neg)


sg = SG(10, 4)
o = torch.optim.Adagrad(sg.parameters(), lr=0.1)
for i in range(4):
    l = sg(torch.randint(10, (6,)), torch.randint(10, (6,)), torch.randint(10, (6, 3)))
    o.zero_grad()
    l.backward()
    o.step()
    print(l)
print(
    F.cosine_similarity(sg.u.weight[:1], sg.u.weight),
    F.normalize(sg.u.weight[:2], dim=1),
    torch.cdist(sg.u.weight[:2], sg.u.weight[:3]),
)
trip = nn.TripletMarginLoss(margin=1.0, p=2)
print(
    trip(torch.randn(3, 4), torch.randn(3, 4), torch.randn(3, 4)),
    nn.CosineEmbeddingLoss()(torch.randn(3, 4), torch.randn(3, 4), torch.tensor([1, -1, 1])),
)


class Sq(Dataset):
    def __init__(s, n, k):
        s.n, s.k = n, k

    def __len__(s):
        return s.n

    def __getitem__(s, i):
        return {"x": torch.tensor([i, i * s.k]), "y": i * s.k, "n": f"item{i}", "f": float(i)}


ds = ConcatDataset([Sq(4, 2), Subset(Sq(10, 3), [1, 5, 9])])
print(len(ds), ds[5])
for b in DataLoader(ds, batch_size=3, sampler=WeightedRandomSampler([1, 2, 3, 4, 1, 1, 1], 6)):
    print(b)
print(list(BatchSampler(SubsetRandomSampler([3, 1, 4, 1, 5]), 2, False)))
for b in DataLoader(ds, batch_size=2, shuffle=True, num_workers=2, generator=torch.Generator().manual_seed(5)):
    print(b["n"], b["x"].tolist())
