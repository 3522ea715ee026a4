"""Sums of products over named indices: einsum, tensordot, and what follows from them.

Everything comes down to :data:`contract`, one product of two arrays whose dimensions have labels.
A label that both have and the result has too is a batch; one that both have and the result has not
is summed over; the others are kept. The product is a (batched) product of matrices, and the
gradient of either operand is the same operation on the incoming gradient and the other operand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..dtypes import promote_types
from ..operation import Applied, op
from ..tensor import Tensor
from ..types import Array, Namespace
from .calling import torch_call
from .matmul import product, refuse_operands
from .reduce import sum_of
from .strides import diagonal
from .view import dim_of, permute, reshape

__all__ = ["FUNCTIONS", "METHODS", "einsum", "tensordot"]


def _contract(xp: Namespace, x: Array, y: Array, a: tuple[int, ...], b: tuple[int, ...], c: tuple[int, ...]) -> Array:
    """x with labels ``a`` times y with labels ``b``, as an array with labels ``c``.

    Labels do not repeat within ``a``, ``b`` or ``c``; each of ``a`` or ``b`` is in one of the
    others.
    """
    size = dict(zip((*a, *b), (*x.shape, *y.shape), strict=True))
    batch = [i for i in a if i in b and i in c]
    summed = [i for i in a if i in b and i not in c]
    left = [i for i in a if i not in b]
    right = [i for i in b if i not in a]
    if not summed:
        return _aligned(x, a, c) * _aligned(y, b, c)
    if batch and not left and not right:
        low = {i: n for n, i in enumerate(size)}  # einsum knows no labels from 52 on
        terms = ([low[i] for i in labels] for labels in (a, b, c))
        return xp.einsum(x, next(terms), y, next(terms), next(terms))  # no matrix to make of rows
    k, m, n = (math.prod([size[i] for i in group]) for group in (summed, left, right))
    lead = [size[i] for i in batch]
    x = x.transpose([a.index(i) for i in (*batch, *left, *summed)]).reshape(*lead, m, k)
    y = y.transpose([b.index(i) for i in (*batch, *summed, *right)]).reshape(*lead, k, n)
    order = (*batch, *left, *right)
    r = product(x, y).reshape([size[i] for i in order])
    return r if order == tuple(c) else r.transpose([order.index(i) for i in c])


def _aligned(x: Array, a: tuple[int, ...], c: tuple[int, ...]) -> Array:
    """``x`` with its dimensions in the order of ``c``, and 1 for those it has not."""
    x = x.transpose([a.index(i) for i in c if i in a])
    sizes = iter(x.shape)
    return x.reshape([next(sizes) if i in a else 1 for i in c])


contract: Applied = op(
    _contract, grad_name="ViewBackward0",  # what PyTorch's composition ends with
    x=lambda g, y, a, b, c: contract(g, y, c, b, a),
    y=lambda g, x, a, b, c: contract(x, g, a, c, b),
)  # fmt: skip


def _sum_out(x: Tensor, labels: tuple[Any, ...], keep: Any) -> tuple[Any, ...]:
    """Sum away the dimensions whose labels are not in ``keep``."""
    gone = tuple(d for d, i in enumerate(labels) if i not in keep)
    if not gone:
        return x, labels
    return sum_of(x, gone, False), tuple(i for i in labels if i in keep)


def _without_stretched(x: Tensor, labels: tuple[Any, ...], other: dict[str, Any]) -> tuple[Any, ...]:
    """Without the dimensions of size 1 that the other operand has in full."""
    shape = x._array.shape
    stay = [d for d, i in enumerate(labels) if shape[d] != 1 or other.get(i, 1) == 1]
    if len(stay) == len(labels):
        return x, labels
    return reshape(x, tuple(shape[d] for d in stay)), tuple(labels[d] for d in stay)


def _pair(x: Tensor, a: tuple[Any, ...], y: Tensor, b: tuple[Any, ...], keep: Any) -> tuple[Any, ...]:
    """The product of two operands with labels, summed over all labels not in ``keep``."""
    refuse_operands("einsum", x, y)
    of_x = dict(zip(a, x._array.shape, strict=True))
    of_y = dict(zip(b, y._array.shape, strict=True))
    x, a = _without_stretched(x, a, of_y)
    y, b = _without_stretched(y, b, of_x)
    x, a = _sum_out(x, a, {*b, *keep})
    y, b = _sum_out(y, b, {*a, *keep})
    c = (*(i for i in a if i in keep), *(i for i in b if i in keep and i not in a))
    return contract(x, y, a, b, c), c


# ---------------------------------------------------------------------------- einsum


def _label(letter: str) -> int:
    """A-Z come before a-z, and both before what an ellipsis stands for is given its labels."""
    return ord(letter) - ord("A") if letter <= "Z" else ord(letter) - ord("a") + 26


def _name(label: int) -> str:
    if label >= 52:
        return "..."
    return chr(label + ord("A")) if label < 26 else chr(label - 26 + ord("a"))


def _terms(text: str) -> list[Any]:
    """The labels of one operand; ``...`` is Ellipsis. Raises RuntimeError for anything else."""
    labels: list[Any] = []
    text = text.replace(" ", "")
    i = 0
    while i < len(text):
        if text.startswith("...", i):
            if Ellipsis in labels:
                raise RuntimeError("einsum(): found '.' for operand for which an ellipsis was already found")
            labels.append(Ellipsis)
            i += 3
            continue
        if not (text[i].isascii() and text[i].isalpha()):
            where = "found '.' that is not part of any ellipsis" if text[i] == "." else (
                f"invalid subscript given at index {i} in the equation string, subscripts must "
                "be in [a-zA-Z]"
            )  # fmt: skip
            raise RuntimeError(f"einsum(): {where}")
        labels.append(_label(text[i]))
        i += 1
    return labels


def _parse(equation: str, operands: Any) -> tuple[Any, ...]:
    """Per operand its labels, and those of the result or None, from either of two forms."""
    if isinstance(equation, str):
        inputs, arrow, output = equation.partition("->")
        tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
        terms = [_terms(text) for text in inputs.split(",")]
        result = _terms(output) if arrow else None
    else:  # einsum(x, [0, 1], y, [1, 2], [0, 2])
        everything = (equation, *operands)
        result = list(everything[-1]) if len(everything) % 2 else None
        count = len(everything) // 2
        tensors = everything[: 2 * count : 2]
        terms = [list(labels) for labels in everything[1 : 2 * count : 2]]
    if not tensors:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    if len(tensors) != len(terms):
        amount = "fewer" if len(tensors) < len(terms) else "more"
        raise RuntimeError(f"einsum(): {amount} operands were provided than specified in the equation")
    return list(tensors), terms, result


def _expanded(tensors: list[Tensor], terms: list[Any], result: list[Any] | None) -> tuple[Any, ...]:
    """Ellipses replaced by labels from 52 on, aligned at the right; an implicit result found."""
    widths = []
    for n, (x, labels) in enumerate(zip(tensors, terms, strict=True)):
        if not isinstance(x, Tensor):
            raise TypeError(f"einsum(): operand {n} must be Tensor, not {type(x).__name__}")
        named, ndim = len(labels) - (Ellipsis in labels), x._array.ndim
        if named > ndim or (named != ndim and Ellipsis not in labels):
            ellipsis = "does not match" if Ellipsis not in labels else "exceeds"
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) {ellipsis} the "
                "number of "
                f"dimensions ({ndim}) for operand {n}" + ("" if Ellipsis in labels else " and no ellipsis was given")
            )
        widths.append(ndim - named)
    width = max(widths)

    def spell(labels: list[Any], own: int) -> tuple[int, ...]:
        return tuple(j for i in labels for j in (range(52 + width - own, 52 + width) if i is Ellipsis else (i,)))

    inputs = [spell(labels, own) for labels, own in zip(terms, widths, strict=True)]
    if result is None:
        flat = [i for labels in inputs for i in labels]
        dots = range(52, 52 + width) if any(Ellipsis in labels for labels in terms) else ()
        return inputs, (*dots, *sorted({i for i in flat if i < 52 and flat.count(i) == 1}))
    output = spell(result, width)
    for i in output:
        if output.count(i) > 1:
            raise RuntimeError(f"einsum(): output subscript {_name(i)} appears more than once in the output")
        if i < 52 and not any(i in labels for labels in inputs):
            raise RuntimeError(
                f"einsum(): output subscript {_name(i)} does not appear in the equation for any input operand"
            )
    return inputs, output


def _check_sizes(tensors: list[Tensor], inputs: list[Any]) -> None:
    sizes: dict[str, Any] = {}
    for n, (x, labels) in enumerate(zip(tensors, inputs, strict=True)):
        own: dict[str, Any] = {}
        for d, (i, size) in enumerate(zip(labels, x._array.shape, strict=True)):
            if own.setdefault(i, size) != size:
                raise RuntimeError(
                    f"einsum(): subscript {_name(i)} is repeated for operand {n} but the sizes "
                    "don't match, "
                    f"{size} != {own[i]}"
                )
            seen = sizes.get(i, 1)
            if seen != size and 1 not in (seen, size):
                raise RuntimeError(
                    "einsum(): operands do not broadcast with remapped shapes "
                    "[original->remapped]: subscript "
                    f"{_name(i)} has size {size} for dimension {d} of operand {n} and size "
                    f"{seen} before"
                )
            sizes[i] = max(seen, size) if 0 not in (seen, size) else 0


def _on_diagonal(x: Tensor, labels: tuple[Any, ...]) -> tuple[Any, ...]:
    """A label that repeats within one operand stands for the diagonal."""
    while len(set(labels)) < len(labels):
        i = next(i for i in labels if labels.count(i) > 1)
        first = labels.index(i)
        second = labels.index(i, first + 1)
        x = diagonal(x, 0, first, second)
        labels = (*(j for d, j in enumerate(labels) if d not in (first, second)), i)
    return x, labels


def einsum(equation: str, *operands: Any) -> Tensor:
    """Products of the operands summed over all indices that the result does not name.

    ``einsum("bij,bjk->bik", x, y)``; an index repeated within an operand is its diagonal, ``...``
    are dimensions that broadcast, and without ``->`` the result has the indices that occur once, in
    alphabetical order. Or in the form ``einsum(x, [0, 1, 2], y, [0, 2, 3], [0, 1, 3])``. Operands
    are multiplied from left to right.

    Raises RuntimeError for an equation that does not fit the operands.
    """
    tensors, terms, result = _parse(equation, operands)
    inputs, output = _expanded(tensors, terms, result)
    _check_sizes(tensors, inputs)
    ready = [_on_diagonal(x, labels) for x, labels in zip(tensors, inputs, strict=True)]
    value, labels = ready[0]
    for n, (x, own) in enumerate(ready[1:], 1):
        later = {*output, *(i for _, more in ready[n + 1 :] for i in more)}
        value, labels = _pair(value, labels, x, own, later)
    value, labels = _sum_out(value, labels, output)
    if labels != output:
        value = permute(value, *[labels.index(i) for i in output])
    found: Tensor = value
    return found


# -------------------------------------------------------------------------- tensordot, inner, kron


@torch_call
def tensordot(a: Tensor, b: Tensor, dims: int | Sequence[int] | Sequence[Sequence[int]] = 2) -> Tensor:
    """The sum of products over ``dims``: the last n of ``a`` with the first n of ``b``, or two
    lists.

    Raises RuntimeError if there are fewer dimensions, or their sizes differ.
    """
    n, m = a._array.ndim, b._array.ndim
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(n, m):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        of_a, of_b = list(range(n - dims, n)), list(range(dims))
    else:
        of_a, of_b = ([d] if isinstance(d, int) else list(d) for d in dims)
        if len(of_a) != len(of_b):
            raise RuntimeError("both dimension lists should have same length")
        of_a, of_b = [dim_of(d, n) for d in of_a], [dim_of(d, m) for d in of_b]
    labels = list(range(n, n + m))
    for d, e in zip(of_a, of_b, strict=True):
        p, q = a._array.shape[d], b._array.shape[e]
        if p != q and 1 not in (p, q):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {p} in dim {d} and "
                "second has "
                f"size {q} in dim {e}"
            )
        labels[e] = d
    keep = (*(i for i in range(n) if i not in of_a), *(i for i in labels if i >= n))
    result = _pair(a, tuple(range(n)), b, tuple(labels), keep)[0]
    # NumPy sums small integers in a wider type.
    found: Tensor = result if a._array.dtype.kind == "f" else result.to(promote_types(a.dtype, b.dtype))
    return found


@torch_call
def inner(input: Tensor, other: Tensor) -> Tensor:
    """The dot products over the last dimension of both. A 0-d operand multiplies."""
    a, b = input._array.shape, other._array.shape
    if not a or not b:
        return input * other
    if a[-1] != b[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(a)} and {list(b)}"
        )
    return tensordot(input, other, ([-1], [-1]))


@torch_call
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: ``input`` with each element replaced by itself times ``other``."""
    n = max(input._array.ndim, other._array.ndim)
    a = (1,) * (n - input._array.ndim) + input._array.shape
    b = (1,) * (n - other._array.ndim) + other._array.shape
    left = reshape(input, tuple(s for i in a for s in (i, 1)))
    right = reshape(other, tuple(s for i in b for s in (1, i)))
    result: Tensor = reshape(left * right, tuple(i * j for i, j in zip(a, b, strict=True)))
    return result


@torch_call
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal. Raises RuntimeError if it is not a matrix."""
    if input._array.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input._array.ndim}")
    return diagonal(input, 0, 0, 1).sum()


FUNCTIONS = {"einsum": einsum, "inner": inner, "kron": kron, "tensordot": tensordot, "trace": trace}
METHODS = {"inner": inner, "kron": kron, "trace": trace}
