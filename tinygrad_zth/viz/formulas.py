"""The local rule of an operation, read from the operation's own entry: what is shown is what is run."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["rule_in_words", "rule_of"]

# What a rule does, where a word says it faster than its formula.
WORDS = {
    "add": "passes the gradient on to both inputs",
    "sub": "passes the gradient on, with its sign turned for what was taken away",
    "mul": "each input gets the gradient times the other input",
    "div": "the numerator gets the gradient over the denominator",
    "pow": "the power rule: y x^(y-1)",
    "matmul": "each factor gets the gradient multiplied by the other, transposed",
    "linear": "the weight gets gradient^T @ input, the input gradient @ weight, the bias the gradient's sum",
    "sum": "spreads the gradient over everything that was added up",
    "mean": "spreads the gradient evenly over everything that was averaged",
    "amax": "routes the gradient to where the maximum was",
    "max": "routes the gradient to where the maximum was",
    "min": "routes the gradient to where the minimum was",
    "relu": "lets the gradient through where the input was positive",
    "tanh": "shrinks the gradient by 1 - out^2: nothing is left where the tanh is saturated",
    "sigmoid": "shrinks the gradient by out (1 - out): at most a quarter is left",
    "exp": "multiplies the gradient by the result",
    "log": "divides the gradient by the input",
    "softmax": "out * (g - sum(g * out)): what rises for one falls for the others",
    "log_softmax": "g - softmax * sum(g): what rises for one falls for the others",
    "cross_entropy": "softmax(logits) - one_hot(target), over the number of examples",
    "embedding": "adds each gradient to the row that was looked up",
    "layer_norm": "the gradient less its mean and its part along the output, over the std",
    "batch_norm": "the gradient less its mean over the batch and its part along the output, over the std",
    "dropout": "the gradient under the same mask",
    "scaled_dot_product_attention": "through the weighted sum to v, through the softmax to the scores, on to q and k",
    "to": "brings the gradient back to the input's dtype",
}
_SHAPING = {
    "view", "reshape", "transpose", "permute", "expand", "squeeze", "unsqueeze", "flatten", "alias", "t",
    "swapaxes", "movedim", "as_strided", "select", "slice", "narrow", "getitem", "unfold",
}  # fmt: skip


def rule_in_words(name: str) -> str:
    """What the rule of the operation called ``name`` does, in words; empty where only the formula says it."""
    if name in _SHAPING:
        return "moves the gradient back to where the elements came from"
    return WORDS.get(name, "")


def rule_of(operation: Any, place: int) -> str:
    """The formula for the gradient of the ``place``-th differentiable input: source text.

    For a fused operation, whose gradients come from one kernel, the name of that and its definition.
    """
    backward = getattr(operation, "backward", None)
    if backward is not None:
        plain = getattr(operation, "plain", None)
        name = getattr(backward, "__name__", "backward")
        body = "" if plain is None else expression_of(plain)
        return f"{name}(g, ...)" + (f", the derivative of {body}" if body else "")
    rules = getattr(operation, "rules", ())
    if place >= len(rules) or not hasattr(rules[place], "formula"):
        return ""
    return expression_of(rules[place].formula)


@functools.lru_cache(maxsize=1024)
def expression_of(function: Callable[..., Any]) -> str:
    """The expression that ``function`` returns, as it is written in its file; else its name.

    A function of several statements is named by its call, ``_reduce_gradient(g, x, dim)``.
    """
    code = getattr(function, "__code__", None)
    if code is None:
        return getattr(function, "__name__", repr(function))
    call = f"{code.co_name}({', '.join(code.co_varnames[: code.co_argcount])})"
    try:
        tree = _parsed(inspect.getsourcefile(function) or "")
    except (OSError, TypeError, SyntaxError):
        return "" if code.co_name == "<lambda>" else call
    arguments = code.co_varnames[: code.co_argcount]
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda) and _is_it(node, code, arguments):
            return ast.unparse(node.body)
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name and node.lineno == code.co_firstlineno:
            body = [each for each in node.body if not isinstance(each, ast.Expr)]
            if len(body) == 1 and isinstance(body[0], ast.Return) and body[0].value is not None:
                return ast.unparse(body[0].value)
            return call
    return "" if code.co_name == "<lambda>" else call


def _is_it(node: ast.Lambda, code: Any, arguments: tuple[str, ...]) -> bool:
    """Whether ``code`` was compiled from ``node``: the same arguments, and its columns inside the node's."""
    if tuple(a.arg for a in node.args.args) != arguments or node.lineno != code.co_firstlineno:
        return False
    positions = [p for p in code.co_positions() if p[0] is not None and p[2] is not None and p[3]]
    return all(
        (node.lineno, node.col_offset) <= (p[0], p[2])
        and (p[1] or p[0], p[3]) <= (node.end_lineno, node.end_col_offset)
        for p in positions
    )


@functools.lru_cache(maxsize=256)
def _parsed(file: str) -> ast.Module:
    with open(file, encoding="utf-8") as source:
        return ast.parse(source.read())
