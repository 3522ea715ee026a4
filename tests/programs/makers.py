"""Five ways to guess the next letter, trained by one loop: an endless sampler, scoring without gradients, choosing among the best few."""

import argparse
from dataclasses import dataclass, field

import torch
import torch.nn as nn
from torch.nn import functional as F
from torch.utils.data import Dataset
from torch.utils.data.dataloader import DataLoader

HIDDEN = -1  # a place that is not scored


@dataclass
class Sizes:
    letters: int = None
    span: int = None
    width: int = 12
    inner: int = 20
    notes: dict = field(default_factory=dict)


class Guesser(nn.Module):
    """Scores for each place of (rows, places) ids, and the mean loss where the next ids are given."""

    def __init__(self, sizes):
        super().__init__()
        self.sizes, self.sees = sizes, sizes.span

    def forward(self, ids, following=None):
        scores = self.scores(ids)
        if following is None:
            return scores, None
        return scores, F.cross_entropy(scores.flatten(0, 1), following.view(-1), ignore_index=HIDDEN)


class Counts(Guesser):
    def __init__(self, sizes):
        super().__init__(sizes)
        self.sees = 1
        self.table = nn.Parameter(torch.zeros((sizes.letters, sizes.letters)))

    def scores(self, ids):
        return self.table[ids]


class Window(Guesser):
    """The last ``span`` letters side by side; where the word has not begun, a letter of its own."""

    def __init__(self, sizes):
        super().__init__(sizes)
        self.letter = nn.Embedding(sizes.letters + 1, sizes.width)
        self.net = nn.Sequential(
            nn.Linear(sizes.span * sizes.width, sizes.inner), nn.Tanh(), nn.Linear(sizes.inner, sizes.letters)
        )

    def scores(self, ids):
        views = []
        while len(views) < self.sizes.span:
            views.append(self.letter(ids))
            ids = torch.roll(ids, 1, 1)
            ids[:, 0] = self.sizes.letters
        return self.net(torch.cat(views, -1))


class Average(Guesser):
    """What came so far, averaged, and a bend."""

    def __init__(self, sizes):
        super().__init__(sizes)
        self.letter, self.place = nn.Embedding(sizes.letters, sizes.width), nn.Embedding(sizes.span, sizes.width)
        self.bend = nn.ModuleDict(
            {"up": nn.Linear(sizes.width, sizes.inner), "down": nn.Linear(sizes.inner, sizes.width)}
        )
        self.last = nn.Linear(sizes.width, sizes.letters)
        self.register_buffer("past", torch.tril(torch.ones(sizes.span, sizes.span)).view(1, sizes.span, sizes.span))

    def scores(self, ids):
        rows, places = ids.size()
        order = torch.arange(0, places, dtype=torch.long, device=ids.device).unsqueeze(0)
        x = self.letter(ids) + self.place(order)
        share = torch.zeros((rows, places, places), device=ids.device)
        share = F.softmax(share.masked_fill(self.past[:, :places, :places] == 0, float("-inf")), dim=-1)
        x = x + share @ x
        return self.last(x + self.bend["down"](F.tanh(self.bend["up"](x))))


class Memory(Guesser):
    """One state carried from letter to letter: replaced each time, or only where two gates say so."""

    def __init__(self, sizes, gated):
        super().__init__(sizes)
        self.letter = nn.Embedding(sizes.letters, sizes.width)
        self.origin = nn.Parameter(torch.zeros(1, sizes.inner))
        self.proposal = nn.Linear(sizes.width + sizes.inner, sizes.inner)
        self.gates = nn.ModuleList([nn.Linear(sizes.width + sizes.inner, sizes.inner) for _ in range(2 * gated)])
        self.last = nn.Linear(sizes.inner, sizes.letters)

    def step(self, x, state):
        if not self.gates:
            return F.tanh(self.proposal(torch.cat([x, state], dim=1)))
        open_, forget = (F.sigmoid(gate(torch.cat([x, state], dim=1))) for gate in self.gates)
        new = F.tanh(self.proposal(torch.cat([x, forget * state], dim=1)))
        return torch.lerp(state, new, open_)

    def scores(self, ids):
        state = self.origin.expand((ids.size(0), -1))
        states = []
        for x in self.letter(ids).unbind(1):
            state = self.step(x, state)
            states.append(state)
        return self.last(torch.stack(states, 1))


