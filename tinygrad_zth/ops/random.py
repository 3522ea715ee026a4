"""Random tensors: PyTorch's numbers for the same seed, from the one stream of ``generator.py``.

The distributions themselves are in the package ``sampling``, on arrays; here they get PyTorch's
signatures. On every device the numbers are drawn by the CPU's stream, and then moved.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import dtypes, generator, sampling
from ..backends import backend_of, counter
from ..device import default_device
from ..dtypes import dtype
from ..generator import AHEAD, Generator, default_generator
from ..graph import mode
from ..inplace import check_writeable, write
from ..operation import Applied, op
from ..refusal import on_one_device
from ..sampling.integers import FEW, SHORT, few
from ..tensor import Tensor, current_node, new_tensor, storage_of
from ..types import Array, Device, Sizes
from .calling import wrong_size
from .create import _finish, _kind, _made, _shape
from .create import empty_like as _empty_tensor_like

__all__ = ["FUNCTIONS", "METHODS", "fill_random"]

# ---------------------------------------------------------------------------- the generator's state


def _get_state(self: Generator) -> Tensor:
    """The whole state as PyTorch lays it out: a uint8 tensor of 5056 elements."""
    return new_tensor(self.state_bytes())


def _set_state(self: Generator, new_state: Tensor) -> None:
    """Take up the stream where ``new_state`` left it. TypeError or RuntimeError if it is no state."""
    if not isinstance(new_state, Tensor):
        raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
    self.set_state_bytes(backend_of(new_state._array).to_numpy(new_state._array))


Generator.get_state = _get_state
Generator.set_state = _set_state


def get_rng_state() -> Tensor:
    """The default generator's state (uint8, 5056 elements)."""
    return _get_state(default_generator)


def set_rng_state(new_state: Tensor) -> None:
    """Put the default generator in a state that ``get_rng_state`` returned."""
    _set_state(default_generator, new_state)


@contextlib.contextmanager
def fork_rng(devices: Any = None, enabled: bool = True) -> Iterator[None]:
    """Whatever is drawn in the block leaves the default generator as it was before, and the devices' stream.

    ``devices`` is accepted as in PyTorch; all of them draw from the one stream.
    """
    before = counter.stream.state
    try:
        with generator.fork_rng(enabled=enabled):
            yield
    finally:
        if enabled:
            counter.stream.manual_seed(*before)


# ---------------------------------------------------------------------------- filling


def fill_random(
    t: Tensor, name: str, sampler: Callable[..., Any], *args: Any, generator: Generator | None = None
) -> Tensor:
    """Fill ``t`` in place by ``sampler(array, *args, generator=...)``; returns ``t``.

    Raises RuntimeError for a leaf that requires grad, as every in-place operation does.
    """
    check_writeable(t, name)
    array = t._array
    if isinstance(array, np.ndarray) and t._view is None and current_node(t) is None:
        sampler(array, *args, generator=generator)
        storage_of(t).version += 1
        return t
    if isinstance(array, np.ndarray):
        drawn = sampling.empty_like(array)
        drawn[...] = array
    else:
        drawn = backend_of(array).to_numpy(array)
    sampler(drawn, *args, generator=generator)
    return write(t, new_tensor(backend_of(array).asarray(drawn)), (), name)


def _filler(sampler: Callable[..., Any], doc: str, **defaults: float) -> Callable[..., Any]:
    """The in-place method that draws from ``sampler``, with PyTorch's names for its parameters."""
    name = sampler.__name__
    signature = ", ".join(f"{p}: float = {value!r}" for p, value in defaults.items())
    namespace: dict[str, Any] = {"fill_random": fill_random, "sampler": sampler, "Tensor": Tensor}
    exec(
        f"def {name}(self: Tensor, {signature}, *, generator: 'Generator | None' = None) -> Tensor:\n"
        f"    return fill_random(self, {name!r}, sampler, {', '.join(defaults)}, generator=generator)",
        namespace,
    )
    method = namespace[name]
    method.__module__, method.__doc__ = __name__, doc
    result: Callable[..., Any] = method
    return result


uniform_ = _filler(sampling.uniform_, "Fill with numbers uniform on [from, to).", a=0.0, b=1.0)
normal_ = _filler(sampling.normal_, "Fill with normal numbers.", mean=0.0, std=1.0)
log_normal_ = _filler(sampling.log_normal_, "Fill with exp of normal numbers of this mean and std.", mean=1.0, std=2.0)
exponential_ = _filler(sampling.exponential_, "Fill with exponential numbers of rate ``lambd``.", lambd=1.0)
cauchy_ = _filler(sampling.cauchy_, "Fill with Cauchy numbers.", median=0.0, sigma=1.0)


