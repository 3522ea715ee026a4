"""``torch.autograd.functional``: Jacobians, Hessians, and their products with vectors, of functions of tensors.

All of them run the function once on inputs that require grad, and then the backward pass: once per
element of the output for a Jacobian, once for a vector times it. A Jacobian times a vector uses the
double-backward trick: the derivative of (v^T J) with respect to v is J^T, so a second backward pass
gives J u (J. Townsend, A new trick for calculating Jacobian vector products, 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .autograd import grad
from .graph import enable_grad
from .ops import FUNCTIONS
from .tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

_stack, _zeros_like, _ones_like = (FUNCTIONS[name] for name in ("stack", "zeros_like", "ones_like"))


def _tuple_of(name: str, what: str, values: Any) -> tuple[bool, tuple[Any, ...]]:
    """Whether a tuple was given, and the tuple. TypeError if something in it is no Tensor."""
    is_tuple = isinstance(values, tuple)
    listed = values if is_tuple else (values,)
    for i, t in enumerate(listed):
        if not isinstance(t, Tensor):
            if is_tuple:
                raise TypeError(
                    f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the "
                    f"value at index {i} has type {type(t)}."
                )
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the given "
                f"{what} has type {type(t)}."
            )
    return is_tuple, listed


def _leaves(inputs: tuple[Any, ...], create_graph: bool) -> tuple[Any, ...]:
    """Each input as a tensor whose gradient can be asked for: with ``create_graph``, still tied to the user's."""
    if create_graph:
        return tuple(t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in inputs)
    return tuple(t.detach().requires_grad_() for t in inputs)


def _gradients(
    outputs: tuple[Tensor, ...],
    inputs: tuple[Tensor, ...],
    vectors: tuple[Tensor, ...],
    create_graph: bool,
    strict: bool,
    name: str,
) -> tuple[Any, ...]:
    with enable_grad():
        live = [(o, v) for o, v in zip(outputs, vectors, strict=True) if o.requires_grad]
        if strict and len(live) < len(outputs):
            raise RuntimeError(
                f"Output of the user-provided function does not require gradients: {name} in strict mode "
                "needs every output to depend on the inputs."
            )
        if not live:
            return tuple(_zeros_like(t) for t in inputs)
        found = grad(
            [o for o, _ in live], inputs, [v for _, v in live], create_graph=create_graph, retain_graph=True,
            allow_unused=True,
        )  # fmt: skip
    if strict and any(g is None for g in found):
        raise RuntimeError(
            f"The output of the user-provided function is independent of input {found.index(None)}. "
            "This is not allowed in strict mode."
        )
    return tuple(_zeros_like(t) if g is None else g for g, t in zip(found, inputs, strict=True))


def _finished(values: Any, create_graph: bool) -> Any:
    if create_graph:
        return values
    return tuple(_finished(v, False) for v in values) if isinstance(values, tuple) else values.detach()


