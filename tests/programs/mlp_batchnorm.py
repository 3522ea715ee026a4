"""River names letter by letter: an MLP whose BatchNorm is written out, what its units do at first, and names it makes up."""

import torch
from torch.nn import functional as F

RIVERS = (
    "amazon nile yangtze mississippi yenisei ob parana congo amur lena mekong mackenzie niger murray volga madeira purus "
    "indus danube salween zambezi ganges brahmaputra orinoco ural colorado pechora kama tigris dnieper loire rhine elbe "
    "vistula oder douro ebro rhone seine thames garonne meuse po tiber arno drava sava tisza neva dvina severn tagus"
).split()
SPAN, WIDTH, UNITS, ROUNDS = 4, 8, 64, 120
LETTERS = "." + "".join(sorted({letter for name in RIVERS for letter in name}))
NUMBER = {letter: i for i, letter in enumerate(LETTERS)}


def windows(names):
    """Each letter, the end too, with the SPAN letters before it."""
    seen, wanted = [], []
    for name in names:
        padded = "." * SPAN + name + "."
        for at in range(SPAN, len(padded)):
            seen.append([NUMBER[c] for c in padded[at - SPAN : at]])
            wanted.append(NUMBER[padded[at]])
    return torch.tensor(seen), torch.tensor(wanted)


class Net:
    """Weights and running statistics by name; ``train`` decides whose mean and deviation are taken."""

    def __init__(self, seed):
        g = torch.Generator().manual_seed(seed)
        gain = torch.nn.init.calculate_gain("tanh")
        self.of = {
            "table": torch.randn(len(LETTERS), WIDTH, generator=g),
            "hidden": gain / (SPAN * WIDTH) ** 0.5 * torch.randn(SPAN * WIDTH, UNITS, generator=g),
            "scale": torch.ones(UNITS),
            "shift": torch.zeros(UNITS),
            "last": torch.randn(UNITS, len(LETTERS), generator=g) / 50,
            "lean": torch.zeros(len(LETTERS)),
        }
        for weight in self.of.values():
            weight.requires_grad_()
        self.mean, self.deviation = torch.zeros(1, UNITS), torch.ones(1, UNITS)

    def __call__(self, seen, train=False):
        of = self.of
        z = of["table"][seen].flatten(1) @ of["hidden"]
        if train:
            mean, deviation = z.mean(0, keepdim=True), z.std(0, keepdim=True)
            with torch.no_grad():
                self.mean = 0.9 * self.mean + 0.1 * mean
                self.deviation = 0.9 * self.deviation + 0.1 * deviation
        else:
            mean, deviation = self.mean, self.deviation
        self.act = torch.tanh(of["scale"] * (z - mean) / deviation + of["shift"])
        return self.act @ of["last"] + of["lean"]

    def descend(self, rate):
        """One step down; how large each was beside its weight, as a power of ten."""
        sizes = {}
        for name, weight in self.of.items():
            change = rate * weight.grad
            weight.data -= change
            sizes[name] = (change.std() / weight.data.std()).log10().item()
            weight.grad = None
        return sizes


order = torch.randperm(len(RIVERS), generator=torch.Generator().manual_seed(5)).tolist()
shuffled = [RIVERS[i] for i in order]
seen, wanted = windows(shuffled[:42])
held_seen, held_wanted = windows(shuffled[42:])
print(len(LETTERS), seen.shape, held_seen.shape, seen.dtype, seen[:3], wanted[:3])

net, g = Net(11), torch.Generator().manual_seed(12)
print({name: tuple(weight.shape) for name, weight in net.of.items()}, sum(w.numel() for w in net.of.values()))
history = []
for turn in range(ROUNDS):
    pick = torch.randint(len(seen), (24,), generator=g)
    loss = F.cross_entropy(net(seen[pick], train=True), wanted[pick])
    if turn == 0:
        net.act.retain_grad()
    loss.backward()
    if turn == 0:
        full = net.act.detach().abs()
        print(f"saturated {(full > 0.95).float().mean():.2%}", full.mean(), net.act.grad.std(), net.act)
        counts, edges = torch.histogram(net.act.detach(), bins=6, range=(-1.0, 1.0))
        print(counts, edges)
    sizes = net.descend(0.2 if turn < 90 else 0.02)
    history.append(loss.item())
    if turn % 30 == 0:
        print(f"{turn:4d} {loss:.4f}", {name: f"{size:.2f}" for name, size in sizes.items()})
print(loss, torch.tensor(history).view(-1, 30).mean(1))

with torch.no_grad():
    for title, x, y in (("seen", seen, wanted), ("held out", held_seen, held_wanted)):
        scores = net(x)
        right = (scores.argmax(1) == y).sum().item()
        print(title, f"{F.cross_entropy(scores, y).item():.5f}, {right} of {len(y)}")
    print(net.mean[0, :5], net.deviation[:, :5])
    draw = torch.Generator().manual_seed(13)
    for _ in range(6):
        name = ""
        while not name.endswith(".") and len(name) < 20:
            last = [NUMBER[c] for c in ("." * SPAN + name)[-SPAN:]]
            chances = F.softmax(net(torch.tensor([last])), dim=1)
            name += LETTERS[torch.multinomial(chances, 1, generator=draw).item()]
        print(name)
