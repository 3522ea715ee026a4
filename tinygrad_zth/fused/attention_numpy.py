"""The NumPy kernels of scaled dot-product attention, forward and backward.

It is worked in blocks of queries:
a causal block is only multiplied with the keys that it may see, which saves nearly half of the
work. The exponentials are not divided by their row sums: the far smaller rows of the output are,
and in the backward those of its gradient. While the exponentials are few against the inputs they
are kept for the backward, otherwise computed again from the inputs and the row sums, as in Dao et
al., FlashAttention (2022), so that memory stays linear in the sequence's length.

The leading dimensions are cut into parts; long work is shared between threads part by part, each
multiplying on its own core.

The scores are scaled so that the faster of 2^s and e^s is the exponential (``backends.exponential``).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..backends.exponential import POWER, RATE
from ..backends.kept import kept
from ..backends.parallel import on_blocks, run_tasks, sharers
from ..types import Array
from .rows import at_least, below, constants, narrowed, ones, row_sums, widened

__all__ = ["Part", "Saved", "attention_backward", "attention_forward", "fits", "one_query"]

_LARGEST_POWER = {"f": 62.0 * RATE, "d": 485.0 * RATE}
_SMALLEST_SUM = {"f": 2.0**-60, "d": 2.0**-600}
_CAUSAL_BLOCK, _LONG_CAUSAL_BLOCK = 64, 96  # queries, of up to 128 and of more: smaller blocks skip more, in more calls
_SCORES_AT_ONCE = 1 << 22  # elements of one block of scores, over all heads
_KEPT_PER_INPUT = 2.0  # exponentials kept for each element of q, k, v and the output
_SCORES_IN_CACHE = 1 << 17  # elements of the scores of a part, when threads share the parts
_EXP_NS, _PASS_NS = 0.2, 0.1
_PRODUCT_NS = 0.02  # of one multiplication and addition in a small product


class Part(NamedTuple):
    """What the backward needs of one part of the leading dimensions."""

    index: tuple[slice, ...]  # type: ignore[assignment]  # where the part lies in them
    shift: np.ndarray | None  # (…, L, 1), in powers of two: subtracted from the scores
    exponentials: list[np.ndarray] | None  # one (…, rows, keys) for each block of queries


class Saved(NamedTuple):
    """What the backward needs beside the inputs and the output."""

    inverse: np.ndarray  # (…, L, 1): 1 / row sum of the exponentials, 0 for a fully masked row
    parts: list[Part]
    threads: int


class _Rule(NamedTuple):
    """Who sees whom: a mask in the dtype and the powers of two of the scores, or causality."""

    mask: np.ndarray | None
    is_causal: bool


def attention_forward(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    mask: np.ndarray | None = None,
    dropout: np.ndarray | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    keep: bool = True,
) -> tuple[np.ndarray, Saved]:
    """`(out, saved)`, with `out` `(…, L, Ev)` in the dtype of `q`.

    q `(…, L, E)`, k `(…, S, E)`, v `(…, S, Ev)`, leading dimensions broadcast; mask broadcasts to
    `(…, L, S)`: bool (True takes part), or floating and added to the scores; dropout: what the
    probabilities are multiplied by, of their full shape, or None. is_causal: query i sees keys up
    to i, whatever L and S. scale: default 1 / sqrt(E). keep: whether the exponentials may be kept.
    A row that sees nothing gives zeros, as in PyTorch.

    Raises RuntimeError for shapes that do not match, and for a mask beside is_causal.
    """
    lead = q.shape[:-2]
    if mask is not None or not (lead == k.shape[:-2] == v.shape[:-2] and fits(q, k, v)):
        lead = _lead(q, k, v, mask, is_causal)
    dtype = q.dtype
    q, k, v = _broadcast(q, lead), _broadcast(k, lead), _broadcast(v, lead)
    length, keys, width = q.shape[-2], k.shape[-2], v.shape[-1]
    if mask is not None:
        mask = _prepared(mask, (*lead, length, keys), q.dtype)
    out = _like_heads((*lead, length, width), q.dtype)
    inverse = np.empty((*lead, length, 1), q.dtype)
    blocks = _blocks(lead, length, keys, is_causal)
    seen = math.prod(lead) * sum([(stop - start) * end for start, stop, end in blocks])
    keep = keep and seen <= _KEPT_PER_INPUT * (q.size + k.size + v.size + out.size)
    threads = sharers(seen * (0.5 + (q.shape[-1] + width) * _PRODUCT_NS))
    factor = _factor(q, scale)
    if threads == 1:
        shift, kept = _forward(q * factor, k, v, _Rule(mask, is_causal), dropout, keep, blocks, out, inverse)
        return narrowed(out, dtype), Saved(inverse, [Part((), shift, kept)], 1)
    indices = _indices(lead, seen, threads)
    parts: list[Any] = [None] * len(indices)

    def task(i: int) -> None:
        index = indices[i]
        rule = _Rule(None if mask is None else mask[index], is_causal)
        drop = None if dropout is None else dropout[index]
        queries = q[index] * factor
        mine = _blocks(queries.shape[:-2], length, keys, is_causal)
        shift, kept = _forward(queries, k[index], v[index], rule, drop, keep, mine, out[index], inverse[index])
        parts[i] = Part(index, shift, kept)

    run_tasks(task, len(indices), threads)
    return narrowed(out, dtype), Saved(inverse, parts, threads)


def one_query(q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: float | None) -> Array:
    """The output for a single query, q `(…, 1, E)`, that sees all keys, or None where the scores are out of
    the ordinary: what `attention_forward` does, without the bookkeeping of blocks and of a backward. It
    halves the time for a model that generates token by token, its keys and values kept.
    """
    s = (q * _factor(q, scale)) @ k.swapaxes(-1, -2)
    dtype = s.dtype
    kind = dtype.char
    if not below(s, _LARGEST_POWER[kind]):
        return None
    e = POWER(s)
    sums = e.dot(ones[(e.shape[-1], 1), dtype])  # one dot product for each head: with so few, faster than one product
    if not at_least(sums, _SMALLEST_SUM[kind]):
        return None
    out = e @ v
    out /= sums
    return out


def attention_backward(
    g: np.ndarray,
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    out: np.ndarray,
    saved: Saved,
    mask: np.ndarray | None = None,
    dropout: np.ndarray | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    needs: tuple[bool, bool, bool, bool] = (True, True, True, False),
) -> tuple[np.ndarray | None, ...]:
    """Gradients for q, k, v and a floating mask; None for those that `needs` leaves out.

    With P the probabilities and D = sum(g * out) for each row: dV = P^T g, dS = P (g V^T - D),
    dQ = dS K scale, dK = dS^T Q scale, dmask = dS.
    """
    inputs: tuple[Array, ...] = (q, k, v, mask)
    lead = saved.inverse.shape[:-2]
    g, out = widened(g), widened(out)
    q, k, v = _broadcast(q, lead), _broadcast(k, lead), _broadcast(v, lead)
    length, keys = q.shape[-2], k.shape[-2]
    if mask is not None:
        mask = _prepared(mask, (*lead, length, keys), q.dtype)
    grads: list[Array] = [np.empty_like(a) if need else None for a, need in zip((q, k, v), needs, strict=False)]
    grads.append(np.zeros((*lead, length, keys), q.dtype) if needs[3] else None)
    factor = _factor(q, scale)

    def task(i: int) -> None:
        part = saved.parts[i]
        index = part.index
        rule = _Rule(None if mask is None else mask[index], is_causal)
        drop = None if dropout is None else dropout[index]
        arguments: list[Any] = [a[index] for a in (g, q, k, v, out, saved.inverse)]
        into = [None if a is None else a[index] for a in grads]
        arguments += [part, rule, drop, factor, into]
        _backward(*arguments)

    run_tasks(task, len(saved.parts), saved.threads)
    return tuple(
        None if a is None else _summed_to(a, x.shape).astype(x.dtype, copy=False)
        for a, x in zip(grads, inputs, strict=True)
    )


def _forward(
    scaled: Array, k: Array, v: Array, rule: _Rule, dropout: Array, keep: bool, blocks: list[tuple[int, int, int]],
    out: Array, inverse: Array,
) -> tuple[Any, ...]:  # fmt: skip
    """One part of the forward, into `out` and `inverse`; `(shift, exponentials)`."""
    shift: Array = None
    kept: list[Array] | None = [] if keep else None
    for start, stop, seen in blocks:
        rows = slice(start, stop)
        part = _scores(scaled, k, rule, rows, seen)
        e, sums, moved = _exponentials(part, rule, rows, seen)
        if moved is not None:
            if shift is None:
                shift = np.zeros_like(inverse)
            shift[..., rows, :] = moved
        (one,) = constants[sums.dtype, 1.0]
        r = np.divide(one, sums, inverse[..., rows, :])
        if moved is not None or not e.size:  # else the sums are known to be large enough
            empty = sums == 0
            if np.logical_or.reduce(empty, None):
                r[empty] = 0
        weights = e if dropout is None else e * dropout[..., rows, :seen]
        target = np.matmul(weights, v[..., :seen, :], out[..., rows, :])
        target *= r
        if kept is not None:
            kept.append(e)
    return shift, kept


def _backward(
    g: Array,
    q: Array,
    k: Array,
    v: Array,
    out: Array,
    inverse: Array,
    part: Part,
    rule: _Rule,
    dropout: Array,
    factor: Array,
    into: list[Array | None],
) -> None:
    """One part of the backward, into the arrays `into` for q, k, v and the mask, or None."""
    gq, gk, gv, g_mask = into
    length, keys, width = q.shape[-2], k.shape[-2], v.shape[-1]
    natural = q.dtype.type(factor / RATE)
    # g / row sum, in place of P = e / row sum; and -D as one column more, which meets a column of
    # ones beside V: then g V^T - D is one product.
    wide = np.empty((*g.shape[:-1], width + 1), q.dtype)
    scaled_g, column = wide[..., :width], wide[..., width:]
    np.multiply(g, inverse, out=scaled_g)
    np.negative(np.vecdot(scaled_g, out), out=column[..., 0])
    beside = np.ones((*v.shape[:-1], width + 1), q.dtype)
    beside[..., :width] = v
    scaled_q = q * natural
    blocks = _blocks(q.shape[:-2], length, keys, rule.is_causal)
    written = 0  # keys up to here already hold a gradient to add to
    if not blocks or blocks[-1][2] < keys:  # there are keys that no query sees
        for grad in (gk, gv):
            if grad is not None:
                grad[...] = 0
        written = keys
    for i in reversed(range(len(blocks))):
        start, stop, seen = blocks[i]
        rows = slice(start, stop)
        if part.exponentials is not None:
            e = part.exponentials[i]
        else:
            powers = _scores(scaled_q * q.dtype.type(RATE), k, rule, rows, seen)
            moved = None if part.shift is None else part.shift[..., rows, :]
            e = _powers(powers, rule, rows, seen, moved)
        drop = None if dropout is None else dropout[..., rows, :seen]
        if gv is not None:
            weights = e if drop is None else e * drop
            left = np.swapaxes(weights, -1, -2)
            _accumulate(gv, left, scaled_g[..., rows, :], seen, written)
        if gq is not None or gk is not None or g_mask is not None:
            if drop is None:
                ds = _by_rows(wide[..., rows, :], beside[..., :seen, :])
            else:
                ds = _by_rows(scaled_g[..., rows, :], v[..., :seen, :])
                ds *= drop
                ds += column[..., rows, :]
            _product(ds, e)
            if gq is not None:
                target = np.matmul(ds, k[..., :seen, :], out=gq[..., rows, :])
                target *= natural
            if gk is not None:
                left = np.swapaxes(ds, -1, -2)
                _accumulate(gk, left, scaled_q[..., rows, :], seen, written)
            if g_mask is not None:
                g_mask[..., rows, :seen] = ds
        written = max(written, seen)


def fits(q: Array, k: Array, v: Array) -> bool:
    """Whether queries, keys and values agree in the dimensions that are multiplied over."""
    return bool(min(q.ndim, k.ndim, v.ndim) >= 2 and q.shape[-1] == k.shape[-1] and k.shape[-2] == v.shape[-2])


def _lead(q: Array, k: Array, v: Array, mask: Array, is_causal: bool) -> tuple[int, ...]:
    """The broadcast leading dimensions. Raises RuntimeError for what cannot be attended to."""
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise RuntimeError(
            "scaled_dot_product_attention: Expected query, key, and value to all be at least 2 "
            f"dimensional, but got query.dim: {q.ndim} key.dim: {k.ndim} and value.dim: {v.ndim} "
            "instead."
        )
    if is_causal and mask is not None:
        raise RuntimeError("scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    try:
        if not fits(q, k, v):
            raise ValueError
        lead = q.shape[:-2]
        if lead != k.shape[:-2] or lead != v.shape[:-2]:
            lead = np.broadcast_shapes(lead, k.shape[:-2], v.shape[:-2])
        full = (*lead, q.shape[-2], k.shape[-2])
        if mask is not None:
            lead = np.broadcast_shapes(full, mask.shape)[:-2]
            if np.broadcast_shapes(full[-2:], mask.shape[-2:]) != full[-2:]:
                raise ValueError
    except ValueError:
        shape = "" if mask is None else f" and a mask of {list(mask.shape)}"
        raise RuntimeError(
            "scaled_dot_product_attention: expected (…, L, E), (…, S, E) and (…, S, Ev), got "
            f"{list(q.shape)}, {list(k.shape)} and {list(v.shape)}{shape}"
        ) from None
    result: tuple[int, ...] = lead
    return result


def _broadcast(a: np.ndarray, lead: tuple[int, ...]) -> np.ndarray:
    """`a`, in the dtype it is computed in, with these leading dimensions."""
    a = widened(a)
    return a if a.shape[:-2] == lead else np.broadcast_to(a, (*lead, *a.shape[-2:]))


def _prepared(mask: Array, full: tuple[int, ...], dtype: np.dtype) -> Array:
    """A mask seen in the shape of the scores; a floating one in their dtype and scale."""
    if mask.dtype.kind == "f":
        mask = mask.astype(dtype, copy=False) * dtype.type(RATE)
    return np.broadcast_to(mask, full)


def _indices(lead: tuple[int, ...], seen: int, threads: int) -> list[tuple[slice, ...]]:
    """The leading dimensions cut along the longest: whole for one thread, else parts of a size
    whose scores stay in the cache, and several for each thread."""
    if threads == 1 or not lead or max(lead) < 2:
        return [()]
    axis = lead.index(max(lead))
    wanted = max(3 * threads, seen // _SCORES_IN_CACHE)
    step = max(1, lead[axis] // wanted)
    return [(slice(None),) * axis + (slice(start, start + step),) for start in range(0, lead[axis], step)]


def _blocks(lead: tuple[int, ...], length: int, keys: int, is_causal: bool) -> list[tuple[int, int, int]]:
    """`(first query, past the last, keys seen)` for each block of queries."""
    step = max(16, _SCORES_AT_ONCE // max(1, math.prod(lead) * keys))
    if is_causal:
        step = min(step, _CAUSAL_BLOCK if length <= 2 * _CAUSAL_BLOCK else _LONG_CAUSAL_BLOCK)
    if 0 < length <= step:
        return [(0, length, min(length, keys) if is_causal else keys)]
    return [
        (start, stop, min(stop, keys) if is_causal else keys)
        for start in range(0, length, step)
        for stop in [min(start + step, length)]
    ]


def _factor(q: np.ndarray, scale: float | None) -> np.floating:
    """What the scores are multiplied by, to be exponents of ``POWER``."""
    if scale is None:
        scale = 1.0 / math.sqrt(max(q.shape[-1], 1))
    result: np.floating = q.dtype.type(scale * RATE)
    return result


def _scores(scaled: Array, k: Array, rule: _Rule, rows: slice, seen: int) -> np.ndarray:
    """A block of scores, exponents of ``POWER``, an additive mask added."""
    part = _by_rows(scaled[..., rows, :], k[..., :seen, :])
    if rule.mask is not None and rule.mask.dtype.kind == "f":
        part += rule.mask[..., rows, :seen]
    return part


def _by_rows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a b^T, contiguous: matmul on its own would follow the layout of its operands' heads."""
    out = np.empty((*a.shape[:-1], b.shape[-2]), a.dtype)
    return np.matmul(a, b.swapaxes(-1, -2), out)


