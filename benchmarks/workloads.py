"""Training steps and other work, written once in the torch-shaped API.

Each workload is a function of the framework, ``torch`` (PyTorch, or tinygrad_zth under that name): it
builds the model and its data from a fixed seed and returns the step, a function without arguments
that gives the loss (or something else that shows the work was done) as a float. The two frameworks
draw the same random numbers, so that their losses can be compared, and the driver does compare them.

What is timed is what a user would write: no workload asks for a path of its own in either framework.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .gpt import GPT, Size, greedy

Step = Callable[[], float]
#: Whether the larger rows are to be smaller: what ``benchmarks.gpu`` asks for on the simulated device, of the CPU as well.
REDUCED = "BENCHMARK_REDUCED" in os.environ


def _fewer(batch: int) -> int:
    """The batch, or, if rows are to be smaller, a sixteenth of it."""
    return max(batch // 16, 1) if REDUCED else batch


def mlp_bn(torch: Any) -> Step:
    """Lecture 3: the names' MLP with BatchNorm by hand, batch 32, hidden 200, plain gradient descent."""
    F = torch.nn.functional
    vocab, block, n_embd, n_hidden, batch = 27, 3, 10, 200, 32
    g = torch.Generator().manual_seed(2147483647)
    C = torch.randn((vocab, n_embd), generator=g)
    W1 = torch.randn((n_embd * block, n_hidden), generator=g) * (5 / 3) / ((n_embd * block) ** 0.5)
    W2 = torch.randn((n_hidden, vocab), generator=g) * 0.01
    b2 = torch.randn(vocab, generator=g) * 0
    bngain, bnbias = torch.ones((1, n_hidden)), torch.zeros((1, n_hidden))
    bnmean_running, bnstd_running = torch.zeros((1, n_hidden)), torch.ones((1, n_hidden))
    parameters = [C, W1, W2, b2, bngain, bnbias]
    for p in parameters:
        p.requires_grad = True
    X = torch.randint(0, vocab, (180_000, block), generator=g)
    Y = torch.randint(0, vocab, (180_000,), generator=g)

    def step() -> float:
        nonlocal bnmean_running, bnstd_running
        ix = torch.randint(0, X.shape[0], (batch,), generator=g)
        Xb, Yb = X[ix], Y[ix]
        emb = C[Xb]
        embcat = emb.view(emb.shape[0], -1)
        hpreact = embcat @ W1
        bnmeani = hpreact.mean(0, keepdim=True)
        bnstdi = hpreact.std(0, keepdim=True)
        hpreact = bngain * (hpreact - bnmeani) / bnstdi + bnbias
        with torch.no_grad():
            bnmean_running = 0.999 * bnmean_running + 0.001 * bnmeani
            bnstd_running = 0.999 * bnstd_running + 0.001 * bnstdi
        h = torch.tanh(hpreact)
        logits = h @ W2 + b2
        loss = F.cross_entropy(logits, Yb)
        for p in parameters:
            p.grad = None
        loss.backward()
        lr = 0.1
        for p in parameters:
            p.data += -lr * p.grad
        return loss.item()

    return step


def wavenet(torch: Any) -> Step:
    """Lecture 5: its own layer classes, block 8, hidden 128, batch 32, three levels of the tree."""
    F = torch.nn.functional
    from .lecture_layers import layers

    L = layers(torch)
    torch.manual_seed(42)
    vocab, block, n_embd, n_hidden, batch = 27, 8, 24, 128, 32
    model = L.Sequential([
        L.Embedding(vocab, n_embd),
        L.FlattenConsecutive(2), L.Linear(n_embd * 2, n_hidden, bias=False), L.BatchNorm1d(n_hidden), L.Tanh(),
        L.FlattenConsecutive(2), L.Linear(n_hidden * 2, n_hidden, bias=False), L.BatchNorm1d(n_hidden), L.Tanh(),
        L.FlattenConsecutive(2), L.Linear(n_hidden * 2, n_hidden, bias=False), L.BatchNorm1d(n_hidden), L.Tanh(),
        L.Linear(n_hidden, vocab),
    ])  # fmt: skip
    with torch.no_grad():
        model.layers[-1].weight *= 0.1
    parameters = model.parameters()
    for p in parameters:
        p.requires_grad = True
    X = torch.randint(0, vocab, (180_000, block))
    Y = torch.randint(0, vocab, (180_000,))

    def step() -> float:
        ix = torch.randint(0, X.shape[0], (batch,))
        Xb, Yb = X[ix], Y[ix]
        logits = model(Xb)
        loss = F.cross_entropy(logits, Yb)
        for p in parameters:
            p.grad = None
        loss.backward()
        for p in parameters:
            p.data += -0.1 * p.grad
        return loss.item()

    return step


