"""The optimisers' update rules, on flat arrays, in place.

Each function here takes the numbers of one step (learning rate, decay rates, the step's index)
and returns ``update(p, g, states, t, u)``, which applies the rule to a block: ``p`` (parameter) and
each array of ``states`` are written, ``g`` (gradient) is only read, ``t`` and ``u`` are scratch.
All have one shape and dtype. A block is meant to fit in the processor's cache, so that the dozen
passes of a rule reach memory once (see ``optim.blocks``, which cuts parameters into blocks).

The rules with a rate for each element beside Adam are in ``adaptive_steps``. All of them as the papers
write them, on whole arrays, are in ``tests/optim/reference.py``.
``xp`` is the arrays' namespace, NumPy or CuPy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from ..types import Array
from . import many_tensors_cuda

__all__ = ["adam", "asgd", "average", "average_of_square", "descend", "gradient_rule", "rprop", "sgd"]

Update = Callable[[Any, Any, Any, Any, Any], None]


def gradient_rule(xp: ModuleType, weight_decay: float, maximize: bool) -> Callable[..., Any] | None:
    """``(p, g, t, u) -> g``, possibly in ``u``: the direction to descend, with the L2 penalty's
    gradient ``weight_decay * p`` added. None if that is ``g`` itself."""
    if not weight_decay and not maximize:
        return None

    def effective(p: Array, g: Array, t: Array, u: Array) -> Array:
        if maximize:
            g = xp.negative(g, out=u)
        if weight_decay:
            xp.multiply(p, weight_decay, out=t)
            g = xp.add(g, t, out=u)
        return g

    return effective


def average(xp: ModuleType, beta: float) -> Callable[..., Any]:
    """``(m, g, t)``: the running average m moved towards g, by 1 - beta of the way."""
    new = 1 - beta
    add, multiply, subtract = xp.add, xp.multiply, xp.subtract

    def move(m: Array, g: Array, t: Array) -> None:
        subtract(g, m, out=t)
        multiply(t, new, out=t)
        add(m, t, out=m)

    return move


def average_of_square(xp: ModuleType, beta: float) -> Callable[..., Any]:
    """``(v, g, t)``: the running average v of g^2, moved by 1 - beta of the way."""
    new = 1 - beta
    add, multiply = xp.add, xp.multiply

    def move(v: Array, g: Array, t: Array) -> None:
        multiply(g, g, out=t)
        multiply(t, new, out=t)
        multiply(v, beta, out=v)
        add(v, t, out=v)

    return move


def all_at_once(update: Update, **kernels: Callable[..., Any]) -> Update:
    """Say which kernels apply the rule to many parameters in one launch, by backend name: each is called with the
    parameters, their gradients, and flat states that hold the parameters' one after the other."""
    update.all_at_once = kernels  # type: ignore[attr-defined]
    return update


def descend(params: list[Any], grads: list[Any], rate: float, scratch: np.ndarray) -> None:
    """``p = p - rate g`` for host arrays one by one: two passes each, where gathering them first would be
    three more. ``scratch``: a vector as long as the largest."""
    places: dict[tuple[int, ...], Any] = {}
    for p, g in zip(params, grads, strict=True):
        shape = p.shape
        t = places.get(shape)
        if t is None:
            t = places[shape] = scratch[: p.size].reshape(shape)
        np.subtract(p, np.multiply(g, rate, t), p)


def sgd(
    xp: ModuleType, *, lr: float, momentum: float, dampening: float, weight_decay: float,
    nesterov: bool, maximize: bool, first: bool,
) -> Update:  # fmt: skip
    """Stochastic gradient descent, with momentum as in Sutskever et al., "On the importance of
    initialization and momentum in deep learning", ICML 2013. ``states`` is ``(buffer,)`` if there
    is momentum; in the ``first`` step the buffer becomes the gradient, undamped."""
    effective = gradient_rule(xp, weight_decay, maximize)
    add, multiply, subtract = xp.add, xp.multiply, xp.subtract
    fresh = 1 - dampening

    def update(p: Array, g: Array, states: list[Array], t: Array, u: Array) -> None:
        if effective is not None:
            g = effective(p, g, t, u)
        if momentum:
            (buffer,) = states
            if first:
                buffer[...] = g
            else:
                multiply(buffer, momentum, out=buffer)
                add(buffer, g if fresh == 1 else multiply(g, fresh, out=t), out=buffer)
            if nesterov:
                multiply(buffer, momentum, out=t)
                g = add(g, t, out=t)
            else:
                g = buffer
        subtract(p, multiply(g, lr, out=t), out=p)

    if effective is None and not momentum:
        update.rate = lr  # type: ignore[attr-defined]  # all there is to it: see ``descend``
    return all_at_once(
        update,
        cupy=partial(
            many_tensors_cuda.sgd, penalty=weight_decay, maximize=maximize, momentum=momentum, dampening=dampening,
            lr=lr, nesterov=nesterov, first=first,
        ),
    )  # fmt: skip


