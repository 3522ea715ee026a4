"""``torch.func``: functions of functions. Gradients of them, and loops over a batch written as one call.

``vmap`` calls the function once per element of the batch and stacks the results: the same values as
PyTorch's, at the cost of a loop. Inside it, random numbers differ from element to element.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import jacobians
from .autograd import grad as _gradients_of
from .graph import enable_grad
from .ops import FUNCTIONS
from .tensor import Tensor

__all__ = ["functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
           "replace_all_batch_norm_modules_", "stack_module_state",
           "vjp", "vmap"]  # fmt: skip


def _mapped(function: Callable[..., Any], tree: Any) -> Any:
    """``tree`` (tensors in tuples, lists and dicts) with ``function`` applied to each tensor."""
    if isinstance(tree, dict):
        return {key: _mapped(function, value) for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        parts = [_mapped(function, value) for value in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return function(tree)


def _leaves(tree: Any) -> list[Any]:
    found: list[Any] = []
    _mapped(found.append, tree)
    return found


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """``f(*args) -> (gradient, value)`` for a function with a 0-d result."""

    def wrapped(*given: Any, **kwargs: Any) -> tuple[Any, Any]:
        chosen = (argnums,) if isinstance(argnums, int) else argnums
        with enable_grad():
            args = list(given)
            for i in chosen:
                args[i] = _mapped(lambda t: t.view_as(t) if t.requires_grad else t.detach().requires_grad_(), args[i])
            out = func(*args, **kwargs)
            value, aux = out if has_aux else (out, None)
            if not isinstance(value, Tensor):
                raise RuntimeError(f"Expected f(*args) to return tensor, got tuple or {type(value).__name__}")
            if value.dim() != 0:
                raise RuntimeError(
                    "Expected f(*args) to return a scalar tensor, got tensor with "
                    f"{value.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            wanted = [args[i] for i in chosen]
            leaves = _leaves(wanted)
            outer = any(t.op is not None for t in (leaf._node for leaf in leaves) if t is not None)
            found = iter(_gradients_of(value, leaves, create_graph=True, allow_unused=True, materialize_grads=True))
            results = _mapped(lambda leaf: next(found), wanted)
        if not outer:
            results, value = _mapped(lambda t: t.detach(), results), value.detach()
        result = results[0] if isinstance(argnums, int) else tuple(results)
        return (result, (value, aux)) if has_aux else (result, value)

    return wrapped


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that computes the gradient of ``func``, which has a 0-d result. It can be nested.

    Raises RuntimeError, when called, for a result that is not 0-dimensional.
    """
    both = grad_and_value(func, argnums, has_aux)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result, value = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return wrapped


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """``(func(*primals), pullback)``: ``pullback(v)`` is the tuple of v^T J for each primal."""
    with enable_grad():
        inputs = _mapped(lambda t: t.view_as(t) if t.requires_grad else t.detach().requires_grad_(), list(primals))
        out = func(*inputs)
        out, aux = out if has_aux else (out, None)

    def pullback(*cotangents: Tensor) -> tuple[Tensor, ...]:
        vectors = _leaves(cotangents)
        found = iter(
            _gradients_of(
                _leaves(out), _leaves(inputs), vectors, retain_graph=True, allow_unused=True, materialize_grads=True
            )
        )
        return tuple(_mapped(lambda leaf: next(found), inputs))

    value = _mapped(lambda t: t.detach(), out)
    return (value, pullback, aux) if has_aux else (value, pullback)


