"""Update rules with a rate for each element, on flat arrays, in place; their form is that of
``optimizer_steps``: numbers of one step in, ``update(p, g, states, t, u)`` out.

``g`` may be in ``u`` (see ``gradient_rule``): once it has been used for the last time, ``u`` is free.
"""

from __future__ import annotations

from types import ModuleType

from ..types import Array
from .optimizer_steps import Update, average, average_of_square, gradient_rule

__all__ = ["adadelta", "adagrad", "adamax", "nadam", "radam", "rmsprop"]


def rmsprop(
    xp: ModuleType, *, lr: float, alpha: float, eps: float, weight_decay: float, momentum: float, centered: bool,
    maximize: bool,
) -> Update:  # fmt: skip
    """RMSprop (Tieleman & Hinton 2012, lecture 6.5), ``centered`` as in Graves, "Generating sequences
    with recurrent neural networks" (2013), equations 38 to 45. ``states``: the average of g^2, then
    the momentum's buffer and the average of g, where they are asked for."""
    effective = gradient_rule(xp, weight_decay, maximize)
    move_square, move_mean = average_of_square(xp, alpha), average(xp, alpha)
    add, multiply, subtract, divide, sqrt = xp.add, xp.multiply, xp.subtract, xp.divide, xp.sqrt

    def update(p: Array, g: Array, states: list[Array], t: Array, u: Array) -> None:
        if effective is not None:
            g = effective(p, g, t, u)
        v = states[0]
        move_square(v, g, t)
        if centered:
            mean = states[-1]
            move_mean(mean, g, t)
            multiply(mean, mean, out=t)
            subtract(v, t, out=t)
            sqrt(t, out=t)
        else:
            sqrt(v, out=t)
        add(t, eps, out=t)
        divide(g, t, out=t)
        if momentum:
            buffer = states[1]
            multiply(buffer, momentum, out=buffer)
            add(buffer, t, out=buffer)
            multiply(buffer, lr, out=t)
        else:
            multiply(t, lr, out=t)
        subtract(p, t, out=p)

    return update


def adagrad(xp: ModuleType, *, rate: float, eps: float, weight_decay: float, maximize: bool) -> Update:
    """Adagrad (Duchi, Hazan & Singer, JMLR 2011). ``states``: the sum of g^2. ``rate``: of this step."""
    effective = gradient_rule(xp, weight_decay, maximize)
    add, multiply, subtract, divide, sqrt = xp.add, xp.multiply, xp.subtract, xp.divide, xp.sqrt

    def update(p: Array, g: Array, states: list[Array], t: Array, u: Array) -> None:
        if effective is not None:
            g = effective(p, g, t, u)
        (total,) = states
        multiply(g, g, out=t)
        add(total, t, out=total)
        sqrt(total, out=t)
        add(t, eps, out=t)
        divide(g, t, out=t)
        multiply(t, rate, out=t)
        subtract(p, t, out=p)

    return update


def adadelta(xp: ModuleType, *, lr: float, rho: float, eps: float, weight_decay: float, maximize: bool) -> Update:
    """Adadelta (Zeiler 2012, algorithm 1). ``states``: the averages of g^2 and of the squared changes."""
    effective = gradient_rule(xp, weight_decay, maximize)
    move_square = average_of_square(xp, rho)
    add, multiply, subtract, divide, sqrt = xp.add, xp.multiply, xp.subtract, xp.divide, xp.sqrt

    def update(p: Array, g: Array, states: list[Array], t: Array, u: Array) -> None:
        if effective is not None:
            g = effective(p, g, t, u)
        v, changes = states
        move_square(v, g, t)
        sqrt(add(v, eps, out=t), out=t)
        divide(g, t, out=u)
        sqrt(add(changes, eps, out=t), out=t)
        multiply(u, t, out=u)  # the change
        move_square(changes, u, t)
        multiply(u, lr, out=u)
        subtract(p, u, out=p)

    return update