def adam(
    xp: ModuleType, *, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float,
    decoupled: bool, amsgrad: bool, maximize: bool, step: float,
) -> Update:  # fmt: skip
    """Adam (Kingma & Ba, ICLR 2015), with decoupled weight decay AdamW (Loshchilov & Hutter, ICLR
    2019), with ``amsgrad`` the variant of Reddi, Kale & Kumar, ICLR 2018. ``states`` is
    ``(exp_avg, exp_avg_sq)`` and for amsgrad ``max_exp_avg_sq``."""
    effective = gradient_rule(xp, 0.0 if decoupled else weight_decay, maximize)
    shrink = 1 - lr * weight_decay if decoupled and weight_decay else None
    step_size = lr / (1 - beta1**step)
    root = (1 - beta2**step) ** 0.5
    # lr/c1 * m / (sqrt(v)/root + eps), both sides of the fraction multiplied by root: a pass less.
    rate, floor = step_size * root, eps * root
    move_mean, move_square = average(xp, beta1), average_of_square(xp, beta2)
    add, divide, maximum, multiply = xp.add, xp.divide, xp.maximum, xp.multiply
    sqrt, subtract = xp.sqrt, xp.subtract

    def update(p: Array, g: Array, states: list[Array], t: Array, u: Array) -> None:
        m, v = states[0], states[1]
        if shrink is not None:
            multiply(p, shrink, out=p)
        if effective is not None:
            g = effective(p, g, t, u)
        move_mean(m, g, t)
        move_square(v, g, t)
        if amsgrad:
            v = maximum(states[2], v, out=states[2])
        sqrt(v, out=t)
        add(t, floor, out=t)
        divide(m, t, out=t)
        multiply(t, rate, out=t)
        subtract(p, t, out=p)

    return all_at_once(
        update,
        cupy=partial(
            many_tensors_cuda.adam, shrink=1.0 if shrink is None else shrink, penalty=0.0 if decoupled else weight_decay,
            maximize=maximize, beta1=beta1, beta2=beta2, rate=rate, floor=floor,
        ),
    )  # fmt: skip


def asgd(
    xp: ModuleType, *, eta: float, lambd: float, mu: float, weight_decay: float, maximize: bool
) -> Update:  # fmt: skip
    """Averaged SGD (Polyak & Juditsky 1992). ``states``: the average of p; ``eta``, ``mu``: the rates of
    this step and of its average."""
    effective = gradient_rule(xp, weight_decay, maximize)
    shrink = 1 - lambd * eta
    add, multiply, subtract = xp.add, xp.multiply, xp.subtract

    def update(p: Array, g: Array, states: list[Array], t: Array, u: Array) -> None:
        if effective is not None:
            g = effective(p, g, t, u)
        multiply(p, shrink, out=p)
        subtract(p, multiply(g, eta, out=t), out=p)
        (mean,) = states
        if mu == 1:
            mean[...] = p
        else:
            subtract(p, mean, out=t)
            add(mean, multiply(t, mu, out=t), out=mean)

    return update


def rprop(
    xp: ModuleType, *, eta_minus: float, eta_plus: float, smallest: float, largest: float, maximize: bool
) -> Update:  # fmt: skip
    """Resilient backpropagation (Riedmiller & Braun 1993), without going back where the sign changed.
    ``states``: the gradient before, zero where the sign had changed, and the size of each step."""
    effective = gradient_rule(xp, 0.0, maximize)
    multiply = xp.multiply

    def update(p: Array, g: Array, states: list[Array], t: Array, u: Array) -> None:
        if effective is not None:
            g = effective(p, g, t, u)
        before, size = states
        multiply(g, before, out=t)
        turned = t < 0
        factor = xp.where(t > 0, p.dtype.type(eta_plus), p.dtype.type(1))
        factor[turned] = eta_minus
        multiply(size, factor, out=size)
        xp.clip(size, smallest, largest, out=size)
        before[...] = g
        before[turned] = 0
        multiply(xp.sign(before, out=t), size, out=t)
        xp.subtract(p, t, out=p)

    return update