def _exponentials(part: Array, rule: _Rule, rows: slice, seen: int) -> tuple[Array, ...]:
    """`(e, row sums, shift or None)` of a block of scores, whose memory is used."""
    kind = part.dtype.char
    if part.size == 0:
        return part, np.zeros((*part.shape[:-1], 1), part.dtype), None
    if below(part, _LARGEST_POWER[kind]):
        e = np.empty_like(part)
        _exponential(part, e)
        _hide(e, rule, rows, seen, None)
        sums = _sums(e)
        if at_least(sums, _SMALLEST_SUM[kind]):
            return e, sums, None
    _hide(part, rule, rows, seen, -np.inf)
    shift = np.maximum.reduce(part, axis=-1, keepdims=True)
    shift[shift == -np.inf] = 0
    e = _powers(part, None, rows, seen, shift)
    return e, _sums(e), shift


def _powers(part: Array, rule: _Rule | None, rows: slice, seen: int, shift: Array) -> Array:
    """The exponentials of part - shift, 0 where `rule` hides the key; in the memory of `part`."""
    if shift is None:
        _exponential(part, part)
        _hide(part, rule, rows, seen, None)
        return part
    if rule is not None:
        _hide(part, rule, rows, seen, -np.inf)
    part -= shift
    _exponential(part, part)
    return part


