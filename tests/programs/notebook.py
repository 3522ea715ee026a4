"""Cells of the lectures with prints of everything in the look of a notebook."""

import torch
import torch.nn.functional as F

a = torch.Tensor([2.0]).double()
a.requires_grad = True
b = torch.Tensor([-4.0]).double()
b.requires_grad = True
c = a + b
d = a * b + b**3
c = c + c + 1
c = c + 1 + c + (-a)
d = d + d * 2 + (b + a).relu()
d = d + 3 * d + (b - a).relu()
e = c - d
f = e**2
g = f / 2.0
g = g + 10.0 / f
g.backward()
print(g, a.grad, b.grad, a, c, f)
print(a.data.item(), a.grad.item(), g.data)
words = "emma olivia ava isabella sophia charlotte mia amelia harper evelyn abigail emily elizabeth mila ella avery sofia camila aria scarlett".split()
N = torch.zeros((27, 27), dtype=torch.int32)
chars = sorted(list(set("".join(words)) | set("abcdefghijklmnopqrstuvwxyz")))
stoi = {s: i + 1 for i, s in enumerate(chars)}
stoi["."] = 0
itos = {i: s for s, i in stoi.items()}
for w in words:
    chs = ["."] + list(w) + ["."]
    for ch1, ch2 in zip(chs, chs[1:]):
        N[stoi[ch1], stoi[ch2]] += 1
print(N)
print(N[0], N[0].dtype, N[:, 0].shape)
p = N[0].float()
p = p / p.sum()
print(p)
g = torch.Generator().manual_seed(2147483647)
p3 = torch.rand(3, generator=g)
p3 = p3 / p3.sum()
print(p3, torch.multinomial(p3, num_samples=100, replacement=True, generator=g))
P = (N + 1).float()
P /= P.sum(1, keepdims=True)
print(P[0].sum(), P.shape, P.sum(0, keepdim=True).shape, P.sum(1).shape)
g = torch.Generator().manual_seed(2147483647)
for i in range(5):
    out = []
    ix = 0
    while True:
        p = P[ix]
        ix = torch.multinomial(p, num_samples=1, replacement=True, generator=g).item()
        out.append(itos[ix])
        if ix == 0:
            break
    print("".join(out))
log_likelihood, n = 0.0, 0
for w in words[:3]:
    chs = ["."] + list(w) + ["."]
    for ch1, ch2 in zip(chs, chs[1:]):
        prob = P[stoi[ch1], stoi[ch2]]
        logprob = torch.log(prob)
        log_likelihood += logprob
        n += 1
        print(f"{ch1}{ch2}: {prob:.4f} {logprob:.4f}")
print(f"{log_likelihood=}")
nll = -log_likelihood
print(f"{nll=}")
print(f"{nll / n}")
xs, ys = [], []
for w in words[:1]:
    chs = ["."] + list(w) + ["."]
    for ch1, ch2 in zip(chs, chs[1:]):
        xs.append(stoi[ch1])
        ys.append(stoi[ch2])
xs = torch.tensor(xs)
ys = torch.tensor(ys)
xenc = F.one_hot(xs, num_classes=27).float()
print(xs, ys, xenc, xenc.shape, xenc.dtype)
g = torch.Generator().manual_seed(2147483647)
W = torch.randn((27, 27), generator=g, requires_grad=True)
for k in range(5):
    logits = xenc @ W
    counts = logits.exp()
    probs = counts / counts.sum(1, keepdims=True)
    loss = -probs[torch.arange(5), ys].log().mean() + 0.01 * (W**2).mean()
    print(loss.item())
    W.grad = None
    loss.backward()
    W.data += -50 * W.grad
print(loss, probs[0], W.grad[5], W[0, :3])
for i in range(5):
    x = xs[i].item()
    y = ys[i].item()
    print("bigram example %d: %s%s" % (i + 1, itos[x], itos[y]), "probability", probs[i, y].item())