def adamax(
    xp: ModuleType, *, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, maximize: bool,
    step: float,
) -> Update:  # fmt: skip
    """Adamax (Kingma & Ba, ICLR 2015, algorithm 2). ``states``: the average of g, and its largest
    absolute value, decaying."""
    effective = gradient_rule(xp, weight_decay, maximize)
    rate, move_mean = lr / (1 - beta1**step), average(xp, beta1)
    add, multiply, subtract, divide = xp.add, xp.multiply, xp.subtract, xp.divide

    def update(p: Array, g: Array, states: list[Array], t: Array, u: Array) -> None:
        if effective is not None:
            g = effective(p, g, t, u)
        m, largest = states
        move_mean(m, g, t)
        xp.absolute(g, out=t)
        add(t, eps, out=t)
        multiply(largest, beta2, out=largest)
        xp.maximum(largest, t, out=largest)
        divide(m, largest, out=t)
        multiply(t, rate, out=t)
        subtract(p, t, out=p)

    return update


def nadam(
    xp: ModuleType, *, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, decoupled: bool,
    maximize: bool, step: float, mu: float, mu_next: float, mu_product: float,
) -> Update:  # fmt: skip
    """NAdam (Dozat, "Incorporating Nesterov momentum into Adam", 2016). ``states``: the averages of g
    and of g^2. ``mu``, ``mu_next``: the momentum of this step and of the next; ``mu_product``: of all
    so far, this one included."""
    effective = gradient_rule(xp, 0.0 if decoupled else weight_decay, maximize)
    shrink = 1 - lr * weight_decay if decoupled and weight_decay else None
    of_g = lr * (1 - mu) / (1 - mu_product)
    of_m = lr * mu_next / (1 - mu_product * mu_next)
    correction = 1 - beta2**step
    move_mean, move_square = average(xp, beta1), average_of_square(xp, beta2)
    add, multiply, subtract, divide, sqrt = xp.add, xp.multiply, xp.subtract, xp.divide, xp.sqrt

    def update(p: Array, g: Array, states: list[Array], t: Array, u: Array) -> None:
        m, v = states
        if shrink is not None:
            multiply(p, shrink, out=p)
        if effective is not None:
            g = effective(p, g, t, u)
        move_mean(m, g, t)
        move_square(v, g, t)
        multiply(g, of_g, out=u)
        multiply(m, of_m, out=t)
        add(u, t, out=u)
        divide(v, correction, out=t)
        sqrt(t, out=t)
        add(t, eps, out=t)
        divide(u, t, out=u)
        subtract(p, u, out=p)

    return update


def radam(
    xp: ModuleType, *, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, decoupled: bool,
    maximize: bool, step: float,
) -> Update:  # fmt: skip
    """RAdam (Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020,
    algorithm 2). ``states``: the averages of g and of g^2. While the variance of the second is not
    tractable, in the first few steps, it is not divided by."""
    effective = gradient_rule(xp, 0.0 if decoupled else weight_decay, maximize)
    shrink = 1 - lr * weight_decay if decoupled and weight_decay else None
    correction2 = 1 - beta2**step
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / correction2
    rate, rectified = lr / (1 - beta1**step), length > 5.0
    if rectified:
        rate *= (correction2 * (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) ** 0.5
    move_mean, move_square = average(xp, beta1), average_of_square(xp, beta2)
    add, multiply, subtract, divide, sqrt = xp.add, xp.multiply, xp.subtract, xp.divide, xp.sqrt

    def update(p: Array, g: Array, states: list[Array], t: Array, u: Array) -> None:
        m, v = states
        if shrink is not None:
            multiply(p, shrink, out=p)
        if effective is not None:
            g = effective(p, g, t, u)
        move_mean(m, g, t)
        move_square(v, g, t)
        if rectified:
            sqrt(v, out=t)
            add(t, eps, out=t)
            divide(m, t, out=t)
            multiply(t, rate, out=t)
        else:
            multiply(m, rate, out=t)
        subtract(p, t, out=p)

    return update
