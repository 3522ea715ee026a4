"""The MLP with batch normalisation, trained without autograd: every gradient is written by hand.

What it adds to mlp_bn: nothing to the network, and all that ``loss.backward()`` did for it. First each
intermediate result of the forward pass gets its gradient, one line for each line of the forward pass, in
reverse (:func:`every_gradient`). Then cross-entropy is differentiated as one formula, and so is batch
normalisation, where nearly everything cancels; with these the network is trained. Training begins by
comparing all of them with autograd, by :func:`cmp`.

    python -m models.backprop train --out runs/backprop
    python -m models.backprop sample --out runs/backprop

After A. Karpathy's makemore, part 4, "becoming a backprop ninja"; batch normalisation and its gradient:
Ioffe and Szegedy, 2015.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tinygrad_zth import nn

from .shared.command_line import main
from .shared.names_training import LECTURE_TRAINING, NAMES_TRAINING
from .shared.observer import Observer
from .shared.settings import Preset, Settings, setting
from .shared.spec import ModelSpec
from .shared.trainer import Trainer
from .tasks.names import NamesTask
from .tasks.task import Batch

# n: examples, T: characters of context, C: channels of a character, H: hidden units, V: characters (27).
# dx is the gradient of the loss with respect to x, of x's shape.

Tensors = dict[str, torch.Tensor]
EPS = 1e-5


@dataclass(frozen=True)
class BackpropConfig(Settings):
    """The size of the network."""

    vocab_size: int = setting(27, "different characters", at_least=1, hidden=True)
    block_size: int = setting(3, "characters of context", at_least=1)
    n_embd: int = setting(10, "channels of a character", at_least=1)
    n_hidden: int = setting(200, "hidden units", at_least=1)
    bn_momentum: float = setting(0.01, "weight of a batch in the running statistics", at_least=0, below=1)


# ---- every intermediate result, and its gradient -------------------------------------------------


def every_step(p: Mapping[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> Tensors:
    """The forward pass in the smallest steps: contexts ``x`` (n, T), targets ``y`` (n,), to all that lies between.

    p: the parameters C, W1, b1, bngain, bnbias, W2, b2 (their shapes: :class:`BackpropMLP`).
    """
    n = len(x)
    t: Tensors = {}
    t["emb"] = p["C"][x]  # (n, T, C)
    t["embcat"] = t["emb"].view(n, -1)  # (n, T * C)
    # linear layer 1
    t["hprebn"] = t["embcat"] @ p["W1"] + p["b1"]  # (n, H)
    # batch normalisation
    t["bnmeani"] = 1 / n * t["hprebn"].sum(0, keepdim=True)  # (1, H)
    t["bndiff"] = t["hprebn"] - t["bnmeani"]
    t["bndiff2"] = t["bndiff"] ** 2
    t["bnvar"] = 1 / (n - 1) * t["bndiff2"].sum(0, keepdim=True)  # (1, H); Bessel's correction
    t["bnvar_inv"] = (t["bnvar"] + EPS) ** -0.5
    t["bnraw"] = t["bndiff"] * t["bnvar_inv"]
    t["hpreact"] = p["bngain"] * t["bnraw"] + p["bnbias"]
    # nonlinearity, linear layer 2
    t["h"] = torch.tanh(t["hpreact"])  # (n, H)
    t["logits"] = t["h"] @ p["W2"] + p["b2"]  # (n, V)
    # cross-entropy
    t["logit_maxes"] = t["logits"].max(1, keepdim=True).values  # (n, 1), for safety only
    t["norm_logits"] = t["logits"] - t["logit_maxes"]
    t["counts"] = t["norm_logits"].exp()
    t["counts_sum"] = t["counts"].sum(1, keepdim=True)  # (n, 1)
    t["counts_sum_inv"] = t["counts_sum"] ** -1
    t["probs"] = t["counts"] * t["counts_sum_inv"]
    t["logprobs"] = t["probs"].log()
    t["loss"] = -t["logprobs"][torch.arange(n), y].mean()
    return t


def every_gradient(p: Mapping[str, torch.Tensor], t: Tensors, x: torch.Tensor, y: torch.Tensor) -> Tensors:
    """The gradient of the loss with respect to each parameter and each result of :func:`every_step`, by hand.

    To be read beside the forward pass, from the bottom up. What was broadcast there is summed here.
    """
    n = len(x)
    d: Tensors = {}
    rows = torch.arange(n)
    d["logprobs"] = torch.zeros_like(t["logprobs"])
    d["logprobs"][rows, y] = -1.0 / n
    d["probs"] = d["logprobs"] / t["probs"]
    d["counts_sum_inv"] = (d["probs"] * t["counts"]).sum(1, keepdim=True)
    d["counts_sum"] = -(t["counts_sum"] ** -2) * d["counts_sum_inv"]
    d["counts"] = d["probs"] * t["counts_sum_inv"] + d["counts_sum"]  # used twice: once above, once here
    d["norm_logits"] = d["counts"] * t["counts"]
    d["logit_maxes"] = -d["norm_logits"].sum(1, keepdim=True)  # zero, but for rounding: they cancel in probs
    chosen = F.one_hot(t["logits"].max(1).indices, t["logits"].shape[1])
    d["logits"] = d["norm_logits"] + chosen * d["logit_maxes"]
    d["h"] = d["logits"] @ p["W2"].T
    d["W2"] = t["h"].T @ d["logits"]
    d["b2"] = d["logits"].sum(0)
    d["hpreact"] = (1.0 - t["h"] ** 2) * d["h"]
    d["bngain"] = (t["bnraw"] * d["hpreact"]).sum(0, keepdim=True)
    d["bnbias"] = d["hpreact"].sum(0, keepdim=True)
    d["bnraw"] = p["bngain"] * d["hpreact"]
    d["bnvar_inv"] = (t["bndiff"] * d["bnraw"]).sum(0, keepdim=True)
    d["bnvar"] = (-0.5 * (t["bnvar"] + EPS) ** -1.5) * d["bnvar_inv"]
    d["bndiff2"] = 1 / (n - 1) * torch.ones_like(t["bndiff2"]) * d["bnvar"]
    d["bndiff"] = t["bnvar_inv"] * d["bnraw"] + 2 * t["bndiff"] * d["bndiff2"]
    d["bnmeani"] = -d["bndiff"].sum(0, keepdim=True)
    d["hprebn"] = d["bndiff"] + 1 / n * d["bnmeani"]
    d["embcat"] = d["hprebn"] @ p["W1"].T
    d["W1"] = t["embcat"].T @ d["hprebn"]
    d["b1"] = d["hprebn"].sum(0)
    d["emb"] = d["embcat"].view(t["emb"].shape)
    d["C"] = embedding_gradient(d["emb"], x, len(p["C"]))
    return d


def embedding_gradient(demb: torch.Tensor, x: torch.Tensor, rows: int) -> torch.Tensor:
    """Indexing copied rows: each row of the table (rows, C) gets the sum of its copies' gradients."""
    return torch.zeros(rows, demb.shape[-1], dtype=demb.dtype).index_put_((x,), demb, accumulate=True)