def _uniform_method(self: Tensor, *bounds: Any, generator: Generator | None = None, **named: Any) -> Tensor:
    """Fill with numbers uniform on [from, to): ``uniform_(from=0, to=1, *, generator=None)``."""
    for i, name in enumerate(("from", "to")):  # `from` cannot be written as a parameter
        if name in named:
            bounds = (*bounds[:i], *(0.0,) * (i - len(bounds)), named.pop(name))
    if named or len(bounds) > 2:
        raise TypeError(f"uniform_() got an unexpected argument: {named or bounds}")
    result: Tensor = uniform_(self, *bounds, generator=generator)
    return result


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill with the number of the first success among trials of probability ``p``."""
    return fill_random(self, "geometric_", sampling.geometric_, p, generator=generator)


def bernoulli_(self: Tensor, p: float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with ones of probability ``p`` (a number, or a tensor that broadcasts), else zeros."""
    return fill_random(self, "bernoulli_", sampling.bernoulli_, _host(p), generator=generator)


def random_(self: Tensor, *bounds: Any, generator: Generator | None = None, **named: Any) -> Tensor:
    """Fill with integers: ``random_()`` all the dtype holds, ``random_(to)``, ``random_(from, to)``."""
    low, high = {0: (None, None), 1: (0, *bounds), 2: bounds}[len(bounds)]
    low, high = named.pop("from", low), named.pop("to", high)
    if named:
        raise TypeError(f"random_() got an unexpected keyword argument '{next(iter(named))}'")
    return fill_random(self, "random_", sampling.random_, low, high, generator=generator)


def _host(p: Any) -> Array:
    return backend_of(p._array).to_numpy(p._array) if isinstance(p, Tensor) else p


# ---------------------------------------------------------------------------- new tensors


MOST = 1 << 13  # elements that are drawn in one piece


def _plain_size(shape: Any, generator: Any) -> int:
    """How many elements ``shape`` has, if they are few and the call needs no thought; else 0."""
    if shape.__class__ is not tuple or (generator is not None and generator.__class__ is not Generator):
        return 0
    n = 1
    for k in shape:
        n *= k if k.__class__ is int and k > 0 else 0
    return n if n <= MOST and default_device() is None else 0


def _quick_uniform(source: Generator, n: int) -> Array:
    with source.lock:
        reals = source.uniform24(n)
        return reals if n > AHEAD else reals.copy()


def _quick_normal(source: Generator, n: int) -> np.ndarray:
    out = np.empty(n, np.float32)
    if n < 16:
        return sampling.normal_(out, generator=source)
    with source.lock:  # nothing overflows: no warnings to silence
        sampling.gaussian.blocks(source, out, 0.0, 1.0)
    return out


def _drawn(name: str, sampler: Callable[..., Any], quick: Callable[..., Any], doc: str) -> Callable[..., Any]:
    def make(
        *size: Any, generator: Generator | None = None, out: Any=None, dtype: dtype | None=None, layout: Any=None, device: Device=None,
        requires_grad: bool = False, pin_memory: bool = False, names: Any=None, **named: Any,
    ) -> Tensor:  # fmt: skip
        if dtype is None and device is None and out is None and size and not named:
            # The common call, without ado. What it does not understand is understood below.
            shape = size if size[0].__class__ is int else size[0]
            n = _plain_size(shape, generator)
            if n and dtypes.get_default_dtype() is dtypes.float32:
                t = new_tensor(quick(generator or default_generator, n).reshape(shape))
                return t.requires_grad_() if requires_grad else t
        if "size" in named:
            size = (named.pop("size"),)
        if named:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
        kind = _kind(dtype if dtype is not None or out is None else out.dtype)
        try:
            array = np.empty(_shape(name, size), kind)
        except (AttributeError, TypeError):
            raise wrong_size(name, size) from None
        if generator is not None and not isinstance(generator, Generator):
            raise TypeError(f"{name}(): argument 'generator' must be torch.Generator, not {type(generator).__name__}")
        sampler(array, generator=generator)
        return _finish(name, _made(array, device, requires_grad), out)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = (
        f"{doc} ``{name}(2, 3)`` or ``{name}((2, 3))``. Raises NotImplementedError for a dtype that is "
        "not floating point."
    )
    return make


