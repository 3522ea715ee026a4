"""Short programs that are run in both libraries: ``same_in_both`` compares what their last expression comes to.

In a program ``t`` is the library, ``F`` its ``nn.functional`` and ``nn`` its ``nn``; ``said(f)`` is what ``f()`` returns,
or, where it raises, the exception's kind and first line; ``kind(f)`` leaves out the words, where ours are others.
"""

from __future__ import annotations

import ast
import copy
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.device_mode import settle

from .one_call import base_of

__all__ = ["as_on_host", "first_line", "same_in_both"]

_ON_DEVICE = re.compile(r"(?<=torch\.)cuda\.(?=\w+Tensor)|, device='cuda:0'| \(cuda:0\)")  # what is printed of a device


def as_on_host(text: str) -> str:
    """A text of ours as it is where tensors are the CPU's, for ``--device``."""
    return _ON_DEVICE.sub("", text).replace('_cuda" not implemented', '_cpu" not implemented')


def first_line(error: BaseException) -> str:
    return str(error).split("\n")[0].replace("tinygrad_zth", "torch")


def settled(value: Any) -> Any:
    """``value``, when a device has said whether an index in it was out of range (``--device``)."""
    settle()
    return value


def _space(t: Any) -> dict[str, Any]:
    def said(f: Callable) -> Any:
        try:
            return settled(f())
        except Exception as error:
            return f"{base_of(error).__name__}: {first_line(error)}"

    def kind(f: Callable) -> Any:
        try:
            return settled(f())
        except Exception as error:
            return base_of(error).__name__

    def names(module: Any) -> list[str]:
        return [name for name, _ in module.named_parameters()]

    return {
        "t": t, "F": t.nn.functional, "nn": t.nn, "said": said, "kind": kind, "names": names, "np": np, "math": math,
        "copy": copy, "operator": operator, "warnings": warnings,
    }  # fmt: skip


def outcome(t: Any, program: str) -> Any:
    """The value of the last expression, described; an exception is its kind and first line."""
    tree = ast.parse(program)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr), f"the last statement is no expression: {program}"
    space = _space(t)
    t.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(tree, "<snippet>", "exec"), space)
        return described(
            t, space["said"](lambda: eval(compile(ast.Expression(last.value), "<snippet>", "eval"), space))
        )


def described(t: Any, value: Any) -> Any:
    """Tensors as (dtype, shape, requires_grad, array), everything else by what it shows."""
    if isinstance(value, t.Tensor):
        array = value.detach().to(t.float32).numpy() if value.dtype == t.bfloat16 else value.detach().numpy()
        return (str(value.dtype), tuple(value.shape), value.requires_grad, np.array(array))
    if isinstance(value, np.ndarray | np.generic):
        return (str(value.dtype), value.shape, np.array(value))
    if isinstance(value, Mapping):
        return {str(k): described(t, v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [described(t, v) for v in value]
    if isinstance(value, bool | int | float | str | None):
        return value
    return repr(value).replace("tinygrad_zth", "torch")


def _equal(ours: Any, theirs: Any, program: str) -> None:
    where = f"{program}\nours:  {ours!r}\ntorch: {theirs!r}"
    if isinstance(theirs, np.ndarray):
        rtol, atol = (2e-5, 2e-6) if theirs.dtype == np.float32 else (1e-8, 1e-10)
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, err_msg=where)
    elif isinstance(theirs, list | tuple):
        assert type(ours) is type(theirs) and len(ours) == len(theirs), where
        for a, b in zip(ours, theirs, strict=True):
            _equal(a, b, program)
    elif isinstance(theirs, dict):
        assert isinstance(ours, dict) and list(ours) == list(theirs), where
        for k in theirs:
            _equal(ours[k], theirs[k], program)
    elif isinstance(theirs, float):
        assert ours == theirs or math.isclose(ours, theirs, rel_tol=1e-6) or ours != ours != theirs != theirs, where
    else:
        if isinstance(ours, str):
            ours = as_on_host(ours)
        assert type(ours) is type(theirs) and ours == theirs, where


def same_in_both(program: str) -> None:
    """Raise AssertionError where the two libraries differ."""
    import torch

    import tinygrad_zth

    _equal(outcome(tinygrad_zth, program), outcome(torch, program), program)
