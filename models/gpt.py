"""GPT: a decoder-only Transformer that learns to continue a text, character by character.

What it adds to the models before it: every position attends to all earlier ones (causal multi-head
self-attention) and then thinks by itself (an MLP), a dozen such layers deep; both are added to a
residual stream, behind a LayerNorm each (pre-norm), so that gradients pass through undisturbed.

    python -m models.gpt train --preset tiny --out runs/gpt     # learns Shakespeare in a few minutes
    python -m models.gpt sample --out runs/gpt --prompt "ROMEO:" # continues a text
    python -m models.gpt eval --out runs/gpt                    # the loss on the held-out text

The architecture and the names in its state_dict are nanoGPT's (A. Karpathy), which are GPT-2's:
Radford et al., "Language Models are Unsupervised Multitask Learners", 2019; attention from Vaswani
et al., "Attention Is All You Need", 2017.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tinygrad_zth import nn

from .shared import sampling
from .shared.command_line import main
from .shared.settings import Preset, Settings, setting
from .shared.spec import ModelSpec
from .tasks.text import TextTask

# B: batch, T: positions, S: positions that can be attended to (cached ones included), C: channels
# (n_embd), nh: heads, hs: channels of a head (C / nh), V: vocabulary.


@dataclass(frozen=True)
class GPTConfig(Settings):
    """The size of a GPT.

    Raises:
        ValueError, TypeError: a setting is out of its range, or n_head does not divide n_embd.
    """

    vocab_size: int = setting(65, "different tokens", at_least=1, hidden=True)
    block_size: int = setting(64, "longest context, in tokens", at_least=1)
    n_layer: int = setting(4, "blocks of attention and MLP", at_least=1)
    n_head: int = setting(4, "heads of an attention", at_least=1)
    n_embd: int = setting(128, "channels of the residual stream", at_least=1)
    dropout: float = setting(0.0, "share that is dropped in training", at_least=0, below=1)
    bias: bool = setting(False, "biases in the linear layers and LayerNorms")
    tie_weights: bool = setting(True, "one matrix embeds tokens and predicts them")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd: the {self.n_embd} channels cannot be shared evenly by {self.n_head} heads")


class LayerCache:
    """The keys and values of one attention for the positions done so far."""

    def __init__(self, shape: tuple[int, ...], like: torch.Tensor) -> None:
        self.key = torch.empty(shape, dtype=like.dtype, device=like.device)  # (B, nh, block, hs)
        self.value = torch.empty(shape, dtype=like.dtype, device=like.device)
        self.length = 0

    def extend(self, k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Put in those of T more positions, (B, nh, T, hs) each; all S so far come back."""
        begin, end = self.length, self.length + k.shape[2]
        self.key[:, :, begin:end] = k
        self.value[:, :, begin:end] = v
        self.length = end
        return self.key[:, :, :end], self.value[:, :, :end]


class CausalSelfAttention(nn.Module):
    """Each position gathers from itself and those before it, in n_head ways at once."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head, self.dropout = config.n_head, config.dropout
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.resid_dropout = nn.Dropout(config.dropout)

    def forward(self, x: torch.Tensor, cache: LayerCache | None = None) -> torch.Tensor:
        B, T, C = x.shape
        q, k, v = self.c_attn(x).split(C, dim=2)  # (B, T, C) each
        q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)  # (B, nh, T, hs)
        k = k.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)  # (B, nh, T, hs)
        v = v.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)  # (B, nh, T, hs)
        if cache is not None:
            k, v = cache.extend(k, v)  # (B, nh, S, hs)
        S, mask = k.shape[2], None
        if 1 < T < S:  # position t of the new ones sees the S - T cached ones and t + 1 of the new
            mask = torch.ones(T, S, dtype=torch.bool, device=x.device).tril(S - T)
        y = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=T == S and T > 1,
        )  # (B, nh, T, hs)
        y = y.transpose(1, 2).reshape(B, T, C)
        return self.resid_dropout(self.c_proj(y))


class MLP(nn.Module):
    """Each position by itself: four times as wide, GELU, and back."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.c_proj(self.gelu(self.c_fc(x))))  # (B, T, C) -> (B, T, C)


