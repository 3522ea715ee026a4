"""Layers written as plain classes, and a network that joins neighbours two by two until one place is left."""

import torch
import torch.nn.functional as F

WORDS = "anna otto ida hanna emil ella lena noel nele milla mona simon liam leon mia maja nils stine".split()
alphabet = "." + "".join(sorted(set("".join(WORDS))))
SPAN = 8
examples = [
    ([0] * SPAN + [alphabet.index(c) for c in word])[i : i + SPAN] + [alphabet.index((word + ".")[i])]
    for word in WORDS
    for i in range(len(word) + 1)
]
seen, wanted = (part.squeeze(1) if part.shape[1] == 1 else part for part in torch.tensor(examples).split([SPAN, 1], 1))
print(seen.shape, wanted.shape, seen[:3], wanted[:3])
for row, letter in zip(seen[:4], wanted[:4]):
    print("".join(alphabet[i.item()] for i in row), "->", alphabet[letter.item()])


class Layer:
    """Keeps what it last gave as ``out``; its ``weights`` are trained."""

    training = True

    def __init__(self, *weights):
        self.weights = list(weights)

    def __call__(self, x):
        self.out = self.compute(x)
        return self.out


class Table(Layer):
    def compute(self, i):
        return self.weights[0][i]


class Map(Layer):
    def compute(self, x):
        product = x @ self.weights[0]
        if len(self.weights) == 2:
            product += self.weights[1]
        return product


class Bend(Layer):
    def compute(self, x):
        return torch.tanh(x)


class Pairs(Layer):
    def compute(self, x):
        n, places, width = x.shape
        joined = x.view(n, places // 2, width * 2)
        return joined.squeeze(1) if joined.shape[1] == 1 else joined


class Even(Layer):
    """Mean 0 and variance 1 of each channel over everything else; running values once training is over."""

    def __init__(self, width, keep=0.9):
        super().__init__(torch.ones(width), torch.zeros(width))
        self.keep, self.mean, self.var = keep, torch.zeros(width), torch.ones(width)

    def compute(self, x):
        mean, var = self.mean, self.var
        if self.training:
            others = tuple(range(x.ndim - 1))
            mean, var = x.mean(others, keepdim=True), x.var(others, keepdim=True)
            with torch.no_grad():
                self.mean = self.keep * self.mean + (1 - self.keep) * mean
                self.var = self.keep * self.var + (1 - self.keep) * var
        return self.weights[0] * (x - mean) / torch.sqrt(var + 1e-5) + self.weights[1]


torch.manual_seed(42)
width, hidden = 10, 24
layers = [Table(torch.randn(len(alphabet), width))]
for inside in (width, hidden, hidden):
    layers += [Pairs(), Map(torch.randn(2 * inside, hidden) / (2 * inside) ** 0.5), Even(hidden), Bend()]
layers.append(Map(torch.randn(hidden, len(alphabet)) / hidden**0.5, torch.zeros(len(alphabet))))
with torch.no_grad():
    layers[-1].weights[0] *= 0.1
weights = [w for layer in layers for w in layer.weights]
for w in weights:
    w.requires_grad = True
print(sum(w.nelement() for w in weights), [type(layer).__name__ for layer in layers])


def through(x):
    for layer in layers:
        x = layer(x)
    return x


curve = []
for step in range(60):
    batch = torch.randint(0, len(seen), (16,))
    loss = F.cross_entropy(through(seen[batch]), wanted[batch])
    for w in weights:
        w.grad = None
    loss.backward()
    for w in weights:
        w.data += (-0.1 if step < 50 else -0.01) * w.grad
    curve.append(loss.log10().item())
    if step % 10 == 0:
        print(f"{step:4d}/{60:4d}: {loss.item():.4f}")
print(torch.tensor(curve).view(-1, 10).mean(1))
for layer in layers:
    print(type(layer).__name__, tuple(layer.out.shape))
    layer.training = False
with torch.no_grad():
    print("loss", F.cross_entropy(through(seen), wanted).item(), through(seen[[7]]).shape)
    for _ in range(5):
        letters = [0] * SPAN
        while len(letters) < SPAN + 12 and (len(letters) == SPAN or letters[-1]):
            chances = F.softmax(through(torch.tensor([letters[-SPAN:]])), dim=1)
            letters.append(torch.multinomial(chances, num_samples=1).item())
        print("".join(alphabet[i] for i in letters[SPAN:]))