rand = _drawn("rand", sampling.uniform_, _quick_uniform, "Numbers uniform on [0, 1).")
randn = _drawn("randn", sampling.normal_, _quick_normal, "Standard normal numbers.")


def _drawn_like(name: str, sampler: Callable[..., Any], doc: str) -> Callable[..., Any]:
    def make(
        input: Tensor, *, generator: Generator | None = None, dtype: Any=None, layout: Any=None, device: Device=None,
        requires_grad: bool = False, memory_format: Any=None, pin_memory: bool = False,
    ) -> Tensor:  # fmt: skip
        t = _empty_tensor_like(input, dtype=dtype, device=device)
        fill_random(t, name, sampler, generator=generator)
        result: Tensor = t.requires_grad_() if requires_grad else t
        return result

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"{doc} with the shape, dtype and device of ``input``."
    return make


rand_like = _drawn_like("rand_like", sampling.uniform_, "Numbers uniform on [0, 1),")
randn_like = _drawn_like("randn_like", sampling.normal_, "Standard normal numbers,")


def _bounds(name: str, args: tuple[Any, ...], named: dict[str, Any], last: tuple[str, ...]) -> list[Any]:
    """``(low, high, *last)`` from PyTorch's two forms, ``(high, ...)`` and ``(low, high, ...)``."""
    names: tuple[str, ...] = ("low", "high", *last)
    if len(args) + len(named) < len(names) and "low" not in named:
        names = names[1:]
    given = dict(zip(names, args, strict=False))
    clash = [n for n in named if n in given or n not in ("low", "high", *last)]
    if clash or len(args) > len(names):
        raise TypeError(f"{name}() received an invalid combination of arguments - got {args} and {named}")
    given.update(named)
    missing = [n for n in ("high", *last) if n not in given]
    if missing:
        raise TypeError(f"{name}() missing required argument: {missing[0]!r}")
    low, high = (v.item() if isinstance(v, (Tensor, np.generic)) else v for v in (given.get("low", 0), given["high"]))
    for v in (low, high):
        if not isinstance(v, int):
            raise TypeError(f"{name}(): argument 'high' must be int, not {type(v).__name__}")
    return [low, high, *(given[n] for n in last)]