class Block(nn.Module):
    """Communication, then computation, each added to the residual stream."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = MLP(config)

    def forward(self, x: torch.Tensor, cache: LayerCache | None = None) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x), cache)  # (B, T, C)
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """Tokens to the residual stream behind the last block, normalised."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)  # tokens
        self.wpe = nn.Embedding(config.block_size, config.n_embd)  # positions
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList([Block(config) for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd, bias=config.bias)

    def forward(self, idx: torch.Tensor, caches: list[LayerCache] | None = None) -> torch.Tensor:
        past = caches[0].length if caches else 0
        positions = torch.arange(past, past + idx.shape[1], device=idx.device)  # (T,)
        x = self.drop(self.wte(idx) + self.wpe(positions))  # (B, T, C)
        for i, block in enumerate(self.h):
            x = block(x, caches[i] if caches else None)
        return self.ln_f(x)


class GPT(nn.Module):
    """The language model: a :class:`Transformer` and a linear layer that predicts the next token."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        if config.tie_weights:
            self.transformer.wte.weight = self.lm_head.weight
        self.apply(_init_weights)
        # Each block adds to the residual stream twice: what it adds starts smaller by the square
        # root of their number, so that the stream's variance does not grow with depth (GPT-2).
        for name, p in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(p, mean=0.0, std=0.02 / math.sqrt(2 * config.n_layer))

    def num_params(self, embeddings: bool = True) -> int:
        """How many numbers are learned; without ``embeddings``, not those of the positions."""
        count = sum(p.numel() for p in self.parameters())
        return count if embeddings else count - self.transformer.wpe.weight.numel()

    def forward(
        self, idx: torch.Tensor, targets: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Tokens (B, T), int64, to the logits (B, T, V) of the one after each, and their mean loss.

        The loss, 0-d, is the cross-entropy with ``targets`` (B, T), and None without them.

        Raises:
            ValueError: ``idx`` is not two-dimensional, or longer than the block.
        """
        if idx.ndim != 2 or not 1 <= idx.shape[1] <= self.config.block_size:
            raise ValueError(
                f"GPT: expected idx of shape (B, T) with T from 1 to the block size, "
                f"{self.config.block_size}, got {tuple(idx.shape)}"
            )
        logits = self.lm_head(self.transformer(idx))  # (B, T, V)
        if targets is None:
            return logits, None
        loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))
        return logits, loss

    # ---- writing --------------------------------------------------------------------------------

    def continuation(self, use_cache: bool = True) -> Continuation:
        """The logits of the next token for a text that grows."""
        return Continuation(self, use_cache)

    def stream(
        self,
        idx: torch.Tensor,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        *,
        generator: torch.Generator | None = None,
        use_cache: bool = True,
    ) -> Iterator[torch.Tensor]:
        """The tokens that follow ``idx`` (B, T), one (B, 1) after another as they are made.

        A text longer than the block goes on from its last ``block_size`` tokens. The arguments and
        what is raised: :class:`models.shared.sampling.Choice`, :func:`models.shared.sampling.stream`.
        """
        choice = sampling.Choice(temperature, top_k, top_p)
        next_logits = self.continuation(use_cache)
        return sampling.stream(self, next_logits, idx, max_new_tokens, choice, generator)

    def generate(
        self,
        idx: torch.Tensor,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        *,
        generator: torch.Generator | None = None,
        use_cache: bool = True,
    ) -> torch.Tensor:
        """``idx`` (B, T) continued to (B, T + max_new_tokens). Arguments as in :meth:`stream`."""
        new = self.stream(idx, max_new_tokens, temperature, top_k, top_p, generator=generator, use_cache=use_cache)
        return torch.cat([idx, *new], dim=1)

    # ---- weights from elsewhere -----------------------------------------------------------------

    @classmethod
    def from_state_dict(cls, weights: Mapping[str, torch.Tensor], n_head: int) -> GPT:
        """A GPT with the weights of nanoGPT (``checkpoint["model"]``) or of GPT-2.

        The size is read off the weights' shapes; only n_head does not show in them. GPT-2 as
        published keeps its matrices transposed: they are turned.

        Raises:
            RuntimeError: a weight is missing, unexpected, or of another shape; ValueError: n_head.
        """
        own = {name.removeprefix("_orig_mod."): t for name, t in weights.items()}
        own = {k: t for k, t in own.items() if not k.endswith((".attn.bias", ".attn.masked_bias"))}
        try:
            (V, C), (T, _) = own["transformer.wte.weight"].shape, own["transformer.wpe.weight"].shape
            turned = own["transformer.h.0.attn.c_attn.weight"].shape == (C, 3 * C)
        except KeyError as error:
            raise RuntimeError(f"these are not the weights of a GPT: no {error}") from None
        if turned:
            matrices = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
            own = {k: t.t().contiguous() if k.endswith(matrices) else t for k, t in own.items()}
        head = own.setdefault("lm_head.weight", own["transformer.wte.weight"])
        config = GPTConfig(
            vocab_size=V,
            block_size=T,
            n_layer=sum(name.endswith(".attn.c_attn.weight") for name in own),
            n_head=n_head,
            n_embd=C,
            bias="transformer.ln_f.bias" in own,
            tie_weights=torch.equal(head, own["transformer.wte.weight"]),
        )
        model = cls(config)
        model.load_state_dict(own)
        return model


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, mean=0.0, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


