"""A first evening with the library: tensors that share memory, gradients, a function of one's own, hooks, a small network."""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
numbers = np.array([[1, 2], [3, 4]])
shared, copied = torch.from_numpy(numbers), torch.tensor(numbers)
np.add(numbers, 1, out=numbers)
print(f"{shared}\n{copied}\n{torch.rand_like(shared, dtype=torch.float)}\n{torch.ones_like(shared)}")
ones = torch.ones(4, 4)
ones[:, 1] = 0
print(f"Shape {ones.shape}, dtype {ones.dtype}, on {ones.device}; row {ones[0]}; column {ones[..., -1]}")
into = torch.rand_like(ones)
torch.matmul(ones, ones.T, out=into)
torch.mul(into, 2, out=into)
print(into, torch.cat([ones, ones], dim=1).shape, ones.sum().item(), type(ones.sum().item()))
t = torch.ones(3)
n = t.numpy()
t.add_(1)
print(t, n, t.is_contiguous(), t.stride(), t.element_size(), torch.numel(t), torch.is_tensor(t))
a, b = torch.tensor([2.0, 3.0], requires_grad=True), torch.tensor([6.0, 4.0], requires_grad=True)
(3 * a**3 - b**2).backward(gradient=torch.tensor([1.0, 1.0]))
print(9 * a**2 == a.grad, -2 * b == b.grad)
z = torch.matmul(torch.ones(5), torch.randn(5, 3, requires_grad=True)) + torch.randn(3, requires_grad=True)
loss = F.binary_cross_entropy_with_logits(z, torch.zeros(3))
print(f"{z} {loss} {z.grad_fn} {loss.grad_fn} {z.requires_grad} {z.detach().requires_grad}")
x = torch.eye(2, 3, requires_grad=True)
out = (x + 1).pow(2).t()
for _ in range(2):
    out.backward(torch.ones_like(out), retain_graph=True)
    print(x.grad)
x.grad.zero_()


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x**2


points = torch.linspace(-math.pi, math.pi, 50, dtype=torch.float)
wave = torch.sin(points)
p, q = torch.full((), 0.0, requires_grad=True), torch.full((), -1.0, requires_grad=True)
for step in range(40):
    error = (p * points + q * 0.1 * Cube.apply(points) - wave).pow(2).sum()
    error.backward()
    with torch.no_grad():
        for w in (p, q):
            w -= 1e-4 * w.grad
            w.grad = None
print(f"{p.item():.4f} {q.item():.4f} {error.item():.3f}", Cube.apply(p), Cube.apply(p).grad_fn.name())
model = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0, 1))
powers, opt = points.unsqueeze(-1).pow(torch.tensor([1, 2, 3])), torch.optim.RMSprop(model.parameters(), lr=1e-3)
for _ in range(30):
    error = nn.MSELoss(reduction="sum")(model(powers), wave)
    opt.zero_grad()
    error.backward()
    opt.step()
print(error, nn.MSELoss()(model(powers), wave), model[0].bias.item() < 1, opt)


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 3, 5), nn.Conv2d(3, 4, 5)
        self.fc1, self.fc2 = nn.Linear(4 * 5 * 5, 12), nn.Linear(12, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))


net = Digits()
picture = torch.randn(2, 1, 32, 32)
print(net, len(list(net.parameters())), net(picture), net.conv1.bias.grad, sep="\n")
seen = {}
hooks = [
    layer.register_forward_hook(lambda m, i, o, name=name: seen.update({name: (i[0].shape, o.shape)}))
    for name, layer in net.named_children()
]
back = net.fc2.register_full_backward_hook(lambda m, gi, go: seen.update(back=(gi[0].shape, go[0].shape)))
net(picture).backward(torch.randn(2, 10))
for hook in (*hooks, back):
    hook.remove()
print(seen, net.conv1.bias.grad)
for w in net.parameters():
    w.data.sub_(w.grad.data * 0.01)
opt = torch.optim.SGD(
    [{"params": net.conv1.parameters()}, {"params": net.fc2.parameters(), "lr": 1e-3}], lr=1e-2, momentum=0.9
)
print(opt, [name for name, _ in net.named_modules()], opt.state_dict()["param_groups"], net.conv1.weight[0, 0, :2])