def lstm(torch: Any) -> Step:
    """A character LSTM: 64 hidden units, 32 sequences of 16 tokens, AdamW."""
    nn, F = torch.nn, torch.nn.functional
    torch.manual_seed(0)
    vocab, hidden, batch, time = 27, 64, _fewer(32), 16
    embedding, rnn, head = nn.Embedding(vocab, hidden), nn.LSTM(hidden, hidden, batch_first=True), None
    head = nn.Linear(hidden, vocab)
    model = nn.ModuleList([embedding, rnn, head])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    tokens = torch.randint(0, vocab, (64, batch, time + 1))
    place = 0

    def step() -> float:
        nonlocal place
        xy = tokens[place % 64]
        place += 1
        out, _ = rnn(embedding(xy[:, :-1]))
        loss = F.cross_entropy(head(out).view(-1, vocab), xy[:, 1:].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _image_step(torch: Any, model: Any, batch: int) -> Step:
    F = torch.nn.functional
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x = torch.randn(batch, 3, 32, 32)
    y = torch.randint(0, 10, (batch,))

    def step() -> float:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def conv(torch: Any) -> Step:
    """Three convolutions with BatchNorm and ReLU, 16-32-64 channels, stride 1-2-2, 64 images 3 x 32 x 32."""
    nn = torch.nn
    torch.manual_seed(0)
    blocks: list[Any] = []
    for fan_in, fan_out, stride in ((3, 16, 1), (16, 32, 2), (32, 64, 2)):
        blocks += [
            nn.Conv2d(fan_in, fan_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(fan_out),
            nn.ReLU(),
        ]
    model = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    return _image_step(torch, model, _fewer(64))


def resnet(torch: Any) -> Step:
    """ResNet-8 for small images (He et al. 2016, section 4.2, n = 1): 16-32-64 channels, 32 images."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self, fan_in: int, fan_out: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(fan_in, fan_out, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(fan_out)
            self.conv2 = nn.Conv2d(fan_out, fan_out, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(fan_out)
            self.shortcut = nn.Identity()
            if stride != 1 or fan_in != fan_out:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(fan_in, fan_out, 1, stride, bias=False), nn.BatchNorm2d(fan_out)
                )

        def forward(self, x: Any) -> Any:
            h = F.relu(self.bn1(self.conv1(x)))
            return F.relu(self.bn2(self.conv2(h)) + self.shortcut(x))

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    return _image_step(torch, model, _fewer(32))


def gpt_step(torch: Any, size: Size, batch: int, written_out: bool = False) -> Step:
    """A GPT of this size, AdamW and clipping, on random tokens."""
    torch.manual_seed(1337)
    model = GPT(torch, size, written_out)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1)
    tokens = torch.randint(0, size.vocab, (8, batch, size.block + 1))
    place = 0

    def step() -> float:
        nonlocal place
        xy = tokens[place % 8]
        place += 1
        loss = model(xy[:, :-1], xy[:, 1:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


SMALL = Size(layers=4, heads=4, channels=128, block=64)
BABY = Size(layers=6, heads=6, channels=384, block=64 if REDUCED else 256)


def gpt_small(torch: Any) -> Step:
    """A GPT of 4 layers, 4 heads, 128 channels, block 64, batch 12, AdamW and clipping."""
    return gpt_step(torch, SMALL, _fewer(12))


def gpt_small_written_out(torch: Any) -> Step:
    """The same, attention written as a product, a mask, a softmax and a product."""
    return gpt_step(torch, SMALL, _fewer(12), written_out=True)


def gpt_baby(torch: Any) -> Step:
    """A GPT of 6 layers, 6 heads, 384 channels, block 256, batch 8, AdamW and clipping."""
    return gpt_step(torch, BABY, _fewer(8))


def _generate(torch: Any, cache: bool) -> Step:
    torch.manual_seed(1337)
    model = GPT(torch, SMALL).eval()
    start = torch.zeros((1, 1), dtype=torch.long)
    return lambda: float(greedy(torch, model, start, 63, cache).sum().item())


def generate(torch: Any) -> Step:
    """64 tokens from the small GPT, one text, every token from the whole text before it."""
    return _generate(torch, cache=False)


def generate_cached(torch: Any) -> Step:
    """The same, keys and values kept."""
    return _generate(torch, cache=True)


def _optimizer(torch: Any, make: Callable[[list[Any]], Any]) -> Step:
    torch.manual_seed(0)
    shapes = [(32, 32), (32,), (64, 16), (64,), (8, 8, 3)] * 20
    parameters = [torch.nn.Parameter(torch.randn(*shape)) for shape in shapes]
    for p in parameters:
        p.grad = torch.randn(*p.shape)
    optimizer = make(parameters)

    def step() -> float:
        optimizer.step()
        return float(parameters[0][0, 0].item())

    return step


def sgd(torch: Any) -> Step:
    """A step of SGD with momentum over 100 small tensors."""
    return _optimizer(torch, lambda p: torch.optim.SGD(p, lr=1e-4, momentum=0.9))


def adam(torch: Any) -> Step:
    """A step of Adam over 100 small tensors."""
    return _optimizer(torch, lambda p: torch.optim.Adam(p, lr=1e-4))


def adamw(torch: Any) -> Step:
    """A step of AdamW over 100 small tensors."""
    return _optimizer(torch, lambda p: torch.optim.AdamW(p, lr=1e-4))


WORKLOADS: dict[str, Callable[[Any], Step]] = {
    "mlp_bn": mlp_bn,
    "wavenet": wavenet,
    "lstm": lstm,
    "conv": conv,
    "resnet": resnet,
    "gpt_small": gpt_small,
    "gpt_small_written_out": gpt_small_written_out,
    "gpt_baby": gpt_baby,
    "generate": generate,
    "generate_cached": generate_cached,
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
}

#: torch time / our time that a row is held to.
BARS = {
    "mlp_bn": 2.0, "wavenet": 1.3, "lstm": 1.2, "conv": 0.7, "gpt_small": 1.1, "gpt_small_written_out": 1.1,
    "gpt_baby": 1.05, "generate": 2.0, "generate_cached": 2.0, "sgd": 1.5, "adam": 1.5, "adamw": 1.5,
}  # fmt: skip
