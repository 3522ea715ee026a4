"""The optimisers' rules as the papers write them, on whole arrays, one parameter at a time.

Each takes ``(p, g, state, **options)``, the numbers of one step, and returns the new parameter;
``state`` is a dict that it fills. PyTorch's names for the options.
"""

from __future__ import annotations

import numpy as np


def _count(state):
    state["step"] = state.get("step", 0) + 1
    return state["step"]


def _average(state, name, value, keep, first=0.0):
    old = state.get(name, np.full_like(value, first))
    state[name] = keep * old + (1 - keep) * value
    return state[name]


def sgd(p, g, state, lr, momentum=0, dampening=0, nesterov=False):
    if momentum:
        v = state.get("momentum_buffer")
        v = g.copy() if v is None else momentum * v + (1 - dampening) * g
        state["momentum_buffer"] = v
        g = g + momentum * v if nesterov else v
    return p - lr * g


def adam(p, g, state, lr, betas=(0.9, 0.999), eps=1e-8, amsgrad=False):
    t = _count(state)
    m = _average(state, "exp_avg", g, betas[0]) / (1 - betas[0] ** t)
    v = _average(state, "exp_avg_sq", g * g, betas[1])
    if amsgrad:
        v = state["max_exp_avg_sq"] = np.maximum(state.get("max_exp_avg_sq", 0), v)
    return p - lr * m / (np.sqrt(v / (1 - betas[1] ** t)) + eps)


def rmsprop(p, g, state, lr, alpha=0.99, eps=1e-8, momentum=0, centered=False):
    _count(state)
    variance = _average(state, "square_avg", g * g, alpha)
    if centered:
        variance = variance - _average(state, "grad_avg", g, alpha) ** 2
    step = g / (np.sqrt(variance) + eps)
    if momentum:
        step = state["momentum_buffer"] = momentum * state.get("momentum_buffer", 0) + step
    return p - lr * step


def adagrad(p, g, state, lr, lr_decay=0, initial_accumulator_value=0, eps=1e-10):
    t = _count(state)
    state["sum"] = state.get("sum", initial_accumulator_value) + g * g
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(state["sum"]) + eps)


def adadelta(p, g, state, lr=1.0, rho=0.9, eps=1e-6):
    _count(state)
    v = _average(state, "square_avg", g * g, rho)
    change = np.sqrt(state.get("acc_delta", 0) + eps) / np.sqrt(v + eps) * g
    _average(state, "acc_delta", change * change, rho)
    return p - lr * change


def adamax(p, g, state, lr=2e-3, betas=(0.9, 0.999), eps=1e-8):
    t = _count(state)
    m = _average(state, "exp_avg", g, betas[0])
    state["exp_inf"] = np.maximum(betas[1] * state.get("exp_inf", 0), abs(g) + eps)
    return p - lr / (1 - betas[0] ** t) * m / state["exp_inf"]


def nadam(p, g, state, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, momentum_decay=4e-3):
    t = _count(state)
    mu, mu_next = (betas[0] * (1 - 0.5 * 0.96 ** (s * momentum_decay)) for s in (t, t + 1))
    product = state["mu_product"] = state.get("mu_product", 1.0) * mu
    m = _average(state, "exp_avg", g, betas[0])
    v = _average(state, "exp_avg_sq", g * g, betas[1]) / (1 - betas[1] ** t)
    ahead = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
    return p - lr * ahead / (np.sqrt(v) + eps)


def radam(p, g, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    t = _count(state)
    m = _average(state, "exp_avg", g, betas[0]) / (1 - betas[0] ** t)
    v = _average(state, "exp_avg_sq", g * g, betas[1])
    longest = 2 / (1 - betas[1]) - 1
    length = longest - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
    if length <= 5:
        return p - lr * m
    r = np.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
    return p - lr * r * m * np.sqrt(1 - betas[1] ** t) / (np.sqrt(v) + eps)


def asgd(p, g, state, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6):
    eta, mu = state.get("eta", np.float32(lr)), state.get("mu", 1.0)
    p = (1 - lambd * float(eta)) * p - float(eta) * g
    state["ax"] = p.copy() if mu == 1 else state["ax"] + float(mu) * (p - state["ax"])
    t = _count(state)
    state["eta"], state["mu"] = np.float32(lr / (1 + lambd * lr * t) ** alpha), np.float32(1 / max(1, t - t0))
    return p


def rprop(p, g, state, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50)):
    _count(state)
    agree = g * state.get("prev", np.zeros_like(g))
    size = state.get("step_size", np.full_like(g, lr)) * np.select([agree > 0, agree < 0], [etas[1], etas[0]], 1.0)
    state["step_size"] = np.clip(size, *step_sizes)
    g = state["prev"] = np.where(agree < 0, 0, g)
    return p - np.sign(g) * state["step_size"]