def jvp(
    func: Callable[..., Any],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """``(func(*primals), J tangents)``."""
    if has_aux:
        raise NotImplementedError("jvp(): has_aux is not supported")
    return jacobians.jvp(func, primals, tangents, strict=strict)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """``(func(*primals), f)``, where ``f(*tangents)`` is ``J tangents``, as often as it is called."""
    output = func(*primals)

    def directional(*tangents: Any) -> Any:
        if len(tangents) != len(primals):
            raise RuntimeError(
                f"jvp_fn: expected {len(primals)} tangents, one for each primal, but got {len(tangents)}"
            )
        return jacobians.jvp(func, primals, tangents)[1]

    return output, directional


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Take the running statistics from every BatchNorm in a module, which then needs no in-place writes. Returns it."""
    for module in root.modules():
        if (
            module._buffers.keys() >= {"running_mean", "running_var", "num_batches_tracked"}
            and module.track_running_stats
        ):
            if "InstanceNorm" in type(module).__name__:
                continue
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


def jacrev(
    func: Callable[..., Any], argnums: int = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """The function that computes the Jacobian of ``func`` with respect to argument ``argnums``."""
    if has_aux:
        raise NotImplementedError("jacrev(): has_aux is not supported")

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        def of_one(x: Tensor) -> Any:
            return func(*args[:argnums], x, *args[argnums + 1 :], **kwargs)

        return jacobians.jacobian(of_one, args[argnums], create_graph=args[argnums].requires_grad)

    return wrapped


def jacfwd(
    func: Callable[..., Any], argnums: int = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """As :func:`jacrev`: there is one way of differentiating here, backwards."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """The function that computes the second derivatives of ``func`` with respect to argument ``argnums``."""
    return jacrev(jacrev(func, argnums), argnums)


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """``func``, written for one element, as a function of a batch of them.

    Args:
        in_dims: the batch dimension of each argument, None for one that is handed on whole.
        out_dims: where the batch dimension stands in the results.

    Raises ValueError, when called, for arguments that do not fit ``in_dims`` or each other.
    """

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        dims = in_dims if isinstance(in_dims, (tuple, list)) else (in_dims,) * len(args)
        if len(dims) != len(args):
            raise ValueError(
                f"vmap({getattr(func, '__name__', func)}, in_dims={in_dims}, ...)(<inputs>): in_dims is not "
                f"compatible with the structure of inputs: {len(args)} inputs"
            )
        sizes = {_size(t, dim) for arg, dim in zip(args, dims, strict=True) if dim is not None for t in _leaves(arg)}
        if not sizes:
            raise ValueError("vmap: at least one input must have a batch dimension; got in_dims of None only")
        if len(sizes) > 1:
            raise ValueError(
                f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sorted(sizes)}"
            )
        results = []
        for i in range(sizes.pop()):
            picked = [
                arg if dim is None else _mapped(lambda t, dim=dim, i=i: t.select(dim, i), arg)
                for arg, dim in zip(args, dims, strict=True)
            ]
            results.append(func(*picked, **kwargs))
        return _stacked(results, out_dims)

    return wrapped


def _size(t: Any, dim: int) -> int:
    if not isinstance(t, Tensor):
        raise ValueError(f"vmap: Got in_dim={dim} for an input but the input is of type {type(t)}, not a Tensor")
    if not -t._array.ndim <= dim < t._array.ndim:
        raise ValueError(
            f"vmap: Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {t._array.ndim} so "
            f"expected in_dim to satisfy -{t._array.ndim} <= in_dim < {t._array.ndim}."
        )
    return t.size(dim)


def _stacked(results: list[Any], out_dims: Any) -> Any:
    if not results:
        raise ValueError("vmap: a batch of no elements is not supported")
    if isinstance(results[0], tuple):
        dims = out_dims if isinstance(out_dims, tuple) else (out_dims,) * len(results[0])
        return tuple(
            _stacked([r[j] for r in results], dim) for j, dim in zip(range(len(results[0])), dims, strict=True)
        )
    if isinstance(results[0], dict):
        return {key: _stacked([r[key] for r in results], out_dims) for key in results[0]}
    if not isinstance(results[0], Tensor):
        raise ValueError(f"vmap: the function must only return Tensors, got type {type(results[0])}")
    return FUNCTIONS["stack"](results, out_dims)


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with the named parameters and buffers in place of its own.

    Raises RuntimeError with ``strict`` for names that the module does not have, or has and are not given.
    """
    given: dict[str, Tensor] = {}
    for part in (
        [parameter_and_buffer_dicts] if isinstance(parameter_and_buffer_dicts, dict) else parameter_and_buffer_dicts
    ):
        given.update(part)
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if strict and set(own) != set(given):
        raise RuntimeError(
            f"functional_call: unexpected keys {sorted(set(given) - set(own))}, missing keys {sorted(set(own) - set(given))}"
        )
    places = []
    for name, value in given.items():
        if name in own:
            path, _, last = name.rpartition(".")
            places.append((module.get_submodule(path), last, value))
    replaced = []
    try:
        for holder, name, value in places:
            table = holder._parameters if name in holder._parameters else holder._buffers
            replaced.append((table, name, table[name]))
            table[name] = value
        listed = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*listed, **(kwargs or {}))
    finally:
        for table, name, value in reversed(replaced):
            table[name] = value


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """``func``: what it computes, writes in place included, is recorded as it is; there is nothing to take out.

    Raises RuntimeError for a ``remove`` that is neither "mutations" nor "mutations_and_views".
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid options are:\n"
            "     remove='mutations': all inplace and out= operators will be removed from the program, as well as their "
            "resulting views.\n     remove='mutations_and_views': In addition to the above, all aliasing operators "
            "{op} will be replaced with their non-aliasing counterparts, {op}_copy.\n"
        )

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapped


def stack_module_state(models: list[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and buffers of several modules of one shape, stacked: two dicts of tensors."""
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    stack = FUNCTIONS["stack"]
    parameters = {
        name: stack([dict(m.named_parameters())[name].detach() for m in models]).requires_grad_()
        for name, _ in models[0].named_parameters()
    }
    buffers = {name: stack([dict(m.named_buffers())[name] for m in models]) for name, _ in models[0].named_buffers()}
    return parameters, buffers
