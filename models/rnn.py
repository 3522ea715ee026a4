"""Recurrent networks: one cell, used again at every character. Vanilla RNN, GRU and LSTM.

What they add to the models before: a state that is carried along, so that no block size bounds the
context. What they pay: positions are computed one after another, and gradients travel back through
as many multiplications by the same matrix, in which they vanish or explode (:func:`gradient_by_distance`
measures it, and a training draws it as vanishing.png). The gates of LSTM and GRU keep a path open.

    python -m models.rnn train --preset gru   # or rnn, lstm
    python -m models.rnn sample

The cells are written out here, from the formulas. ``--fused`` takes ``nn.RNN``, ``nn.LSTM`` or
``nn.GRU`` instead: the same numbers, by kernels that go through all positions in one operation.
``--truncate k`` cuts the gradient between every k positions (truncated backpropagation through
time): the state goes on, what is learned does not reach back further.

Elman, "Finding Structure in Time", 1990; Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997;
Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014; Pascanu et al., "On the
difficulty of training recurrent neural networks", 2013 (clipping).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tinygrad_zth import nn

from .shared.command_line import main
from .shared.observer import Observer
from .shared.pictures import have_matplotlib, save_figure
from .shared.settings import Preset, Settings, setting
from .shared.spec import ModelSpec
from .shared.trainer import Trainer
from .tasks.names import NamesTask

# B: batch, T: positions, E: channels of an embedding, H: channels of the state, V: vocabulary.

State = tuple[torch.Tensor, ...]
"""What a cell carries along: (h,), and for the LSTM (h, c); (B, H) each."""


@dataclass(frozen=True)
class RNNConfig(Settings):
    """The cell and the size."""

    vocab_size: int = setting(27, "different characters", at_least=2, hidden=True)
    block_size: int = setting(16, "longest sequence in a batch", at_least=1, hidden=True)
    cell: str = setting("gru", "what is used again at every position", choices=("rnn", "gru", "lstm"))
    n_embd: int = setting(64, "numbers that a character is embedded in", at_least=1)
    n_hidden: int = setting(128, "channels of the state", at_least=1)
    truncate: int = setting(0, "positions that a gradient reaches back over; 0: all", at_least=0)
    dropout: float = setting(0.0, "share of the states' channels dropped before the head", at_least=0, below=1)
    fused: bool = setting(False, "nn.RNN, nn.GRU or nn.LSTM in place of the cells written out here")


# ---- the cells ----------------------------------------------------------------------------------


class Cell(nn.Module):
    """Base of the cells: the weights, named, shaped and drawn as those of ``nn.RNN`` and its like.

    ``gates`` blocks of H rows each: weight_ih is (gates H, E), weight_hh (gates H, H).
    """

    gates = 1
    states = 1

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        rows, bound = self.gates * hidden_size, 1 / math.sqrt(hidden_size)
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))

    def split(self, x: torch.Tensor, h: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
        """What the input and what the state say to each gate: (B, H) each."""
        from_x, from_h = F.linear(x, self.weight_ih, self.bias_ih), F.linear(h, self.weight_hh, self.bias_hh)
        return from_x.chunk(self.gates, 1), from_h.chunk(self.gates, 1)


class RNNCell(Cell):
    """h' = tanh(W x + b + U h + c)."""

    def forward(self, x: torch.Tensor, state: State) -> State:
        (xh,), (hh,) = self.split(x, state[0])
        return ((xh + hh).tanh(),)


class GRUCell(Cell):
    """Gates r (how much of the state the candidate n may use) and z (how much of the state stays)."""

    gates = 3

    def forward(self, x: torch.Tensor, state: State) -> State:
        (h,) = state
        (xr, xz, xn), (hr, hz, hn) = self.split(x, h)
        r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
        n = (xn + r * hn).tanh()
        return (n + z * (h - n),)  # (1 - z) n + z h


class LSTMCell(Cell):
    """Input gate i, forget gate f, output gate o; the memory c is only ever scaled and added to."""

    gates = 4
    states = 2

    def forward(self, x: torch.Tensor, state: State) -> State:
        h, c = state
        (xi, xf, xg, xo), (hi, hf, hg, ho) = self.split(x, h)
        i, f, o = (xi + hi).sigmoid(), (xf + hf).sigmoid(), (xo + ho).sigmoid()
        c = f * c + i * (xg + hg).tanh()
        return o * c.tanh(), c


CELLS: dict[str, type[Cell]] = {"rnn": RNNCell, "gru": GRUCell, "lstm": LSTMCell}
FUSED = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}  # their names in nn