# ---- in one formula each ---------------------------------------------------------------------------


def cross_entropy_gradient(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """dlogits of the mean cross-entropy: the probabilities, less one at the target, over n.

    Each row sums to zero: the right logit is pulled up as hard as the others are pushed down.
    """
    n = len(y)
    dlogits = F.softmax(logits, 1)  # (n, V)
    dlogits[torch.arange(n), y] -= 1
    return dlogits / n


def batch_norm_gradient(
    dhpreact: torch.Tensor, bnraw: torch.Tensor, bnvar_inv: torch.Tensor, bngain: torch.Tensor
) -> torch.Tensor:
    """dhprebn from dhpreact (n, H), through mean and variance at once.

    ``bnraw`` (n, H) are the normalised values, ``bnvar_inv`` (1, H) one over their deviation (with Bessel's
    correction). What the mean takes is subtracted, and then what the variance takes.
    """
    n = len(dhpreact)
    along = (dhpreact * bnraw).sum(0)  # (H,)
    return bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - n / (n - 1) * bnraw * along)


# ---- held against autograd -------------------------------------------------------------------------


class Difference(NamedTuple):
    """How a gradient by hand differs from autograd's: equal to the bit; nearly equal; the largest difference."""

    name: str
    exact: bool
    approximate: bool
    largest: float

    def __str__(self) -> str:
        return f"{self.name:15s} | exact: {self.exact!s:5s} | approximate: {self.approximate!s:5s} | {self.largest:.1e}"


def cmp(name: str, dt: torch.Tensor, t: torch.Tensor) -> Difference:
    """Compare ``dt``, a gradient by hand, with ``t.grad``."""
    grad = t.grad
    assert grad is not None, f"{name} got no gradient: backward() has not run, or it was not retained"
    return Difference(name, torch.equal(dt, grad), torch.allclose(dt, grad), (dt - grad).abs().max().item())