print(
    torch.tensor(5.0),
    torch.tensor([1, 2]),
    torch.tensor([[1.5, 2], [3, 4]], dtype=torch.float64),
    torch.tensor(True),
    torch.tensor([]),
)
print(torch.arange(18), torch.arange(18).storage() if False else "", torch.arange(18).view(3, 3, 2))
emb = torch.randn((4, 3, 2), generator=g)
print(
    torch.cat(torch.unbind(emb, 1), 1).shape,
    emb.view(-1, 6).shape,
    (emb.view(4, 6) @ torch.randn((6, 100), generator=g)).shape,
)
h = torch.tanh(emb.view(-1, 6) * 1e4)
print(h, (h.abs() > 0.99).float().mean(), h.mean(), h.std())
print(torch.linspace(-3, 0, 5), 10 ** torch.linspace(-3, 0, 5))
x = torch.randn(1000, 10, generator=g)
w = torch.randn(10, 200, generator=g) / 10**0.5
y = x @ w
print(x.mean(), x.std(), y.mean(), y.std(), y.var(0, keepdim=True, unbiased=True)[0, :4])
hy, hx = torch.histogram(y.detach(), density=True)
print(hy[:5], hx[:5], hy.dtype)


def cmp(s, dt, t):
    ex = torch.all(dt == t.grad).item()
    app = torch.allclose(dt, t.grad)
    maxdiff = (dt - t.grad).abs().max().item()
    print(f"{s:15s} | approximate: {str(app):5s} | maxdiff: {maxdiff < 1e-7}")


logits = torch.randn(4, 5, generator=g, requires_grad=True)
Yb = torch.tensor([1, 0, 4, 2])
l = F.cross_entropy(logits, Yb)
l.backward()
dl = F.softmax(logits, 1)
dl[range(4), Yb] -= 1
dl /= 4
cmp("logits", dl, logits)
print(F.softmax(logits, 1)[0], dl[0] * 4, dl[0].sum())
m = logits.max(1, keepdim=True)
print(m, m.values.shape, m.indices, logits.max(), logits.T.shape, logits.T)
T = 8
torch.manual_seed(1337)
xb = torch.randn(2, T, 2)
wei = torch.tril(torch.ones(T, T))
wei = wei / wei.sum(1, keepdim=True)
print(wei, (wei @ xb)[0])
tril = torch.tril(torch.ones(T, T))
wei = torch.zeros((T, T)).masked_fill(tril == 0, float("-inf"))
print(wei, F.softmax(wei, dim=-1))
print(torch.softmax(torch.tensor([0.1, -0.2, 0.3, -0.2, 0.5]) * 8, dim=-1))
print(
    torch.randint(10, (3,)),
    torch.randperm(8),
    torch.rand(2, 2),
    torch.bernoulli(torch.full((2, 3), 0.3)),
    torch.normal(0.0, 1.0, (3,)),
)


class Linear:
    def __init__(self, fi, fo, bias=True):
        self.weight = torch.randn((fi, fo)) / fi**0.5
        self.bias = torch.zeros(fo) if bias else None

    def __call__(self, x):
        self.out = x @ self.weight
        if self.bias is not None:
            self.out += self.bias
        return self.out

    def parameters(self):
        return [self.weight] + ([] if self.bias is None else [self.bias])


L = Linear(3, 4)
o = L(torch.ones(2, 3))
print(o, L.parameters()[1].nelement())
print(
    1e-8 * torch.ones(2),
    torch.tensor([1e10, 1.0]),
    torch.tensor([0.00001, 1000.0]),
    torch.tensor([1, 2.5, float("nan"), float("inf")]),
    torch.zeros(2, 0),
    torch.full((2,), 1000000.0),
)
torch.set_printoptions(precision=2, sci_mode=False, linewidth=120)
print(torch.randn(3, 3), torch.rand(1001).sort()[0], torch.randn(40, 40))
torch.set_printoptions(profile="default")