class Unrolled(nn.Module):
    """A cell used at every position: what ``nn.RNN``, ``nn.GRU`` and ``nn.LSTM`` do, batch first."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """x (B, T, E) and the state before it to h at every position, (B, T, H), and the state after."""
        outputs = []
        for x_t in x.unbind(1):  # (B, E) each
            state = self.cell(x_t, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state


class Fused(nn.Module):
    """``nn.RNN``, ``nn.GRU`` or ``nn.LSTM`` with the interface of :class:`Unrolled`."""

    def __init__(self, kind: str, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.layer = getattr(nn, FUSED[kind])(input_size, hidden_size, batch_first=True)

    def forward(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        first = tuple(s.unsqueeze(0) for s in state)  # (1, B, H) each: one layer
        outputs, last = self.layer(x, first if len(first) > 1 else first[0])
        return outputs, tuple(s.squeeze(0) for s in (last if isinstance(last, tuple) else (last,)))


# ---- the language model -------------------------------------------------------------------------


class RNN(nn.Module):
    """Embedding, a recurrent layer, a linear layer that predicts the next character."""

    def __init__(self, config: RNNConfig) -> None:
        super().__init__()
        self.config = config
        cell = CELLS[config.cell]
        self.embed = nn.Embedding(config.vocab_size, config.n_embd)
        self.start = nn.Parameter(torch.zeros(cell.states, config.n_hidden))  # the state before the first character
        self.layer: nn.Module
        if config.fused:
            self.layer = Fused(config.cell, config.n_embd, config.n_hidden)
        else:
            self.layer = Unrolled(cell(config.n_embd, config.n_hidden))
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.n_hidden, config.vocab_size)

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Characters (B, T) to the logits (B, T, V) of the one after each; the loss with ``y`` (B, T).

        A target of -1 does not count.

        Raises:
            ValueError: ``x`` is not (B, T) with T at least 1.
        """
        if x.ndim != 2 or x.shape[1] == 0:
            raise ValueError(f"RNN: expected characters of shape (B, T) with T at least 1, got {tuple(x.shape)}")
        outputs, _ = self.run(self.embed(x), self.first_state(len(x)))
        logits = self.head(self.dropout(outputs))  # (B, T, V)
        if y is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.shape[-1]), y.reshape(-1), ignore_index=-1)

    def continuation(self, use_cache: bool = True) -> Callable[[torch.Tensor], torch.Tensor]:
        """The logits of the next character for a text that grows: the state is all there is to keep of it."""
        state: State | None = None
        seen = 0

        def next_logits(idx: torch.Tensor) -> torch.Tensor:
            nonlocal state, seen
            if state is None or not use_cache:
                state, seen = self.first_state(len(idx)), 0
            outputs, state = self.run(self.embed(idx[:, seen:]), state)
            seen = idx.shape[1]
            return self.head(outputs[:, -1])  # (B, T) -> (B, V)

        return next_logits

    def first_state(self, batch: int) -> State:
        """The learned state before the first character, for ``batch`` sequences."""
        return tuple(s.expand(batch, -1) for s in self.start)

    def run(self, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Embedded characters (B, T, E) to (B, T, H) and the last state, cut every ``truncate`` positions."""
        if not self.config.truncate:
            whole: tuple[torch.Tensor, State] = self.layer(x, state)
            return whole
        outputs = []
        for part in x.split(self.config.truncate, dim=1):
            out, state = self.layer(part, state)
            state = tuple(s.detach() for s in state)  # it goes on; gradients stop here
            outputs.append(out)
        return torch.cat(outputs, dim=1), state


def gradient_by_distance(model: Any, x: torch.Tensor) -> list[float]:
    """How much the last output of an :class:`RNN` on ``x`` (B, T) depends on each earlier input: T norms, the nearest first.

    The norm of d sum(h_T) / d x_t over the batch's embeddings x_t, for t = T, T - 1, ..., 1. In a
    vanilla RNN it shrinks (or grows) geometrically with the distance; a gate that stays open holds it.
    """
    embedded = model.embed(x).detach().requires_grad_()  # (B, T, E)
    outputs, _ = model.run(embedded, model.first_state(len(x)))
    (g,) = torch.autograd.grad(outputs[:, -1].sum(), embedded)
    norms: list[float] = g.norm(dim=(0, 2)).flip(0).tolist()
    return norms


class VanishingPicture(Observer):
    """Draws how the gradient shrinks with the distance, before and after the training, as vanishing.png."""

    def begin(self, trainer: Trainer) -> None:
        self.x = torch.randint(trainer.model.config.vocab_size, (32, 40), generator=torch.Generator().manual_seed(0))
        self.before = gradient_by_distance(trainer.model, self.x.to(trainer.device))

    def end(self, trainer: Trainer) -> None:
        if trainer.run is not None and have_matplotlib():
            after = gradient_by_distance(trainer.model, self.x.to(trainer.device))
            curves = {"untrained": self.before, f"after {trainer.step} steps": after}
            draw_gradients(curves, trainer.run.path / "vanishing.png", trainer.model.config.cell.upper())


def draw_gradients(curves: Mapping[str, Sequence[float]], path: Path, title: str) -> None:
    """Curves of :func:`gradient_by_distance` on a logarithmic axis: a straight line down vanishes geometrically."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for (name, norms), style in zip(curves.items(), ("-", "--", "-.", ":", "-o", "-s")):
        axes.semilogy(range(len(norms)), [max(norm, 1e-20) for norm in norms], style, markersize=3, label=name)
    axes.set(xlabel="positions back", ylabel="norm of the gradient", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    save_figure(figure, path)


TRAINING = {"batch_size": 64, "lr": 3e-3, "min_lr": 1.5e-4, "weight_decay": 0.01, "eval_interval": 500}
PRESETS = {
    "rnn": Preset("the vanilla RNN, 128 channels", {"cell": "rnn", "dropout": 0.1}, TRAINING | {"max_iters": 6000}),
    "gru": Preset("the GRU, 128 channels", {"cell": "gru", "dropout": 0.1}, TRAINING | {"max_iters": 5000}),
    "lstm": Preset("the LSTM, 128 channels", {"cell": "lstm", "dropout": 0.1}, TRAINING | {"max_iters": 5000}),
}

SPEC = ModelSpec(
    name="rnn",
    about=__doc__ or "",
    config=RNNConfig,
    build=RNN,
    task=NamesTask(sequences=True),
    presets=PRESETS,
    preset="gru",
    observers=lambda: [VanishingPicture()],
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
