"""Pictures of discs: a convolutional GAN with activations in place, and a variational autoencoder of the same pictures."""

import random

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torch.utils.data

random.seed(11)
torch.manual_seed(11)
device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


class Discs(torch.utils.data.Dataset):
    def __init__(self, count, side):
        axis = torch.linspace(-1, 1, side)
        rows, columns = torch.meshgrid(axis, axis, indexing="ij")
        radius = 0.3 + 0.05 * (torch.arange(count) % 8)
        self.pictures = ((rows**2 + columns**2) < radius.view(-1, 1, 1)).float().unsqueeze(1)

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, i):
        return self.pictures[i] * 2 - 1, i % 8


class Painter(nn.Module):
    def __init__(self, noise, width):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(noise, width * 2, 4, 1, 0, bias=False), nn.BatchNorm2d(width * 2), nn.ReLU(True),
            nn.ConvTranspose2d(width * 2, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU6(inplace=True),
            nn.ConvTranspose2d(width, 1, 4, 2, 1, bias=False), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z):
        return self.layers(z)


class Critic(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, width * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(width * 2), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width * 2, width * 2, 3, 1, 1), nn.InstanceNorm2d(width * 2, affine=True), nn.ELU(inplace=True),
            nn.Conv2d(width * 2, 1, 4, 1, 0, bias=False), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x).view(-1)


def small_weights(module):
    kind = type(module).__name__
    if "Conv" in kind:
        nn.init.normal_(module.weight.data, 0.0, 0.02)
    elif kind == "BatchNorm2d":
        nn.init.normal_(module.weight.data, 1.0, 0.02)
        nn.init.constant_(module.bias.data, 0)


discs = Discs(24, 16)
loader = torch.utils.data.DataLoader(discs, batch_size=8, shuffle=True, num_workers=0)
painter, critic = Painter(6, 4).to(device), Critic(4).to(device)
painter.apply(small_weights)
critic.apply(small_weights)
print(painter, critic)
loss_of = nn.BCELoss()
steps = [optim.Adam(m.parameters(), lr=2e-3, betas=(0.5, 0.999)) for m in (painter, critic)]
kept = torch.randn(2, 6, 1, 1, device=device)
for epoch in range(2):
    for i, (real, _) in enumerate(loader):
        real = real.to(device)
        target = torch.full((real.size(0),), 1.0, dtype=torch.float, device=device)
        critic.zero_grad()
        seen = critic(real)
        true_loss = loss_of(seen, target)
        true_loss.backward()
        fake = painter(torch.randn(real.size(0), 6, 1, 1, device=device))
        false_loss = loss_of(critic(fake.detach()), target.fill_(0.0))
        false_loss.backward()
        steps[1].step()
        painter.zero_grad()
        fooled = loss_of(critic(fake), target.fill_(1.0))
        fooled.backward()
        steps[0].step()
        print(f"[{epoch}][{i}/{len(loader)}] {true_loss + false_loss:.4f} {fooled.item():.4f} {seen.mean().item():.4f}")
with torch.no_grad():
    print(painter.eval()(kept).cpu()[0, 0, :2, :4], sum(p.numel() for p in painter.parameters() if p.requires_grad))
print({name: tuple(t.shape) for name, t in critic.state_dict().items()}, critic(real[:2]), true_loss, sep="\n")


class Autoencoder(nn.Module):
    def __init__(self, inside, hidden, code):
        super().__init__()
        self.inside = inside
        self.down = nn.Linear(inside, hidden)
        self.mean, self.spread = nn.Linear(hidden, code), nn.Linear(hidden, code)
        self.up = nn.Sequential(nn.Linear(code, hidden), nn.SiLU(inplace=True), nn.Linear(hidden, inside), nn.Sigmoid())

    def forward(self, x):
        h = F.relu(self.down(x.view(-1, self.inside)))
        mean, spread = self.mean(h), self.spread(h)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * spread) if self.training else mean
        return self.up(z), mean, spread


pairs = torch.utils.data.TensorDataset(discs.pictures, torch.arange(24) % 8)
train, held_out = torch.utils.data.random_split(pairs, [16, 8], generator=torch.Generator().manual_seed(0))
coder = Autoencoder(256, 16, 3)
adam = optim.Adam(coder.parameters(), lr=1e-2)
plateau = optim.lr_scheduler.ReduceLROnPlateau(adam, mode="min", factor=0.5, patience=0, threshold=0.5)
for epoch in range(3):
    total = 0.0
    coder.train()
    for x, _ in torch.utils.data.DataLoader(train, batch_size=8, shuffle=True):
        made, mean, spread = coder(x)
        evidence = F.binary_cross_entropy(made, x.flatten(1), reduction="sum")
        divergence = -0.5 * torch.sum(1 + spread - mean.pow(2) - spread.exp())
        adam.zero_grad()
        (evidence + divergence).backward()
        adam.step()
        total += (evidence + divergence).item()
    coder.eval()
    with torch.no_grad():
        x, labels = next(iter(torch.utils.data.DataLoader(held_out, batch_size=8)))
        made, mean, spread = coder(x)
        error = F.mse_loss(made, x.flatten(1))
    plateau.step(error)
    print(f"{epoch} {total / len(train):.3f} {error:.4f} {plateau.get_last_lr()} {labels} {mean[0]}")
print(evidence, divergence, coder, adam, sep="\n")
