"""Each fused kernel beside PyTorch's, forward and backward, at three sizes.

A kernel row is named ``kernel:NAME:SIZE``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: rows, columns: a lecture's batch, the small GPT, the six-layer GPT.
SIZES = {"small": (32, 200), "medium": (768, 512), "large": (2048, 1536)}
#: batch, heads, length, channels of a head
ATTENTION = {"small": (4, 4, 32, 16), "medium": (12, 4, 64, 32), "large": (8, 6, 256, 64)}
KERNELS = ("softmax", "log_softmax", "cross_entropy", "layer_norm", "batch_norm", "gelu", "linear", "attention")


def rows() -> list[str]:
    """The names of all kernel rows."""
    return [f"kernel:{name}:{size}" for name in KERNELS for size in SIZES]


def kernel_step(torch: Any, name: str) -> Callable[[], float]:
    """Forward and backward of one kernel: ``softmax:small``."""
    kernel, size = name.split(":")
    F = torch.nn.functional
    torch.manual_seed(0)
    if kernel == "attention":
        inputs = [torch.randn(*ATTENTION[size]).requires_grad_() for _ in range(3)]
        forward = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)  # noqa: E731
    else:
        n, m = SIZES[size]
        x = torch.randn(n, m).requires_grad_()
        inputs = [x]
        if kernel == "softmax":
            forward = lambda x: F.softmax(x, dim=-1)  # noqa: E731
        elif kernel == "log_softmax":
            forward = lambda x: F.log_softmax(x, dim=-1)  # noqa: E731
        elif kernel == "gelu":
            forward = F.gelu
        elif kernel == "cross_entropy":
            y = torch.randint(0, m, (n,))
            forward = lambda x: F.cross_entropy(x, y)  # noqa: E731
        elif kernel == "layer_norm":
            inputs += [torch.ones(m).requires_grad_(), torch.zeros(m).requires_grad_()]
            forward = lambda x, w, b: F.layer_norm(x, (m,), w, b)  # noqa: E731
        elif kernel == "batch_norm":
            inputs += [torch.ones(m).requires_grad_(), torch.zeros(m).requires_grad_()]
            forward = lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True)  # noqa: E731
        elif kernel == "linear":
            inputs += [torch.randn(m // 2, m).requires_grad_(), torch.zeros(m // 2).requires_grad_()]
            forward = F.linear
        else:
            raise KeyError(f"no kernel {kernel!r}; there are {', '.join(KERNELS)}")
    with torch.no_grad():
        gradient = torch.randn(forward(*inputs).shape)  # a loss is a number: its gradient is one draw

    def step() -> float:
        for t in inputs:
            t.grad = None
        out = forward(*inputs)
        out.backward(gradient)
        return float(inputs[0].grad.reshape(-1)[0].item())  # one element: looking must cost nothing

    return step
