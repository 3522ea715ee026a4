"""Lecture 3's step (workloads.mlp_bn) in other autograd libraries over NumPy, and by hand in NumPy alone.

Each builds the same network on its own random data and returns the step. The libraries spell things
in their own ways, so the formulas are written out; the mathematics is that of the lecture.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

Step = Callable[[], float]
VOCAB, BLOCK, N_EMBD, N_HIDDEN, BATCH, ROWS = 27, 3, 10, 200, 32, 180_000


class Problem:
    """Weights and data as float32 arrays, and random batches of it."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        draw = lambda *shape: self.rng.standard_normal(shape, dtype=np.float32)  # noqa: E731
        self.weights = [
            draw(VOCAB, N_EMBD),
            draw(N_EMBD * BLOCK, N_HIDDEN) * np.float32(5 / 3 / (N_EMBD * BLOCK) ** 0.5),
            draw(N_HIDDEN, VOCAB) * np.float32(0.01),
            np.zeros(VOCAB, np.float32),
            np.ones((1, N_HIDDEN), np.float32),
            np.zeros((1, N_HIDDEN), np.float32),
        ]
        self.x = self.rng.integers(0, VOCAB, (ROWS, BLOCK))
        self.y = self.rng.integers(0, VOCAB, ROWS)
        self.mean, self.std = np.zeros((1, N_HIDDEN), np.float32), np.ones((1, N_HIDDEN), np.float32)

    def batch(self) -> tuple[Any, Any]:
        ix = self.rng.integers(0, ROWS, BATCH)
        return self.x[ix], self.y[ix]

    def remember(self, mean: Any, std: Any) -> None:
        self.mean = 0.999 * self.mean + 0.001 * mean
        self.std = 0.999 * self.std + 0.001 * std


def raw_numpy() -> Step:
    """By hand: the fused formulas of cross-entropy and of BatchNorm, few calls, nothing recorded."""
    problem = Problem()
    C, W1, W2, b2, gain, bias = problem.weights
    rows = np.arange(BATCH)
    ones = np.ones(BATCH, np.float32)
    reduce_add, n = np.add.reduce, BATCH

    def step() -> float:
        x, y = problem.batch()
        flat = C[x].reshape(BATCH, -1)
        a = flat @ W1
        mean = reduce_add(a, 0, keepdims=True) / n
        centred = a - mean
        std = np.sqrt(reduce_add(centred * centred, 0, keepdims=True) / (n - 1))
        rstd = 1 / std
        xhat = centred * rstd
        problem.remember(mean, std)
        h = np.tanh(gain * xhat + bias)
        logits = h @ W2 + b2
        logits -= logits.max(1, keepdims=True)
        p = np.exp(logits)
        total = reduce_add(p, 1, keepdims=True)
        loss = float((np.log(total[:, 0]) - logits[rows, y]).mean())
        p /= total
        p[rows, y] -= 1
        p /= n
        dW2, db2 = h.T @ p, ones @ p
        dh = (p @ W2.T) * (1 - h * h)
        dgain, dbias = reduce_add(dh * xhat, 0, keepdims=True), reduce_add(dh, 0, keepdims=True)
        dxhat = dh * gain
        da = rstd * (
            dxhat
            - reduce_add(dxhat, 0, keepdims=True) / n
            - xhat * (reduce_add(dxhat * xhat, 0, keepdims=True) / (n - 1))
        )
        dW1 = flat.T @ da
        dflat = (da @ W1.T).reshape(-1, N_EMBD)
        dC = (np.arange(VOCAB)[:, None] == x.reshape(-1)).astype(np.float32) @ dflat
        for p_, g in ((C, dC), (W1, dW1), (W2, dW2), (b2, db2), (gain, dgain), (bias, dbias)):
            p_ -= 0.1 * g
        return loss

    return step


def mygrad() -> Step:
    """MyGrad."""
    mg = import_module("mygrad")
    softmax_crossentropy = import_module("mygrad.nnet.losses").softmax_crossentropy
    problem = Problem()
    parameters = [mg.tensor(w) for w in problem.weights]
    C, W1, W2, b2, gain, bias = parameters

    def step() -> float:
        x, y = problem.batch()
        a = C[x].reshape(BATCH, -1) @ W1
        mean = a.mean(0, keepdims=True)
        std = a.std(0, ddof=1, keepdims=True)
        problem.remember(mean.data, std.data)
        h = mg.tanh(gain * (a - mean) / std + bias)
        loss = softmax_crossentropy(h @ W2 + b2, y)
        loss.backward()
        for p in parameters:
            p.data -= 0.1 * p.grad
            p.null_grad()
        return float(loss.data)

    return step


def dezero() -> Step:
    """DeZero."""
    setattr(np, "int", int)  # noqa: B010  DeZero 0.0.13 was written for NumPy before 1.24
    dz = import_module("dezero")
    F = dz.functions
    problem = Problem()
    parameters = [dz.Parameter(w) for w in problem.weights]
    C, W1, W2, b2, gain, bias = parameters

    def step() -> float:
        x, y = problem.batch()
        a = F.matmul(F.reshape(F.get_item(C, x), (BATCH, -1)), W1)
        mean = F.sum(a, 0, True) / BATCH
        centred = a - mean
        std = (F.sum(centred * centred, 0, True) / (BATCH - 1)) ** 0.5
        problem.remember(mean.data, std.data)
        h = F.tanh(gain * centred / std + bias)
        loss = F.softmax_cross_entropy(F.linear(h, W2, b2), y)
        for p in parameters:
            p.cleargrad()
        loss.backward()
        for p in parameters:
            p.data -= 0.1 * p.grad.data
        return float(loss.data)

    return step


def hips_autograd() -> Step:
    """HIPS autograd."""
    anp = import_module("autograd.numpy")
    value_and_grad = import_module("autograd").value_and_grad
    problem = Problem()
    rows = np.arange(BATCH)
    seen: dict[str, Any] = {}

    def objective(weights: Any, x: Any, y: Any) -> Any:
        C, W1, W2, b2, gain, bias = weights
        a = C[x].reshape((BATCH, -1)) @ W1
        mean = anp.mean(a, axis=0, keepdims=True)
        std = anp.std(a, axis=0, ddof=1, keepdims=True)
        seen["statistics"] = (mean._value, std._value)
        h = anp.tanh(gain * (a - mean) / std + bias)
        logits = h @ W2 + b2
        shifted = logits - anp.max(logits, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(shifted), axis=1)) - shifted[rows, y])

    gradient = value_and_grad(objective)

    def step() -> float:
        x, y = problem.batch()
        loss, grads = gradient(problem.weights, x, y)
        problem.remember(*seen.pop("statistics"))
        for p, g in zip(problem.weights, grads, strict=True):
            p -= (0.1 * g).astype(np.float32)
        return float(loss)

    return step


PEERS: dict[str, Callable[[], Step]] = {
    "numpy": raw_numpy,
    "mygrad": mygrad,
    "dezero": dezero,
    "autograd": hips_autograd,
}
