"""Each fused kernel beside PyTorch's, and beside its own definition, forward and backward, at three sizes.

The definition is a composition of primitives, run on tinygrad_zth (the contestant ``plain``).

A kernel row is named ``kernel:NAME:SIZE``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .workloads import REDUCED

#: rows, columns: a lecture's batch, the small GPT, the six-layer GPT.
SIZES = {"small": (32, 200), "medium": (768, 512), "large": (2048, 1536)}
#: batch, heads, length, channels of a head
ATTENTION = {
    "small": (4, 4, 32, 16),
    "medium": (12, 4, 64, 32),
    "large": (1, 2, 256, 64) if REDUCED else (8, 6, 256, 64),
}
KERNELS = ("softmax", "log_softmax", "cross_entropy", "layer_norm", "batch_norm", "gelu", "linear", "attention")


def rows() -> list[str]:
    """The names of all kernel rows."""
    return [f"kernel:{name}:{size}" for name in KERNELS for size in SIZES]


def _fused(torch: Any, kernel: str) -> Callable[..., Any]:
    """The framework's own function."""
    F = torch.nn.functional
    forms: dict[str, Callable[..., Any]] = {
        "softmax": lambda x: F.softmax(x, dim=-1),
        "log_softmax": lambda x: F.log_softmax(x, dim=-1),
        "cross_entropy": F.cross_entropy,
        "layer_norm": lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b),
        "batch_norm": lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        "gelu": F.gelu,
        "linear": F.linear,
        "attention": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    }
    return forms[kernel]


def _written_out(torch: Any, kernel: str) -> Callable[..., Any]:
    """The same as a composition of primitives, as a lecture writes it."""

    def softmax(x: Any) -> Any:
        e = (x - x.amax(-1, keepdim=True)).exp()
        return e / e.sum(-1, keepdim=True)

    def log_softmax(x: Any) -> Any:
        shifted = x - x.amax(-1, keepdim=True)
        return shifted - shifted.exp().sum(-1, keepdim=True).log()

    def cross_entropy(x: Any, y: Any) -> Any:
        return -log_softmax(x)[torch.arange(x.shape[0]), y].mean()

    def normalise(x: Any, w: Any, b: Any, dim: int) -> Any:
        centred = x - x.mean(dim, keepdim=True)
        return centred * ((centred * centred).mean(dim, keepdim=True) + 1e-5) ** -0.5 * w + b

    def attention(q: Any, k: Any, v: Any) -> Any:
        scores = (q @ k.transpose(-2, -1)) * (1.0 / q.shape[-1] ** 0.5)
        hidden = torch.ones(q.shape[-2], k.shape[-2]).tril() == 0
        return softmax(scores.masked_fill(hidden, float("-inf"))) @ v

    forms: dict[str, Callable[..., Any]] = {
        "softmax": softmax,
        "log_softmax": log_softmax,
        "cross_entropy": cross_entropy,
        "layer_norm": lambda x, w, b: normalise(x, w, b, -1),
        "batch_norm": lambda x, w, b: normalise(x, w, b, 0),
        "gelu": lambda x: x * 0.5 * (1 + torch.erf(x * 0.5**0.5)),
        "linear": lambda x, w, b: x @ w.T + b,
        "attention": attention,
    }
    return forms[kernel]


def kernel_step(torch: Any, name: str, written_out: bool = False, look: bool = True) -> Callable[[], float]:
    """Forward and backward of one kernel, ``softmax:small``, or of the same as a composition of primitives. Without
    ``look`` the step gives 0 and reads nothing: on a device that would wait.

    Raises KeyError for a kernel there is not.
    """
    kernel, size = name.split(":")
    forward = (_written_out if written_out else _fused)(torch, kernel)
    torch.manual_seed(0)
    rest: list[Any] = []
    if kernel == "attention":
        inputs = [torch.randn(*ATTENTION[size]).requires_grad_() for _ in range(3)]
    else:
        n, m = SIZES[size]
        inputs = [torch.randn(n, m).requires_grad_()]
        if kernel == "cross_entropy":
            rest = [torch.randint(0, m, (n,))]
        elif kernel in ("layer_norm", "batch_norm"):
            inputs += [torch.ones(m).requires_grad_(), torch.zeros(m).requires_grad_()]
        elif kernel == "linear":
            inputs += [torch.randn(m // 2, m).requires_grad_(), torch.zeros(m // 2).requires_grad_()]
    with torch.no_grad():
        gradient = torch.randn(forward(*inputs, *rest).shape)  # a loss is a number: its gradient is one draw

    def step() -> float:
        for t in inputs:
            t.grad = None
        out = forward(*inputs, *rest)
        out.backward(gradient)
        # one element: looking must cost nothing
        return float(inputs[0].grad.reshape(-1)[0].item()) if look else 0.0

    return step