def randint(
    *args: Sizes, generator: Generator | None = None, out: Tensor | None=None, dtype: dtype | None=None, layout: Any=None, device: Device=None,
    requires_grad: bool = False, pin_memory: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """Integers uniform on [low, high): ``randint(low=0, high, size, *, generator=None, ...)``.

    dtype int64 unless given. Raises RuntimeError if low >= high.
    """
    low: Any
    high: Any
    if len(args) == 3 and args[0].__class__ is int and args[1].__class__ is int and not named:
        low, high, size = args
    else:
        low, high, size = _bounds("randint", args, named, ("size",))
    if dtype is None and device is None and out is None and not requires_grad:
        n = _plain_size(size, generator)  # the common call, as in ``rand``
        if 0 < n <= FEW and 0 < high - low < SHORT and -(2**63) <= low and high <= 2**63:
            return new_tensor(few(generator or default_generator, low, high, n).reshape(size))
    array = np.empty(_shape("randint", (size,)), _kind(dtype, dtypes.int64 if out is None else out.dtype))
    sampling.random_(array, low, high, generator=generator)
    return _finish("randint", _made(array, device, requires_grad), out)


def randint_like(
    input: Tensor, *args: int, generator: Generator | None = None, dtype: dtype | None=None, layout: Any=None, device: Device=None,
    requires_grad: bool = False, memory_format: Any=None, **named: Any,
) -> Tensor:  # fmt: skip
    """Integers uniform on [low, high), with the shape, dtype and device of ``input``."""
    low, high = _bounds("randint_like", args, named, ())
    t = _empty_tensor_like(input, dtype=dtype, device=device)
    fill_random(t, "randint_like", sampling.random_, low, high, generator=generator)
    result: Tensor = t.requires_grad_() if requires_grad else t
    return result


def randperm(
    n: int, *, generator: Generator | None = None, out: Tensor | None=None, dtype: dtype | None=None, layout: Any=None, device: Device=None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The integers 0 .. n - 1 in random order. dtype int64 unless given."""
    kind = _kind(dtype, dtypes.int64 if out is None else out.dtype)
    array = sampling.randperm(n, kind, generator=generator)
    return _finish("randperm", _made(array, device, requires_grad), out)


def normal(
    mean: Tensor | float=0.0, std: Tensor | float=1.0, size: Sequence[int] | None=None, *, generator: Generator | None = None, out: Tensor | None=None, dtype: dtype | None=None,
    layout: Any=None, device: Device=None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers: with numbers ``mean`` and ``std``, of shape ``size``; with a tensor for
    either, one number per element of it.

    Raises RuntimeError if a standard deviation is negative.
    """
    if size is not None:
        array = np.empty(
            _shape("normal", (size,)),
            _kind(dtype if dtype is not None or out is None else out.dtype),
        )
        sampling.normal_(array, float(mean), float(std), generator=generator)
        return _finish("normal", _made(array, device, requires_grad), out)
    given = [v for v in (mean, std) if isinstance(v, Tensor)]
    if not given:
        raise TypeError("normal() of two numbers needs a size: normal(mean, std, size)")
    on_one_device("normal", *(v._array for v in given))
    if isinstance(std, Tensor) and std._array.size and not (std._array >= 0).all():
        raise RuntimeError("normal expects all elements of std >= 0.0")
    if not isinstance(std, Tensor) and not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    arrays = [_host(v) for v in given]
    try:
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:
        raise RuntimeError(f"normal: sizes {[list(a.shape) for a in arrays]} do not broadcast") from None
    z = np.empty(shape, arrays[0].dtype)
    sampling.normal_(z, generator=generator)
    z *= _host(std)
    z += _host(mean)
    made = _made(z, device if device is not None else given[0].device, requires_grad)
    return _finish("normal", _unmoved(_normal_op, made, *given), out)


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor:
    """Ones with the probabilities in ``input`` (or, of its shape, with probability ``p``), else zeros.

    Raises RuntimeError for a probability outside [0, 1].
    """
    t = _empty_tensor_like(input)
    fill_random(t, "bernoulli", sampling.bernoulli_, _host(input) if p is None else p, generator=generator)
    return _finish("bernoulli", _unmoved(_bernoulli_op, t, input) if p is None else t, out)


def _without_slope(name: str, grad_name: str) -> Applied:
    """What was drawn does not move with the parameters it was drawn for: their gradient is zero."""
    return op(
        lambda drawn, x, y: drawn,
        name=name,
        grad_name=grad_name,
        tensors=("drawn",),
        x=lambda g: g * 0,
        y=lambda g: g * 0,
    )


_bernoulli_op = _without_slope("bernoulli", "BernoulliBackward0")
_normal_op = _without_slope("normal", "NormalBackward3")
_poisson_op = _without_slope("poisson", "PoissonBackward0")


def _unmoved(operation: Applied, drawn: Tensor, *parameters: Tensor) -> Tensor:
    if mode.recording and any(p.requires_grad for p in parameters):
        result: Tensor = operation(drawn, parameters[0], parameters[-1])
        return result
    return drawn


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Counts with the means in ``input``, of its shape and dtype. Raises RuntimeError for a negative mean."""
    backend = backend_of(input._array)
    counts = sampling.poisson(backend.to_numpy(input._array), generator=generator)
    return _unmoved(_poisson_op, new_tensor(backend.asarray(counts)), input)


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices drawn with probabilities in proportion to the rows of ``input``, shape (n,) or (m, n).

    Returns int64, (num_samples,) or (m, num_samples). ``multinomial_rule`` chooses among the rules
    that PyTorch's releases have had; today's unless told otherwise.

    Raises:
        RuntimeError: for weights that are negative, not finite or all zero, for an integer dtype,
            and for more samples than there are categories without replacement.
    """
    drawn = sampling.multinomial(_host(input), num_samples, replacement, generator=generator)
    return _finish("multinomial", _made(drawn, input.device, False), out)


FUNCTIONS = {
    "bernoulli": bernoulli, "default_generator": default_generator, "fork_rng": fork_rng, "Generator": Generator,
    "get_rng_state": get_rng_state, "initial_seed": generator.initial_seed, "manual_seed": generator.manual_seed,
    "multinomial": multinomial, "multinomial_rule": sampling.multinomial_rule, "normal": normal, "poisson": poisson, "rand": rand,
    "rand_like": rand_like, "randint": randint, "randint_like": randint_like, "randn": randn,
    "randn_like": randn_like, "randperm": randperm, "seed": generator.seed, "set_rng_state": set_rng_state,
}  # fmt: skip
METHODS = {
    "bernoulli": bernoulli, "bernoulli_": bernoulli_, "cauchy_": cauchy_, "exponential_": exponential_,
    "geometric_": geometric_, "log_normal_": log_normal_, "multinomial": multinomial, "normal_": normal_,
    "random_": random_, "uniform_": _uniform_method,
}  # fmt: skip
