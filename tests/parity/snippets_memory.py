"""How results lie in memory (strides decide which ``view`` is possible, and the order of random draws), and what has no dimensions or no elements."""

# Images with their channels last, as after a permutation, and the same turned; a batch that was expanded from one row.
IMAGES = "x = t.arange(2 * 4 * 6 * 8.0).view(2, 6, 8, 4).permute(0, 3, 1, 2); y = x.transpose(2, 3)"
ROWS = "e = t.arange(12.0).view(3, 4).expand(2, 3, 4)"

PROGRAMS = [
    f"{IMAGES}; [f(v).stride() for f in (nn.Conv2d(4, 6, 3), nn.Conv2d(4, 4, 3, 2, 1, groups=4), nn.ConvTranspose2d(4, 6, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4).eval(), nn.GroupNorm(2, 4)) for v in (x, y, x.contiguous())]",
    f"{IMAGES}; [f(v).stride() for f in (lambda v: F.max_pool2d(v, 2), lambda v: F.avg_pool2d(v, 3, 1, 1), lambda v: F.adaptive_avg_pool2d(v, 2), lambda v: F.adaptive_avg_pool2d(v, 3)) for v in (x, y, x.contiguous())] + [F.adaptive_avg_pool2d(x, (6, 8)).stride()]",
    f"{IMAGES}; [[r.stride() for r in f(v, 2, return_indices=True)] for f in (F.max_pool2d, F.adaptive_max_pool2d) for v in (x, y, x.contiguous())] + [F.lp_pool2d(v, 2, 2).stride() for v in (x, y)]",
    "x = t.arange(2 * 4 * 4 * 4 * 3.0).view(2, 4, 4, 4, 3).permute(0, 4, 1, 2, 3); [f(x, 2).stride() for f in (F.max_pool3d, F.avg_pool3d, F.adaptive_avg_pool3d, F.adaptive_max_pool3d)] + [F.adaptive_avg_pool3d(x, 3).stride(), F.lp_pool3d(x, 2, 2).stride()] + [[r.stride() for r in f(x, 2, return_indices=True)] for f in (F.max_pool3d, F.adaptive_max_pool3d)]",
    f"{IMAGES}; c = nn.GroupNorm(2, 4)(x); t.manual_seed(3); [c, F.dropout(c, 0.5), nn.Conv2d(4, 2, 1, bias=False)(x).shape]",
    "x = t.arange(24.0).view(2, 3, 4).transpose(1, 2); b = nn.BatchNorm1d(4); [b(x).stride(), b(x).view(2, -1), b.eval()(x).stride()]",
    f"{IMAGES}; [f(v).stride() for f in (lambda v: v.sum(2), lambda v: v.mean((0, 3)), lambda v: v.std(1), lambda v: v.var(1), lambda v: v.max(1).values, lambda v: v.min(3).values, lambda v: v.amax(2), lambda v: v.prod(1), lambda v: v.logsumexp(3), lambda v: v.norm(dim=1), lambda v: v.argmax(1)) for v in (x, y)]",
    f"{IMAGES}; [f(v).stride() for f in (lambda v: v.cumsum(1), lambda v: v.cumprod(2), lambda v: v.logcumsumexp(1), lambda v: v.masked_fill(v > 3, 0.0), lambda v: v.index_select(1, t.tensor([0, 2])), lambda v: v.tril(), lambda v: v.triu(1), lambda v: F.one_hot(v.long() % 3), lambda v: t.cdist(v, v)) for v in (x, y)]",
    f"{IMAGES}; i = t.zeros(2, 1, 6, 8, dtype=t.int64); [x.scatter(1, i, 1.0).stride(), x.scatter(1, i, x).stride(), x.scatter_add(1, i, x).stride(), x.sum(1).view(-1)[:3], x.max(1).values.view(-1)[:3], x.masked_fill(x > 3, 0.0).view(-1)[:6]]",
    # ------------------------------------------------------------ joining
    f"{IMAGES}; [t.cat([x, x], d).stride() for d in range(4)] + [t.cat([x, x.contiguous()], 1).stride(), t.cat([y, y], 1).stride(), t.cat([x.contiguous()] * 2).stride()]",
    f"{IMAGES}; [t.stack([x, x], d).stride() for d in range(5)] + [t.stack([y, x.transpose(2, 3)], 1).stride()]",
    "x = t.arange(6.0).view(2, 3).t(); [t.cat([x, x]).stride(), t.cat([x, x], 1).stride(), t.stack([x, x]).stride(), t.stack([x, x], 1).stride(), t.stack([x, x], 2).stride(), t.stack([x, x]).view(-1), t.stack([x, x], -1), t.stack([x[0], x[1]], 1)]",
    "x = t.arange(3); [t.stack([x, x, x]), t.stack([x, x], 1), t.stack([x[0], x[1]]), t.stack([t.ones(0, 2)] * 2).shape, t.stack([t.ones(0)] * 2, 1).shape]",
    "x = t.arange(24.0).view(1, 2, 3, 4).permute(0, 3, 1, 2).unsqueeze(0); [t.cat([x, x]).stride(), t.cat([x, x], 1).stride()]",
    # ------------------------------------------------------------ copies of what was expanded
    f"{ROWS}; [v.stride() for v in (e.clone(), e.double(), e.int(), e.bool(), e.half(), e.contiguous(), e.to(t.float64), e.repeat(1, 1, 1), t.zeros_like(e), e * 2, e.exp())]",
    f"{ROWS}; [e.clone().view(6, 4), e.long().view(-1), e.clone().permute(2, 0, 1).stride(), e.permute(2, 0, 1).clone().shape]",
    "x = t.ones(2, 1, requires_grad=True).expand(2, 3).clone(); y = x.view(-1); (y * t.arange(6.0)).sum().backward(); [y, x.stride()]",
    # ------------------------------------------------------------ without elements, without dimensions
    "x = t.zeros(0, 3, requires_grad=True); y = t.zeros(0, 3, requires_grad=True); z = F.linear(x, y); z.sum().backward(); [z.shape, x.grad.shape, y.grad.shape]",
    "x = t.zeros(4, 0, requires_grad=True); w = t.ones(2, 0, requires_grad=True); b = t.ones(2, requires_grad=True); z = F.linear(x, w, b); z.sum().backward(); [z, x.grad.shape, w.grad.shape, b.grad]",
    "x = t.ones(0, 3, requires_grad=True); w = t.ones(3, requires_grad=True); z = F.linear(x, w); z.sum().backward(); [z.shape, x.grad.shape, w.grad]",
    "x = t.tensor(2.0); [x.flip(0), x.flip(-1), x.flip(()), x.mT, x.adjoint(), x.T, x.transpose(0, -1), x.transpose(0, 0), x.roll(1), x.swapdims(-1, 0)]",
    "x = t.tensor(2.0); [said(lambda: x.transpose(0, 1)), said(lambda: x.flip(1)), said(lambda: x.roll(1, 0)), said(lambda: x.swapaxes(2, 0)), kind(lambda: t.ones(3).mT)]",
    "m = t.zeros(3, dtype=t.bool); m.copy_(t.ones(3, requires_grad=True)); n = t.zeros(3, dtype=t.int64); n[1:] = t.ones(2, requires_grad=True); [m, n, m.grad_fn is None, n.grad_fn is None]",
]