class Continuation:
    """``next_logits`` of a GPT: of a text that grew since the last call only the new part is computed.

    The cache serves while the text fits in the block. Beyond, every token's position changes with
    each step, and with it its keys and values: the last ``block_size`` tokens are computed anew.
    """

    def __init__(self, model: GPT, use_cache: bool = True) -> None:
        self.model, self.use_cache = model, use_cache
        self.caches: list[LayerCache] = []

    def __call__(self, idx: torch.Tensor) -> torch.Tensor:
        """The text so far, (B, T), to the logits (B, V) of its next token."""
        model, config = self.model, self.model.config
        if idx.shape[1] > config.block_size or not self.use_cache:
            x = model.transformer(idx[:, -config.block_size :])  # (B, block, C)
        else:
            if not self.caches:
                shape = (idx.shape[0], config.n_head, config.block_size, config.n_embd // config.n_head)
                like = model.lm_head.weight
                self.caches = [LayerCache(shape, like) for _ in range(config.n_layer)]
            x = model.transformer(idx[:, self.caches[0].length :], self.caches)  # (B, T new, C)
        return model.lm_head(x[:, -1])  # (B, V)


TRAINING = {"lr": 1e-3, "min_lr": 1e-4, "beta2": 0.99, "weight_decay": 0.1, "grad_clip": 1.0}
PRESETS = {
    "tiny": Preset(
        "4 layers, 4 heads, 128 channels, block 64: nanoGPT's size for a CPU, a few minutes",
        {"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 64, "dropout": 0.0},
        # nanoGPT takes 1e-3 here; twice that learns faster at this size (validation loss 1.80 for 1.90)
        TRAINING | {"batch_size": 12, "max_iters": 2000, "warmup_iters": 100, "lr": 2e-3},
    ),
    "lecture": Preset(
        "4 layers, 4 heads, 64 channels, block 32: the GPT lecture's small size",
        {"n_layer": 4, "n_head": 4, "n_embd": 64, "block_size": 32, "dropout": 0.0},
        # The lecture takes 1e-3; four times that learns faster at this size (validation loss 1.79 for 1.87)
        TRAINING | {"batch_size": 16, "max_iters": 5000, "lr": 4e-3, "weight_decay": 0.01, "eval_interval": 500},
    ),
    "baby": Preset(
        "6 layers, 6 heads, 384 channels, block 256: nanoGPT's size for a GPU, hours on a CPU",
        {"n_layer": 6, "n_head": 6, "n_embd": 384, "block_size": 256, "dropout": 0.2},
        TRAINING | {"batch_size": 64, "max_iters": 5000, "warmup_iters": 100},
    ),
}

SPEC = ModelSpec(
    name="gpt",
    about=__doc__ or "",
    config=GPTConfig,
    build=GPT,
    task=TextTask(),
    presets=PRESETS,
    preset="tiny",
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