class Names(Dataset):
    """(what is read, what follows) of a word: shifted by one place, id 0 before it and after it."""

    def __init__(self, words, alphabet, longest):
        self.words, self.alphabet, self.places = words, alphabet, longest + 1

    def __len__(self):
        return len(self.words)

    def __getitem__(self, i):
        ids = torch.tensor([self.alphabet.index(c) + 1 for c in self.words[i]], dtype=torch.long)
        read, follows = torch.zeros(2, self.places, dtype=torch.long)
        read[1 : 1 + len(ids)] = ids
        follows[: len(ids)] = ids
        follows[len(ids) + 1 :] = HIDDEN
        return read, follows

    def spell(self, ids):
        return "".join(self.alphabet[i - 1] for i in ids[: ids.index(0) if 0 in ids else None])


def endless(names, **options):
    sampler = torch.utils.data.RandomSampler(names, replacement=True, num_samples=int(1e10))
    yield from DataLoader(names, sampler=sampler, **options)


@torch.inference_mode()
def score(model, names, batches=10):
    model.eval()
    losses = []
    for read, follows in DataLoader(names, shuffle=True, batch_size=9, num_workers=0):
        losses.append(model(read.to(options.device), follows.to(options.device))[1].item())
        if len(losses) == batches:
            break
    model.train()
    return torch.tensor(losses).mean().item()


@torch.no_grad()
def write(model, rows, length, warmth=1.0, among=None, draw=True):
    ids = torch.zeros(rows, 1, dtype=torch.long).to(options.device)
    while ids.size(1) <= length:
        scores = model(ids[:, -model.sees :])[0][:, -1, :] / warmth
        if among is not None:
            best, _ = torch.topk(scores, among)
            scores[scores < best[:, [-1]]] = -float("Inf")
        chances = F.softmax(scores, dim=-1)
        following = torch.multinomial(chances, num_samples=1) if draw else torch.topk(chances, k=1, dim=-1)[1]
        ids = torch.cat((ids, following), dim=1)
    return ids[:, 1:].to("cpu").tolist()


reader = argparse.ArgumentParser(description="five models of names")
reader.add_argument("--device", default="cpu")
reader.add_argument("--rows", "-r", type=int, default=14)
reader.add_argument("--rate", type=float, default=6e-3)
options = reader.parse_args(["-r", "12"])
torch.manual_seed(3407)
torch.cuda.manual_seed_all(3407)
every = (
    "anna otto ida hanna emil ella lena noel nele milla mona simon liam leon mia maja nils stine fritz greta".split()
)
alphabet, longest = sorted(set("".join(every))), max(map(len, every))
mixed = [every[i] for i in torch.randperm(len(every)).tolist()]
known, unseen = Names(mixed[:-5], alphabet, longest), Names(mixed[-5:], alphabet, longest)
sizes = Sizes(letters=len(alphabet) + 1, span=longest + 1)
print(len(known), len(unseen), known[0], sizes)
for title, make in {
    "counts": Counts, "window": Window, "average": Average, "memory": lambda s: Memory(s, False),
    "gated memory": lambda s: Memory(s, True),
}.items():  # fmt: skip
    model = make(sizes)
    model.to(options.device)
    print(title, f"{sum(p.numel() for p in model.parameters())} numbers", model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=0.01, betas=(0.9, 0.99), eps=1e-8)
    for step, batch in enumerate(endless(known, batch_size=options.rows, pin_memory=False, num_workers=0)):
        read, follows = [part.to(options.device) for part in batch]
        _, loss = model(read, follows)
        model.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 6 == 0:
            print(f"step {step} | loss {loss.item():.4f}")
        if step == 12:
            break
    print(f"known {score(model, known):.4f} unseen {score(model, unseen):.4f}")
    print(
        [known.spell(ids) for ids in write(model, 3, longest, 0.9, among=5)],
        known.spell(write(model, 1, 4, draw=False)[0]),
    )
