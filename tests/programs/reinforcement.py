"""REINFORCE by hand, DQN with replay, LSTM cells unrolled, custom optimizer, functional API, EMA, checkpointing."""

import copy
import io
import math
import os
import random
import tempfile
from collections import OrderedDict, deque, namedtuple

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.optimizer import Optimizer
from torch.utils.checkpoint import checkpoint

torch.manual_seed(5)
random.seed(5)
Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))


class Env:
    def reset(self):
        self.s = 3
        return self.obs()

    def obs(self):
        return [self.s / 6, 1.0, (self.s - 3) / 3]

    def step(self, a):
        self.s += 1 if a == 1 else -1
        return self.obs(), float(self.s == 6), self.s in (0, 6)


class DQN(nn.Module):
    def __init__(self, n_obs, n_act):
        super(DQN, self).__init__()
        self.layer1 = nn.Linear(n_obs, 16)
        self.layer2 = nn.Linear(16, 16)
        self.layer3 = nn.Linear(16, n_act)

    def forward(self, x):
        return self.layer3(F.relu(self.layer2(F.relu(self.layer1(x)))))


policy, target = DQN(3, 2), DQN(3, 2)
print(target.load_state_dict(policy.state_dict()))
opt = optim.AdamW(policy.parameters(), lr=1e-2, amsgrad=True)
mem = deque([], maxlen=100)
env = Env()
steps = 0


def select(state):
    global steps
    eps = 0.05 + 0.85 * math.exp(-1.0 * steps / 50)
    steps += 1
    if random.random() > eps:
        with torch.no_grad():
            return policy(state).max(1).indices.view(1, 1)
    return torch.tensor([[random.randrange(2)]], dtype=torch.long)


for ep in range(6):
    state = torch.tensor(env.reset(), dtype=torch.float32).unsqueeze(0)
    total = 0
    for t in range(30):
        a = select(state)
        obs, r, done = env.step(a.item())
        reward = torch.tensor([r])
        nxt = None if done else torch.tensor(obs, dtype=torch.float32).unsqueeze(0)
        mem.append(Transition(state, a, nxt, reward))
        state = nxt
        if len(mem) >= 8:
            batch = Transition(*zip(*random.sample(mem, 8)))
            mask = torch.tensor(tuple(map(lambda s: s is not None, batch.next_state)), dtype=torch.bool)
            nn_ = [s for s in batch.next_state if s is not None]
            sb, ab, rb = torch.cat(batch.state), torch.cat(batch.action), torch.cat(batch.reward)
            q = policy(sb).gather(1, ab)
            v = torch.zeros(8)
            if nn_:
                with torch.no_grad():
                    v[mask] = target(torch.cat(nn_)).max(1).values
            loss = nn.SmoothL1Loss()(q, (v * 0.99 + rb).unsqueeze(1))
            opt.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_value_(policy.parameters(), 100)
            opt.step()
            ts, ps = target.state_dict(), policy.state_dict()
            for k in ps:
                ts[k] = ps[k] * 0.005 + ts[k] * 0.995
            target.load_state_dict(ts)
        if done:
            break
    print(ep, t, f"{loss.item():.5f}" if len(mem) >= 8 else None)
print(policy(torch.eye(3)), target.layer1.bias)


