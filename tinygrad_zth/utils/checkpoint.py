"""``torch.utils.checkpoint``: compute a part of the forward pass again in the backward pass, instead of keeping it.

T. Chen et al., Training Deep Nets with Sublinear Memory Cost (2016).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import backward as _backward
from ..backends import counter
from ..function import Function
from ..graph import enable_grad
from ..ops.random import fork_rng, get_rng_state, set_rng_state
from ..tensor import Tensor

__all__ = ["checkpoint", "checkpoint_sequential"]


class _Recomputed(Function):
    """``run(*inputs)`` without a graph now, and with one in the backward pass."""

    @staticmethod
    def forward(ctx: Any, run: Callable[..., Any], state: Any, *inputs: Any) -> Any:
        """The result, with nothing kept but the inputs."""
        ctx.run, ctx.state = run, state
        ctx.save_for_backward(*[t if isinstance(t, Tensor) else None for t in inputs])
        ctx.others = [None if isinstance(t, Tensor) else t for t in inputs]
        return run(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        """The gradients of the inputs; those of the parameters inside are accumulated on the way."""
        inputs = [
            other if t is None else t.detach().requires_grad_(need)
            for t, other, need in zip(ctx.saved_tensors, ctx.others, ctx.needs_input_grad[2:], strict=True)
        ]
        with enable_grad(), fork_rng(enabled=ctx.state is not None):
            if ctx.state is not None:
                host, device = ctx.state
                set_rng_state(host)
                counter.stream.manual_seed(*device)
            outputs = ctx.run(*inputs)
        listed = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [(o, g) for o, g in zip(listed, grads, strict=True) if isinstance(o, Tensor) and o.requires_grad]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        _backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *[t.grad if isinstance(t, Tensor) else None for t in inputs])


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Any = None,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, whose intermediate values are computed again when they are needed.

    Random numbers are drawn alike both times unless ``preserve_rng_state`` is False. As in PyTorch's
    reentrant variant, at least one tensor argument must require grad for gradients to flow; the
    other keywords are accepted.
    """
    if not any(isinstance(a, Tensor) and a.requires_grad for a in args):
        return function(*args, **kwargs)  # nothing that a node could hang on: the ordinary graph, and right gradients

    def run(*inputs: Any) -> Any:
        return function(*inputs, **kwargs)

    state = (get_rng_state(), counter.stream.state) if preserve_rng_state else None
    return _Recomputed.apply(run, state, *args)


def checkpoint_sequential(
    functions: Any, segments: int, input: Tensor, use_reentrant: bool | None = None, **kwargs: Any
) -> Tensor:
    """A Sequential in ``segments`` parts, each of them (but the last) checkpointed."""
    layers = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = max(1, len(layers) // segments)

    def part(start: int, end: int) -> Callable[..., Any]:
        def run(x: Tensor) -> Tensor:
            for layer in layers[start:end]:
                x = layer(x)
            return x

        return run

    end = 0
    for k in range(segments - 1):
        end = (k + 1) * size
        input = checkpoint(part(k * size, end), input, use_reentrant=use_reentrant, **kwargs)
    result: Tensor = part(end, len(layers))(input)
    return result