def compare_all(parameters: Mapping[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> list[Difference]:
    """Every gradient by hand beside autograd's, in float64: each step, then the two formulas, then training's own."""
    p = {name: t.detach().double().requires_grad_() for name, t in parameters.items()}
    t = every_step(p, x, y)
    for result in t.values():
        result.retain_grad()
    t["loss"].backward()
    with torch.no_grad():
        d = every_gradient(p, t, x, y)
        found = [cmp(name, gradient, t[name] if name in t else p[name]) for name, gradient in d.items()]
        found.append(cmp("dlogits at once", cross_entropy_gradient(t["logits"], y), t["logits"]))
        normed = batch_norm_gradient(d["hpreact"], t["bnraw"], t["bnvar_inv"], p["bngain"])
        found.append(cmp("dhprebn at once", normed, t["hprebn"]))
        _, gradients, _, _ = loss_and_gradients(p, x, y)
        found += [cmp(f"{name} trained by", gradient, p[name]) for name, gradient in gradients.items()]
    return found


# ---- the model -------------------------------------------------------------------------------------


def loss_and_gradients(
    p: Mapping[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, Tensors, torch.Tensor, torch.Tensor]:
    """The loss, the gradient of each parameter by the formulas, and the batch's mean and variance (1, H)."""
    n = len(x)
    emb = p["C"][x]
    embcat = emb.view(n, -1)
    hprebn = embcat @ p["W1"] + p["b1"]
    mean, var = hprebn.mean(0, keepdim=True), hprebn.var(0, keepdim=True)  # (1, H)
    bnvar_inv = (var + EPS) ** -0.5
    bnraw = (hprebn - mean) * bnvar_inv
    h = torch.tanh(p["bngain"] * bnraw + p["bnbias"])
    logits = h @ p["W2"] + p["b2"]
    loss = F.cross_entropy(logits, y)

    dlogits = cross_entropy_gradient(logits, y)
    dhpreact = (1.0 - h**2) * (dlogits @ p["W2"].T)
    dhprebn = batch_norm_gradient(dhpreact, bnraw, bnvar_inv, p["bngain"])
    gradients = {
        "C": embedding_gradient((dhprebn @ p["W1"].T).view(emb.shape), x, len(p["C"])),
        "W1": embcat.T @ dhprebn,
        "b1": dhprebn.sum(0),
        "bngain": (bnraw * dhpreact).sum(0, keepdim=True),
        "bnbias": dhpreact.sum(0, keepdim=True),
        "W2": h.T @ dlogits,
        "b2": dlogits.sum(0),
    }
    return loss, gradients, mean, var


class BackpropMLP(nn.Module):
    """Embedding, linear, batch normalisation, tanh, linear; in evaluation with the running statistics."""

    def __init__(self, config: BackpropConfig) -> None:
        super().__init__()
        self.config = config
        fan_in, H, V = config.block_size * config.n_embd, config.n_hidden, config.vocab_size
        self.C = nn.Parameter(torch.randn(V, config.n_embd))
        self.W1 = nn.Parameter(torch.randn(fan_in, H) * (5 / 3) / fan_in**0.5)
        self.b1 = nn.Parameter(torch.randn(H) * 0.1)  # useless before the norm; its gradient is zero, and is checked
        self.bngain = nn.Parameter(torch.ones(1, H) + torch.randn(1, H) * 0.1)
        self.bnbias = nn.Parameter(torch.randn(1, H) * 0.1)
        self.W2 = nn.Parameter(torch.randn(H, V) * 0.1)
        self.b2 = nn.Parameter(torch.randn(V) * 0.1)
        self.running_mean: torch.Tensor
        self.running_var: torch.Tensor
        self.register_buffer("running_mean", torch.zeros(1, H))
        self.register_buffer("running_var", torch.ones(1, H))

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Contexts (n, T) to logits (n, V) of the next character, and the mean loss with ``y`` (n,)."""
        hprebn = self.C[x].view(len(x), -1) @ self.W1 + self.b1  # (n, H)
        if self.training:
            mean, var = hprebn.mean(0, keepdim=True), hprebn.var(0, keepdim=True)
        else:
            mean, var = self.running_mean, self.running_var
        bnraw = (hprebn - mean) * (var + EPS) ** -0.5
        logits = torch.tanh(self.bngain * bnraw + self.bnbias) @ self.W2 + self.b2
        return logits, None if y is None else F.cross_entropy(logits, y)


class ByHand(Trainer):
    """Gradients by :func:`loss_and_gradients`; autograd is off."""

    def gradients(self, batch: Batch, share: float) -> torch.Tensor:
        """Adds ``share`` times the gradient of the loss on ``batch``; returns the loss."""
        model = self.model
        p = dict(model.named_parameters())
        with torch.no_grad():
            loss, gradients, mean, var = loss_and_gradients(p, *batch)
            for name, gradient in gradients.items():
                gradient = gradient if share == 1.0 else gradient * share
                before = p[name].grad
                p[name].grad = gradient if before is None else before + gradient
            model.running_mean += model.config.bn_momentum * (mean - model.running_mean)
            model.running_var += model.config.bn_momentum * (var - model.running_var)
        return loss


class Comparison(Observer):
    """Before the first step: each gradient beside autograd's."""

    def begin(self, trainer: Trainer) -> None:
        if trainer.step == 0:
            x, y = next(trainer.data.whole("val"))
            for difference in compare_all(dict(trainer.model.named_parameters()), x[:32], y[:32]):
                trainer.say(str(difference))


PRESETS = {
    "large": Preset(
        "10 channels, 200 hidden units",
        {"n_embd": 10, "n_hidden": 200},
        NAMES_TRAINING | {"batch_size": 256, "max_iters": 20_000, "lr": 5e-3, "min_lr": 5e-5, "warmup_iters": 100},
    ),
    "lecture": Preset(
        "as large, trained as in the lecture: SGD, a batch of 32, the rate divided by ten halfway",
        {"n_embd": 10, "n_hidden": 200, "bn_momentum": 0.001},
        LECTURE_TRAINING,
    ),
}

SPEC = ModelSpec(
    name="backprop",
    about=__doc__ or "",
    config=BackpropConfig,
    build=BackpropMLP,
    task=NamesTask(),
    presets=PRESETS,
    preset="large",
    trainer=ByHand,
    observers=lambda: [Comparison()],
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