class LinReg(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm1 = nn.LSTMCell(1, 8)
        self.lstm2 = nn.GRUCell(8, 8)
        self.linear = nn.Linear(8, 1)

    def forward(self, input, future=0):
        outs = []
        h = torch.zeros(input.size(0), 8, dtype=torch.double)
        c = torch.zeros(input.size(0), 8, dtype=torch.double)
        h2 = torch.zeros(input.size(0), 8, dtype=torch.double)
        for it in input.split(1, dim=1):
            h, c = self.lstm1(it, (h, c))
            h2 = self.lstm2(h, h2)
            output = self.linear(h2)
            outs += [output]
        for i in range(future):
            h, c = self.lstm1(output, (h, c))
            h2 = self.lstm2(h, h2)
            output = self.linear(h2)
            outs += [output]
        return torch.cat(outs, dim=1)


seq = LinReg()
seq.double()
data = torch.sin(torch.arange(0, 30, dtype=torch.float64).view(3, 10))
inp, tgt = data[:, :-1], data[:, 1:]
crit = nn.MSELoss()
o = optim.LBFGS(seq.parameters(), lr=0.8, max_iter=6)
for i in range(2):

    def closure():
        o.zero_grad()
        out = seq(inp)
        loss = crit(out, tgt)
        print("loss:", f"{loss.item():.8f}")
        loss.backward()
        return loss

    o.step(closure)
with torch.no_grad():
    pred = seq(inp, future=4)
    print(pred[0])


class Lion(Optimizer):
    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        if not 0.0 <= lr:
            raise ValueError("Invalid learning rate: {}".format(lr))
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.data.mul_(1 - group["lr"] * group["weight_decay"])
                grad = p.grad
                state = self.state[p]
                if len(state) == 0:
                    state["exp_avg"] = torch.zeros_like(p)
                ea = state["exp_avg"]
                b1, b2 = group["betas"]
                update = ea * b1 + grad * (1 - b1)
                p.add_(update.sign_(), alpha=-group["lr"])
                ea.mul_(b2).add_(grad, alpha=1 - b2)
        return loss


net = nn.Sequential(OrderedDict([("a", nn.Linear(4, 8)), ("b", nn.Tanh()), ("c", nn.Linear(8, 2))]))
li = Lion(net.parameters(), lr=1e-2, weight_decay=0.1)
x = torch.randn(5, 4)
y = torch.randint(2, (5,))
for i in range(3):
    li.zero_grad()
    l = F.cross_entropy(net(x), y)
    l.backward()
    li.step()
    print(f"{l.item():.6f}")
print(li)
print({k: list(v) for k, v in li.state_dict()["state"].items()})
buf = io.BytesIO()
torch.save({"net": net.state_dict(), "opt": li.state_dict(), "epoch": 3, "rng": torch.get_rng_state()}, buf)
buf.seek(0)
ck = torch.load(buf, weights_only=True)
print(ck["epoch"], list(ck["net"]), ck["rng"].shape, ck["rng"].dtype, net.load_state_dict(ck["net"]))
li.load_state_dict(ck["opt"])
path = os.path.join(tempfile.mkdtemp(), "model.pth")
torch.save(net.state_dict(), path)
n2 = copy.deepcopy(net)
nn.init.zeros_(n2.a.weight)
n2.load_state_dict(torch.load(path))
print(torch.equal(n2.a.weight, net.a.weight), os.path.exists(path))
try:
    n2.load_state_dict({"a.weight": torch.zeros(1)}, strict=True)
except RuntimeError as e:
    print(e)
print(n2.load_state_dict({"zzz": torch.zeros(1)}, strict=False))
from torch.func import functional_call, grad, jacrev, vmap

params = {k: v.detach() for k, v in net.named_parameters()}


def lossf(p, x, y):
    return F.cross_entropy(functional_call(net, p, (x.unsqueeze(0),)), y.unsqueeze(0))


g = vmap(grad(lossf), in_dims=(None, 0, 0))(params, x, y)
print({k: v.shape for k, v in g.items()}, g["c.bias"])
print(
    jacrev(lambda v: v.sin().sum(0))(torch.eye(2)),
    torch.autograd.functional.jacobian(lambda v: v**2, torch.tensor([1.0, 2.0])),
    torch.autograd.functional.hessian(lambda v: (v**3).sum(), torch.tensor([1.0, 2.0])),
)
xx = torch.randn(4, 4, requires_grad=True)
yy = checkpoint(lambda t: net(t).sum(), xx, use_reentrant=False)
yy.backward()
print(xx.grad.norm())
# policy gradient by hand
pol = nn.Sequential(nn.Linear(3, 8), nn.Dropout(p=0.6), nn.ReLU(), nn.Linear(8, 2), nn.Softmax(dim=-1))
po = optim.Adam(pol.parameters(), lr=1e-2)
for ep in range(3):
    logps, rs = [], []
    s = env.reset()
    for t in range(10):
        pr = pol(torch.tensor(s).float().unsqueeze(0))
        a = pr.multinomial(1)
        logps.append(torch.log(pr.gather(1, a)).squeeze())
        s, r, d = env.step(a.item())
        rs.append(r - 0.1)
        if d:
            break
    R = 0
    ret = deque()
    for r in rs[::-1]:
        R = r + 0.9 * R
        ret.appendleft(R)
    ret = torch.tensor(ret)
    ret = (ret - ret.mean()) / (
        ret.std() + torch.finfo(torch.float32).eps.item()
        if hasattr(torch.finfo(torch.float32).eps, "item")
        else ret.std() + torch.finfo(torch.float32).eps
    )
    pl = torch.stack([-lp * r for lp, r in zip(logps, ret)]).sum()
    po.zero_grad()
    pl.backward()
    po.step()
    print(f"{pl.item():.5f}", t)
sd = optim.swa_utils.AveragedModel(net)
sd.update_parameters(net)
print(sd.n_averaged, type(sd.module).__name__)
with torch.autograd.set_detect_anomaly(True):
    (torch.ones(2, requires_grad=True) * 2).sum().backward()
