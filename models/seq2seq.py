"""The Transformer of "Attention Is All You Need": an encoder reads, a decoder writes what it means.

What it adds to GPT: two sequences. The encoder lets every position of the source see all of the
source (no causal mask); the decoder writes the target causally, and in each layer also looks at what
the encoder made of the source: cross-attention, its queries from here, its keys and values from there.

    python -m models.seq2seq train                       # written-out numbers and dates into digits
    python -m models.seq2seq sample --prompt "am dritten März neunzehnhundertsiebenundachtzig"
    python -m models.seq2seq eval                        # exact matches on answers never seen

Trained by teacher forcing (at each position the decoder is given the true target so far), it
translates by greedy or beam search. Layers normalise as in the paper, behind each residual sum
("post"), or before each sublayer ("pre": Xiong et al., "On Layer Normalization in the Transformer
Architecture", 2020); positions are the paper's sinusoids or learned.

Vaswani et al., "Attention Is All You Need", 2017; the beam's length penalty is that of Wu et al.,
"Google's Neural Machine Translation System", 2016.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from data.translation import translation_pairs
from tinygrad_zth import nn

from .shared.command_line import main
from .shared.sampling import evaluating
from .shared.settings import Preset, Settings, setting
from .shared.spec import ModelSpec
from .tasks.pairs import BEGIN, END, PAD, PairsTask
from .tasks.task import SampleRequest

# B: batch, S: source positions, T: target positions, C: channels (n_embd), nh: heads, hs: C / nh,
# V: vocabulary, K: beams.

PAIRS = {"train": 60_000, "val": 1_000, "test": 2_000}


@dataclass(frozen=True)
class Seq2SeqConfig(Settings):
    """The size and the kind of an encoder-decoder Transformer.

    Raises:
        ValueError, TypeError: a setting is out of its range, or n_head does not divide n_embd.
    """

    vocab_size: int = setting(54, "different tokens, the three special ones included", at_least=4, hidden=True)
    source_size: int = setting(64, "longest source, in tokens", at_least=1, hidden=True)
    target_size: int = setting(11, "longest target, in tokens", at_least=1, hidden=True)
    n_layer: int = setting(2, "layers of the encoder, and of the decoder", at_least=1)
    n_head: int = setting(4, "heads of an attention", at_least=1)
    n_embd: int = setting(64, "channels", at_least=2)
    dropout: float = setting(0.0, "share that is dropped in training", at_least=0, below=1)
    norm: str = setting("pre", "where layers are normalised", choices=("pre", "post"))
    positions: str = setting("sinusoidal", "what tells positions apart", choices=("sinusoidal", "learned"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd: the {self.n_embd} channels cannot be shared evenly by {self.n_head} heads")
        if self.n_embd % 2:
            raise ValueError(f"n_embd: sinusoids come in pairs, expected an even number, got {self.n_embd}")


def sinusoids(length: int, channels: int) -> torch.Tensor:
    """PE(pos, 2i) = sin(pos / 10000^(2i / channels)), PE(pos, 2i + 1) its cosine: (length, channels)."""
    place = torch.arange(length, dtype=torch.float32).unsqueeze(1)  # (length, 1)
    rates = torch.exp(torch.arange(0, channels, 2, dtype=torch.float32) * (-math.log(10000.0) / channels))
    angles = place * rates  # (length, channels / 2)
    return torch.stack((angles.sin(), angles.cos()), dim=2).view(length, channels)


class Attention(nn.Module):
    """Multi-head attention of ``x`` on ``memory``: on itself, or on another sequence (cross-attention)."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.n_head, self.dropout = config.n_head, config.dropout
        self.query = nn.Linear(config.n_embd, config.n_embd)
        self.key_value = nn.Linear(config.n_embd, 2 * config.n_embd)
        self.proj = nn.Linear(config.n_embd, config.n_embd)

    def forward(
        self, x: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor | None = None, is_causal: bool = False
    ) -> torch.Tensor:
        """x (B, T, C), memory (B, S, C), mask (B, 1, 1, S), true where there is something to see: (B, T, C)."""
        B, T, C = x.shape
        k, v = self.key_value(memory).split(C, dim=2)  # (B, S, C) each
        q, k, v = (t.view(B, -1, self.n_head, C // self.n_head).transpose(1, 2) for t in (self.query(x), k, v))
        p = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p, is_causal=is_causal)  # (B, nh, T, hs)
        return self.proj(y.transpose(1, 2).reshape(B, T, C))


class Sublayer(nn.Module):
    """A residual connection and its normalisation, before ("pre") or behind ("post") the sum."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.n_embd)
        self.dropout = nn.Dropout(config.dropout)
        self.pre = config.norm == "pre"

    def forward(self, x: torch.Tensor, f: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        if self.pre:
            return x + self.dropout(f(self.norm(x)))
        return self.norm(x + self.dropout(f(x)))


def _feed_forward(config: Seq2SeqConfig) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(config.n_embd, 4 * config.n_embd), nn.ReLU(), nn.Linear(4 * config.n_embd, config.n_embd)
    )


class EncoderLayer(nn.Module):
    """Self-attention over the whole source, then each position by itself."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.attention, self.feed_forward = Attention(config), _feed_forward(config)
        self.sub1, self.sub2 = Sublayer(config), Sublayer(config)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.sub1(x, lambda h: self.attention(h, h, mask))  # (B, S, C)
        return self.sub2(x, self.feed_forward)


class DecoderLayer(nn.Module):
    """Causal self-attention over the target, cross-attention on the source, then each by itself."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.attention, self.cross, self.feed_forward = Attention(config), Attention(config), _feed_forward(config)
        self.sub1, self.sub2, self.sub3 = Sublayer(config), Sublayer(config), Sublayer(config)

    def forward(self, x: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.sub1(x, lambda h: self.attention(h, h, is_causal=True))  # (B, T, C)
        x = self.sub2(x, lambda h: self.cross(h, memory, mask))
        return self.sub3(x, self.feed_forward)


class Seq2Seq(nn.Module):
    """The encoder-decoder Transformer. One embedding serves source, target and output, as in the paper."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.n_embd)
        longest = max(config.source_size, config.target_size)
        if config.positions == "learned":
            self.position = nn.Parameter(torch.zeros(longest, config.n_embd))
        else:
            self.register_buffer("position", sinusoids(longest, config.n_embd))
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = nn.ModuleList([EncoderLayer(config) for _ in range(config.n_layer)])
        self.decoder = nn.ModuleList([DecoderLayer(config) for _ in range(config.n_layer)])
        # Post-norm has normalised already when a stack ends; pre-norm has not.
        self.norms = nn.ModuleList(
            [nn.LayerNorm(config.n_embd) if config.norm == "pre" else nn.Identity() for _ in "ed"]
        )
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)
        # Times sqrt(C) in `_embed`, so that embeddings are of variance one there and small as output weights.
        nn.init.normal_(self.embed.weight, std=config.n_embd**-0.5)

    def forward(
        self, source: torch.Tensor, inputs: torch.Tensor, targets: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Sources (B, S) and the targets so far (B, T), int64, to the logits (B, T, V) of what follows each.

        inputs: BEGIN and the target's tokens; targets: the same one further, END its last. Sources and
        inputs are filled up with PAD. The loss, 0-d, is the mean over targets that are not negative, and
        None without targets.

        Raises:
            ValueError: a side is not two-dimensional, is longer than its size, or the batches differ.
        """
        memory, mask = self.encode(source)
        logits = self.decode(inputs, memory, mask)  # (B, T, V)
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=-1)

    def encode(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Sources (B, S) to the memory (B, S, C) and where it has content, (B, 1, 1, S)."""
        mask = (source != PAD).view(source.shape[0], 1, 1, -1)
        x = self._embed(source, "source", self.config.source_size)
        for layer in self.encoder:
            x = layer(x, mask)
        return self.norms[0](x), mask

    def decode(self, target: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Targets so far (B, T) and :meth:`encode`'s results to the logits (B, T, V) of what follows each."""
        if len(target) != len(memory):
            raise ValueError(f"Seq2Seq: {len(memory)} sources, but {len(target)} targets")
        x = self._embed(target, "target", self.config.target_size)
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return F.linear(self.norms[1](x), self.embed.weight)

    def _embed(self, tokens: torch.Tensor, what: str, longest: int) -> torch.Tensor:
        if tokens.ndim != 2 or not 1 <= tokens.shape[1] <= longest:
            raise ValueError(
                f"Seq2Seq: expected a {what} of shape (B, T) with T from 1 to {longest}, got {tuple(tokens.shape)}"
            )
        x = self.embed(tokens) * math.sqrt(self.config.n_embd)  # (B, T, C)
        return self.dropout(x + self.position[: tokens.shape[1]])

    # ---- translating ----------------------------------------------------------------------------

    def translate(self, source: torch.Tensor, beams: int = 1, length_penalty: float = 0.6) -> torch.Tensor:
        """Sources (B, S) to their translations (B, T), T at most ``target_size``: END ends one, PAD follows.

        beams: hypotheses kept at each step; 1 is greedy search. The best by log-probability divided
            by ((5 + length) / 6) ** length_penalty is returned.

        Raises:
            ValueError: ``beams`` is below 1, or the sources are not (B, S) with S up to source_size.
        """
        if beams < 1:
            raise ValueError(f"translate: beams: expected at least 1, got {beams}")
        with evaluating(self):
            memory, mask = self.encode(source)
            if beams == 1:
                return self._greedy(memory, mask)
            return self._beam(memory, mask, min(beams, self.config.vocab_size), length_penalty)

    def _greedy(self, memory: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        tokens = torch.full((len(memory), 1), BEGIN, device=memory.device)
        ended = torch.zeros(len(memory), 1, dtype=torch.bool, device=memory.device)
        for _ in range(self.config.target_size):
            best = self.decode(tokens, memory, mask)[:, -1].argmax(-1, keepdim=True)  # (B, 1)
            tokens = torch.cat((tokens, best.masked_fill(ended, PAD)), dim=1)
            ended = ended | (best == END)
            if ended.all():
                break
        return tokens[:, 1:]

    def _beam(self, memory: torch.Tensor, mask: torch.Tensor, K: int, length_penalty: float) -> torch.Tensor:
        B, V = len(memory), self.config.vocab_size
        device = memory.device
        memory, mask = memory.repeat_interleave(K, 0), mask.repeat_interleave(K, 0)
        tokens = torch.full((B * K, 1), BEGIN, device=device)
        scores = torch.full((B, K), float("-inf"), device=device)
        scores[:, 0] = 0.0  # the K hypotheses are equal at first: one of them counts
        ended = torch.zeros(B, K, dtype=torch.bool, device=device)
        nothing_more = torch.full((V,), float("-inf"), device=device)
        nothing_more[PAD] = 0.0  # a hypothesis that has ended goes on with PAD, at no cost
        first = (torch.arange(B, device=device) * K).unsqueeze(1)  # (B, 1): the row of its first hypothesis
        for _ in range(self.config.target_size):
            log_p = F.log_softmax(self.decode(tokens, memory, mask)[:, -1], dim=-1).view(B, K, V)
            log_p = torch.where(ended.unsqueeze(2), nothing_more, log_p)
            scores, place = torch.topk((scores.unsqueeze(2) + log_p).view(B, K * V), K, 1)  # (B, K) each
            beam, token = place // V, place % V
            tokens = torch.cat((tokens[(first + beam).view(-1)], token.view(-1, 1)), dim=1)
            ended = ended.gather(1, beam) | (token == END)
            if ended.all():
                break
        lengths = (tokens[:, 1:] != PAD).sum(1).view(B, K)
        best = (scores / ((5 + lengths) / 6) ** length_penalty).argmax(1, keepdim=True)  # (B, 1)
        return tokens[(first + best).view(-1), 1:]


class TranslationTask(PairsTask):
    """The generated pairs; ``sample --beams K`` searches with a beam."""

    def __init__(self) -> None:
        super().__init__(_pairs, _answers)

    def sample_flags(self, sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--beams", type=int, default=1, help="hypotheses kept at each step; 1 is greedy (1)")


def _pairs(part: str) -> list[tuple[str, str]]:
    return [(pair.source, pair.target) for pair in translation_pairs(PAIRS[part], part)]


def _answers(model: nn.Module, sources: torch.Tensor, request: SampleRequest) -> list[list[int]]:
    rows = model.translate(sources, request.options.get("beams", 1)).tolist()
    return [row[: row.index(END)] if END in row else row for row in rows]


TRAINING = {"max_iters": 6000, "batch_size": 32, "lr": 2e-3, "min_lr": 4e-5, "warmup_iters": 200, "beta2": 0.98}
TRAINING |= {"weight_decay": 0.01, "eval_interval": 500}
PRESETS = {
    "small": Preset("2 + 2 layers, 4 heads, 64 channels, pre-norm, sinusoids", {}, TRAINING),
    "paper": Preset(
        "the same in the paper's order: post-norm",
        {"norm": "post"},
        TRAINING | {"lr": 1e-3, "warmup_iters": 1000},
    ),
}

SPEC = ModelSpec(
    name="seq2seq",
    about=__doc__ or "",
    config=Seq2SeqConfig,
    build=Seq2Seq,
    task=TranslationTask(),
    presets=PRESETS,
    preset="small",
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
