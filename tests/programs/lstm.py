"""An LSTM that learns to echo a sequence some steps later; DataLoader, scheduler, clipping, and the module's text."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split

torch.manual_seed(7)


class Echo(Dataset):
    def __init__(self, count, length, delay, symbols):
        self.x = torch.randint(0, symbols, (count, length))
        self.y = torch.roll(self.x, delay, dims=1)
        self.y[:, :delay] = -100

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class Net(nn.Module):
    def __init__(self, symbols, hidden):
        super().__init__()
        self.embed = nn.Embedding(symbols, 8)
        self.lstm = nn.LSTM(8, hidden, num_layers=2, batch_first=True, dropout=0.1)
        self.head = nn.Linear(hidden, symbols)

    def forward(self, x, state=None):
        h, state = self.lstm(self.embed(x), state)
        return self.head(h), state


data = Echo(64, 10, 2, 5)
train, test = random_split(data, [48, 16], generator=torch.Generator().manual_seed(1))
loader = DataLoader(train, batch_size=8, shuffle=True, drop_last=True)
net = Net(5, 16)
print(net)
print([(n, tuple(p.shape)) for n, p in net.named_parameters()])
opt = optim.Adam(net.parameters(), lr=1e-2)
sched = optim.lr_scheduler.StepLR(opt, step_size=2, gamma=0.5)
for epoch in range(4):
    net.train()
    total, seen = 0.0, 0
    for xb, yb in loader:
        logits, _ = net(xb)
        loss = F.cross_entropy(logits.reshape(-1, 5), yb.reshape(-1), ignore_index=-100)
        opt.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        opt.step()
        total += loss.item() * xb.size(0)
        seen += xb.size(0)
    sched.step()
    print(f"epoch {epoch}: {total / seen:.4f} norm {norm:.4f} lr {sched.get_last_lr()[0]:.4f}")
net.eval()
with torch.no_grad():
    x = torch.stack([x for x, _ in test])
    logits, (h, c) = net(x)
    print(logits.shape, h.shape, c.shape, logits.argmax(-1)[0])
    print(h[:, 0, :4])
    state, outs = None, []
    for t in range(x.size(1)):
        step, state = net(x[:, t : t + 1], state)
        outs.append(step)
    print((torch.cat(outs, 1) - logits).abs().max() < 1e-5)
gru = nn.GRU(3, 4, bidirectional=True)
out, h = gru(torch.randn(5, 2, 3))
print(gru, out.shape, h.shape, out[0, 0])
pairs = DataLoader(TensorDataset(torch.arange(6).float(), torch.arange(6) ** 2), batch_size=4)
for a, b in pairs:
    print(a, b)