def _vector(name: str, v: Any, like: tuple[Any, ...], of: str) -> tuple[Any, ...]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if the {of} is a single Tensor with a single element"
                if name != "vjp"
                else "The vector v can only be None if the user-provided function returns a single Tensor with a "
                "single element."
            )
        return (_ones_like(like[0]),)
    _, listed = _tuple_of(name, "v", v)
    if len(listed) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(listed)}.")
    for i, (a, b) in enumerate(zip(listed, like, strict=True)):
        if a.shape != b.shape:
            raise RuntimeError(f"Entry {i} in v has invalid size: should be {b.shape} but got {a.shape}.")
    return listed


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, ...]:
    """``(outputs, v^T J)``: the backward pass from ``v``, of the outputs' shape. One pass.

    Raises RuntimeError if ``v`` does not fit, or is left out for outputs of several elements.
    """
    is_tuple, listed = _tuple_of("vjp", "inputs", inputs)
    with enable_grad():
        leaves = _leaves(listed, create_graph)
        outputs = func(*leaves)
        _, out_listed = _tuple_of("vjp", "outputs of the user-provided function", outputs)
    products = _gradients(out_listed, leaves, _vector("vjp", v, out_listed, "output"), create_graph, strict, "vjp")
    result = products if is_tuple else products[0]
    return _finished(outputs, create_graph), _finished(result, create_graph)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, ...]:
    """``(outputs, J v)``: the directional derivative along ``v``, of the inputs' shape. Two passes."""
    _, listed = _tuple_of("jvp", "inputs", inputs)
    direction = _vector("jvp", v, listed, "input to the user-provided function")
    with enable_grad():
        leaves = _leaves(listed, create_graph)
        outputs = func(*leaves)
        out_tuple, out_listed = _tuple_of("jvp", "outputs of the user-provided function", outputs)
        dummies = tuple(_zeros_like(o).requires_grad_() for o in out_listed)
        rows = _gradients(out_listed, leaves, dummies, True, strict, "jvp")
        products = _gradients(rows, dummies, direction, create_graph, False, "jvp")
    result = products if out_tuple else products[0]
    return _finished(outputs, create_graph), _finished(result, create_graph)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All partial derivatives: for one input and output a Tensor of shape (*output, *input).

    With a tuple of inputs, a tuple over them; with a tuple of outputs, a tuple over these outside it.
    One backward pass per element of the outputs. ``vectorize`` and ``strategy`` are accepted.
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise AssertionError(f'Expected strategy to be either "forward-mode" or "reverse-mode". Got: {strategy}')
    in_tuple, listed = _tuple_of("jacobian", "inputs", inputs)
    with enable_grad():
        leaves = _leaves(listed, create_graph)
        outputs = func(*leaves)
        out_tuple, out_listed = _tuple_of("jacobian", "outputs of the user-provided function", outputs)
        blocks = []
        for out in out_listed:
            flat = out.reshape(-1)
            rows = []
            for i in range(flat.numel()):
                one = flat[i]
                rows.append(_gradients((one,), leaves, (_ones_like(one),), create_graph, strict, "jacobian"))
            block = tuple(
                _stack([row[j] for row in rows]).reshape((*out.shape, *t.shape))
                if rows
                else t.new_zeros((*out.shape, *t.shape))
                for j, t in enumerate(leaves)
            )
            blocks.append(block if in_tuple else block[0])
    return _finished(tuple(blocks) if out_tuple else blocks[0], create_graph)


def _scalar(func: Callable[..., Any], name: str) -> Callable[..., Any]:
    def checked(*inputs: Tensor) -> Tensor:
        out = func(*inputs)
        if not isinstance(out, Tensor):
            raise RuntimeError(f"The function given to {name} should return a single Tensor")
        if out.numel() != 1:
            raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
        return out.reshape(())

    return checked


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a function with one result: shape (*input, *input), or a tuple of tuples."""
    in_tuple, listed = _tuple_of("hessian", "inputs", inputs)
    checked = _scalar(func, "hessian")

    def first(*xs: Tensor) -> Any:
        found = jacobian(checked, xs, create_graph=True, strict=strict)
        return found if in_tuple else found[0]

    found = jacobian(first, listed if in_tuple else listed[0], create_graph=create_graph, strict=strict)
    return found


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, ...]:
    """``(output, H v)`` for a function with one result."""
    return vhp(func, inputs, v, create_graph, strict)  # the Hessian is symmetric


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, ...]:
    """``(output, v^T H)`` for a function with one result: two backward passes."""
    is_tuple, listed = _tuple_of("vhp", "inputs", inputs)
    direction = _vector("vhp", v, listed, "input to the user-provided function")
    with enable_grad():
        leaves = _leaves(listed, create_graph)
        out = _scalar(func, "vhp")(*leaves)
        rows = _gradients((out,), leaves, (_ones_like(out),), True, strict, "vhp")
        products = _gradients(rows, leaves, direction, create_graph, strict, "vhp")
    return _finished(out, create_graph), _finished(products if is_tuple else products[0], create_graph)
