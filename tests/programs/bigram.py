"""Which letter follows which: a table of counts, what it writes, how likely it finds a list of words, and the table found by descent."""

import torch
import torch.nn.functional as F

WORDS = "anna otto ida hanna emil ella lena noel nele milla mona simon liam leon mia maja nils stine".split()
EDGE = "|"
alphabet = EDGE + "".join(sorted(set("".join(WORDS))))
number = {letter: i for i, letter in enumerate(alphabet)}
size = len(alphabet)


def steps(words):
    for word in words:
        closed = EDGE + word + EDGE
        yield from zip(closed, closed[1:])


counts = torch.zeros((size, size), dtype=torch.int32)
for left, right in steps(WORDS):
    counts[number[left], number[right]] += 1
print(counts[:5], counts.dtype, counts[0, 1].item(), type(counts[0, 1]), counts.sum(1, keepdim=True).shape)
print(counts.sum(0, keepdim=True)[0, :6], counts.sum(), counts.max(1).indices)

first = counts[0].float()
first = first / first.sum()
draw = torch.Generator().manual_seed(2147483647)
print(first, torch.rand(3, generator=draw), torch.multinomial(first, num_samples=20, replacement=True, generator=draw))
chance = (counts + 1).float()
chance /= chance.sum(1, keepdims=True)
print(chance[2].sum(), chance[:2, :5])


def write(chances_of, generator, longest=30):
    letters, at = [], 0
    for _ in range(longest):
        at = torch.multinomial(chances_of(at), num_samples=1, replacement=True, generator=generator).item()
        letters.append(alphabet[at])
        if at == 0:
            break
    return "".join(letters)


draw = torch.Generator().manual_seed(2147483647)
print([write(lambda at: chance[at], draw) for _ in range(8)])

total, pairs = 0.0, 0
for left, right in steps(WORDS[:4]):
    likely = chance[number[left], number[right]]
    total += torch.log(likely)
    pairs += 1
    print(f"{left}{right}: {likely:.4f} {torch.log(likely):.4f}")
print(f"{total=}", f"{-total / pairs}", -total)

given = torch.tensor([number[left] for left, _ in steps(WORDS)])
wanted = torch.tensor([number[right] for _, right in steps(WORDS)])
rows = torch.arange(given.nelement())
lit = F.one_hot(given, num_classes=size).float()
print(lit.shape, lit.dtype, lit[:2], (lit.argmax(1) == given).all())
table = torch.randn((size, size), generator=torch.Generator().manual_seed(2147483647), requires_grad=True)
print(table[:3, :6])
for step in range(24):
    weights = (lit @ table).exp()
    share = weights / weights.sum(1, keepdims=True)
    loss = -share[rows, wanted].log().mean() + 0.01 * (table**2).mean()
    table.grad = None
    loss.backward()
    table.data += -40 * table.grad
    if step % 6 == 0:
        print(step, loss.item(), loss)
print(table.grad[:2, :5], loss.grad_fn)
draw = torch.Generator().manual_seed(5)
print([write(lambda at: F.softmax(table[at], 0), draw) for _ in range(4)])