def _hide(a: Array, rule: Any, rows: slice, seen: int, value: float | None) -> None:
    """Write `value` into the block `a` of scores where a bool mask or causality hides the key;
    None: 0, by a product, for exponentials that are finite."""
    start = 0
    if rule.is_causal:
        start = rows.start
        if start >= seen:
            return
        if a.shape[-2] == seen - start == 1:
            return
        shown = _lower[a.shape[-2], seen - start, a.dtype]
    elif rule.mask is not None and rule.mask.dtype.kind == "b":
        shown = rule.mask[..., rows, :seen]
    else:
        return
    if value is None:
        a[..., start:] *= shown
    else:
        np.copyto(a[..., start:], value, where=np.logical_not(shown))


@kept(128)
def _lower(rows: int, columns: int, dtype: np.dtype) -> np.ndarray:
    """The small triangle of a causal block: 1 where query i sees key j, j <= i. A product with it takes half the
    time of one with bools."""
    return np.tri(rows, columns, dtype=dtype)


def _sums(e: Array) -> Array:
    """The row sums of contiguous exponentials, `(…, rows, 1)`."""
    return row_sums(e.reshape(-1, e.shape[-1])).reshape((*e.shape[:-1], 1))


def _exponential(source: np.ndarray, out: np.ndarray) -> None:
    on_blocks(POWER, _EXP_NS, source.reshape(-1), out.reshape(-1))


def _product(out: np.ndarray, by: np.ndarray) -> None:
    """`out *= by` for contiguous arrays of one shape."""
    flat = out.reshape(-1)
    on_blocks(np.multiply, _PASS_NS, flat, by.reshape(-1), flat)


def _accumulate(target: Array, left: Array, right: Array, seen: int, written: int) -> None:
    """Add `left @ right` to the first `seen` rows of `target`, which hold nothing yet if `written` is 0.

    Blocks come from the last to the first, each of which sees no more keys than the one before it did.
    """
    if written == 0:
        np.matmul(left, right, out=target[..., :seen, :])
    else:
        target[..., :seen, :] += left @ right


def _like_heads(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An empty array, laid out so that bringing the heads together again needs no copy."""
    if len(shape) != 4:
        return np.empty(shape, dtype)
    b, h, n, d = shape
    return np.empty((b, n, h, d), dtype).swapaxes(1, 2)


def _summed_to(grad: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`grad` with the axes summed that broadcasting from `shape` made."""
    extra = grad.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(i for i, n in enumerate(shape, extra) if n == 1 and grad.shape[i] != 1)
    return np.add.reduce(grad, axes, keepdims=True).reshape(shape) if axes else grad
