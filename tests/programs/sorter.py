"""A network that learns which of some numbers comes at which place: a data set without end, draws with replacement, listeners."""

from collections import Counter

import torch
from torch import nn
from torch.utils import data

COUNT, RANGE = 5, 4
torch.manual_seed(21)


class Shuffled(data.Dataset):
    """Numbers as they come, and as they should stand. An item's own seed makes it the same whenever it is asked for."""

    def __init__(self, length, first_seed):
        self.length, self.first_seed = length, first_seed

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        g = torch.Generator().manual_seed(self.first_seed + i)
        numbers = torch.randint(0, RANGE, (COUNT,), generator=g)
        return numbers, numbers.sort().values


class Looking(nn.Module):
    """Each place asks all numbers, which answer by how well their key fits."""

    def __init__(self, width):
        super().__init__()
        self.number = nn.Embedding(RANGE, width)
        self.asks = nn.Parameter(torch.empty(COUNT, width))
        self.key, self.answer = nn.Linear(width, width, bias=False), nn.Linear(width, width)
        self.mix = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.ReLU(), nn.Linear(3 * width, width)
        )
        self.reading = nn.Linear(width, RANGE)
        nn.init.trunc_normal_(self.asks, std=0.3)

    def forward(self, numbers):
        there = self.number(numbers)
        there = there + there.mean(1, keepdim=True)
        fit = torch.einsum("pw,bnw->bpn", self.asks, self.key(there)).div(there.size(-1) ** 0.5)
        heard = torch.bmm(fit.softmax(2), self.answer(there)) + self.asks
        return self.reading(heard + self.mix(heard))


class Listeners(list):
    def tell(self, **facts):
        for listener in self:
            listener(**facts)


def taught(net, items, turns, listeners):
    draws = data.RandomSampler(items, replacement=True, num_samples=turns * 16)
    optimizer = torch.optim.RAdam(net.parameters(), lr=1e-2, betas=(0.9, 0.95))
    net.train()
    for turn, (numbers, wanted) in enumerate(data.DataLoader(items, batch_size=16, sampler=draws)):
        loss = nn.functional.cross_entropy(net(numbers).transpose(1, 2), wanted, label_smoothing=0.01)
        optimizer.zero_grad()
        loss.backward()
        length = nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        listeners.tell(turn=turn, loss=loss, length=length, wanted=wanted)


items = Shuffled(1000, 0)
print(len(items), items[3], items[3][0].equal(items[3][0]))
net = Looking(16)
print(net)
print(sum(p.numel() for p in net.parameters()), [name for name, _ in net.named_parameters()][:3])

asked = Counter()
listeners = Listeners()
listeners.append(lambda wanted, **_: asked.update(wanted[:, 0].tolist()))
listeners.append(
    lambda turn, loss, length, **_: print(f"{turn}: {loss.item():.4f}, {length:.3f}") if turn % 12 == 0 else None
)
taught(net, items, 60, listeners)
print(sorted(asked.items()))

net.eval()
with torch.no_grad():
    numbers, wanted = next(iter(data.DataLoader(Shuffled(40, 5000), batch_size=40)))
    said = net(numbers)
    best = said.argmax(2)
    print(said.shape, (best == wanted).float().mean(), (best == wanted).all(1).sum())
    print(numbers[:3].tolist(), best[:3].tolist(), said[0, 0].round(decimals=2))
