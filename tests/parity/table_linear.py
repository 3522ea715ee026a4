"""Rows of the parity tables: products, linear algebra; and tensors made from rules and from others."""

from __future__ import annotations

import numpy as np
import torch

from .one_call import Case, D, Draw, T

KINDS = ("float32", "float64")


def matrices(d: Draw, *shapes: tuple[int, ...]) -> tuple[T, ...]:
    kind = d.choice(*KINDS)
    return tuple(d.tensor(shape, kind) for shape in shapes)


def product(*shapes: tuple[str, ...]):
    """Tensors whose sizes are letters, the same letter the same size."""

    def row(d: Draw) -> Case:
        sizes = {letter: d.choice(0, 1, 2, 3, 3) if d.int(0, 5) == 0 else d.int(1, 3) for letter in "bijk"}
        return Case(matrices(d, *[tuple(sizes[letter] for letter in shape) for shape in shapes]), {}, 5.0)

    return row


def matmul(d: Draw) -> Case:
    n, m, k = d.int(1, 3), d.int(1, 3), d.int(1, 3)
    left = d.choice((m,), (n, m), (2, n, m), (1, n, m))
    right = d.choice((m,), (m, k), (2, m, k), (m, 1))
    return Case(matrices(d, left, right), {}, 5.0)


def added(*shapes: str):
    def row(d: Draw) -> Case:
        case = product(*shapes)(d)
        kwargs = d.choice({}, {"beta": 0.5, "alpha": 2.0}, {"beta": 0, "alpha": 1}, {"alpha": -1.5})
        return Case(case.args, kwargs, 5.0)

    return row


def square(d: Draw, symmetric: bool = False, batch: bool = True) -> T:
    """Well-conditioned square matrices, positive definite if ``symmetric``."""
    n = d.int(1, 3)
    shape = (2, n, n) if batch and d.bool() else (n, n)
    a = d.array(shape, "float64", -1, 1)
    a = a @ a.swapaxes(-1, -2) + np.eye(n) * np.arange(1, n + 1) if symmetric else a + np.eye(n) * (2 + np.arange(n))
    return T(a.astype(d.choice("float64", "float64", "float32")), d.choice("C", "transposed"), d.bool())


def of_square(symmetric: bool = False, tolerance: float = 50.0, grad: bool = True):
    def row(d: Draw) -> Case:
        a = square(d, symmetric)
        a.grad = a.grad and grad
        return Case((a,), {}, tolerance)

    return row


def solve(d: Draw) -> Case:
    a = square(d)
    b = d.tensor((*a.array.shape[:-1], d.int(1, 2)), str(a.array.dtype))
    return Case((a, b), {}, 50.0)


def triangular(d: Draw) -> Case:
    a, b = solve(d).args
    return Case((a, b), {"upper": d.bool(), "unitriangular": d.bool()}, 50.0)


def matrix_norm(d: Draw) -> Case:
    a = d.tensor((d.int(1, 3), d.int(1, 3)), "float64")
    return Case((a, d.choice("fro", "nuc", 2, -2, 1, -1, float("inf"), float("-inf"))), {"keepdim": d.bool()}, 50.0)


def packed(count: int):
    """The first ``count`` of LU, pivots, a right-hand side."""

    def row(d: Draw) -> Case:
        a = square(d)
        compact, pivots = torch.linalg.lu_factor(torch.tensor(a.array))
        n = a.array.shape[-1]
        right = d.tensor((*a.array.shape[:-2], n, n), str(a.array.dtype))
        options = {"left": d.bool(), "adjoint": d.bool()} if count == 3 else {}
        return Case((T(compact.numpy(), "C", d.bool()), T(pivots.numpy()), right)[:count], options, 200.0)

    return row


def einsum(d: Draw) -> Case:
    equation, *shapes = d.choice(
        ("ij,jk->ik", (2, 3), (3, 2)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)), ("ii->i", (3, 3)), ("ij->ji", (2, 3)),
        ("i,j->ij", (2,), (3,)), ("ij,ij->", (2, 3), (2, 3)), ("...ij,...jk->...ik", (2, 2, 3), (3, 2)), ("ij->", (2, 3)),
        ("bhtd,bhsd->bhts", (1, 2, 3, 2), (1, 2, 3, 2)), ("ij,j", (2, 3), (3,)),
    )  # fmt: skip
    return Case((equation, *matrices(d, *shapes)), {}, 5.0)


def tensordot(d: Draw) -> Case:
    a, b = matrices(d, (2, 3, 2), (3, 2, 2))
    return Case((a, b), {"dims": d.choice(0, 1, ([1, 0], [0, 1]), ([1], [0]))}, 5.0)


# ---------------------------------------------------------------------------- making tensors


def kinds(d: Draw) -> dict:
    return d.choice({}, {"dtype": D("float64")}, {"dtype": D("int64")}, {"dtype": D("bool")}, {"device": "cpu"})


def filled(d: Draw) -> Case:
    shape = d.shape()
    kwargs = kinds(d)
    if "dtype" not in kwargs and d.bool():
        kwargs["requires_grad"] = True
    return Case((shape,) if d.bool() or not shape else shape, kwargs)


def full(d: Draw) -> Case:
    return Case((d.shape(), d.choice(0, 2, 0.5, True)), kinds(d))


def arange(d: Draw) -> Case:
    args = d.choice((5,), (0,), (1, 4), (0, 6, 2), (5, 0, -2), (0.5, 3.0), (0, 1, 0.25), (2.5,), (3, 1), (0, 3, 0))
    return Case(args, d.choice({}, {"dtype": D("float32")}, {"dtype": D("int32")}))


def spaced(d: Draw) -> Case:
    args = (d.choice(0, -1.5, 3), d.choice(2, 10, -4.0), d.int(0, 7))
    return Case(args, d.choice({}, {"dtype": D("float64")}), 2.0)


def like(d: Draw) -> Case:
    return Case((d.tensor(dtype="any", grad=False),), kinds(d))


def data(d: Draw) -> Case:
    values = d.choice(
        1, 2.5, True, [1, 2], [1, 2.5], [[True], [False]], [], [[]], [[1, 2], [3, 4]], (1.0, 2), [[1], [2, 3]], "a", None,
        [1, None], 2**40, range(3), [[1.5], 2],
    )  # fmt: skip
    return Case((values,), d.choice({}, {"dtype": D("float64")}, {"dtype": D("int64")}, {"requires_grad": True}))


def factors_of(name: str):
    """Factorisations are compared where they are unique: values, or products."""

    def row(d: Draw) -> Case:
        return Case((square(d, symmetric=True),), {}, 200.0)

    return row


ROWS = {
    "matmul": matmul, "__matmul__": matmul, "mm": product("ij", "jk"), "bmm": product("bij", "bjk"), "mv": product("ij", "j"),
    "dot": product("i", "i"), "vdot": product("i", "i"), "inner": product("bi", "ji"), "outer": product("i", "j"),
    "ger": product("i", "j"), "addmm": added("ik", "ij", "jk"), "addmv": added("i", "ij", "j"), "addr": added("ij", "i", "j"),
    "baddbmm": added("bik", "bij", "bjk"), "addbmm": added("ik", "bij", "bjk"), "kron": lambda d: Case(tuple(T(t.array, "C", t.grad) for t in product("ij", "jk")(d).args)),
    "chain_matmul": product("ij", "jk", "ki"), "einsum": einsum, "tensordot": tensordot,
    "cross": lambda d: (lambda ab: Case(ab, {"dim": 1}))(matrices(d, (2, 3), (2, 3))),
    "trace": lambda d: Case((d.tensor((d.int(0, 3), d.int(1, 3)), "n"),)),
    "linalg.inv": of_square(), "inverse": of_square(), "linalg.det": of_square(), "det": of_square(), "logdet": of_square(True),
    "slogdet": of_square(), "linalg.slogdet": of_square(), "linalg.pinv": of_square(), "pinverse": of_square(),
    "linalg.inv_ex": of_square(), "linalg.solve": solve, "linalg.solve_ex": solve, "linalg.solve_triangular": triangular,
    "linalg.cholesky": factors_of("cholesky"), "cholesky": factors_of("cholesky"), "linalg.cholesky_ex": factors_of("cholesky"),
    "linalg.eigvalsh": factors_of("eigh"), "linalg.svdvals": of_square(),
    "linalg.lu": lambda d: Case((d.tensor((d.int(1, 3), d.int(1, 4)), "f"),), {}, 200.0),
    "linalg.lu_factor": of_square(), "linalg.lu_factor_ex": lambda d: Case((d.tensor((2, d.int(1, 3), d.int(1, 4)), "f"),), {}, 200.0),
    "lu_unpack": packed(2), "linalg.lu_solve": packed(3), "lu_solve": lambda d: (lambda a: Case((a[2], a[0], a[1]), {}, 200.0))(packed(3)(d).args),
    "linalg.matrix_norm": matrix_norm, "linalg.cond": of_square(), "linalg.matrix_rank": of_square(grad=False),
    "linalg.norm": lambda d: Case((d.tensor((2, 3), "float64"), *d.choice((), (1,), ("fro",), ("nuc",), (float("inf"),))), {}, 50.0),
    "matrix_power": lambda d: Case((square(d), d.int(-2, 3)), {}, 200.0), "linalg.matrix_power": lambda d: Case((square(d), d.int(-2, 3)), {}, 200.0),
    "matrix_exp": lambda d: Case((d.tensor((2, 2), "float64", -1, 1),), {}, 50.0), "linalg.matrix_exp": lambda d: Case((d.tensor((2, 2), "float64", -1, 1),), {}, 50.0),
    "linalg.cross": lambda d: Case(matrices(d, (2, 3), (2, 3))), "linalg.vecdot": lambda d: Case(matrices(d, (2, 3), (2, 3)), {"dim": d.choice(-1, 0)}, 5.0),
    "linalg.multi_dot": lambda d: Case((list(matrices(d, (2, 3), (3, 1), (1, 2))),), {}, 5.0),
    "linalg.diagonal": lambda d: Case((d.tensor((2, 3, 3), "f"),), {"offset": d.int(-1, 1)}),
    "linalg.vander": lambda d: Case((d.tensor((3,), "float64"),), d.choice({}, {"N": 2}, {"N": 4}), 5.0),
    "vander": lambda d: Case((d.tensor((3,), "float64"),), d.choice({}, {"N": 2}, {"increasing": True}), 5.0),
    "linalg.tensorinv": lambda d: Case((T(d.array((2, 3, 6), "float64") + np.eye(6).reshape(2, 3, 6) * 9, "C", d.bool()),), {}, 50.0),
    "linalg.tensorsolve": lambda d: Case((T(d.array((2, 3, 6), "float64") + np.eye(6).reshape(2, 3, 6) * 9, "C", d.bool()), d.tensor((2, 3), "float64")), {}, 50.0),
    "linalg.matmul": matmul, "renorm": lambda d: Case((d.tensor((3, 4), "float64"), d.choice(1, 2), d.choice(0, 1), 1.5), {}, 5.0),
    "tensor": data, "as_tensor": lambda d: (lambda c: Case(c.args, {k: v for k, v in c.kwargs.items() if k == "dtype"}))(data(d)), "asarray": lambda d: (lambda c: Case(c.args, {k: v for k, v in c.kwargs.items() if k == "dtype"}))(data(d)),
    "zeros": filled, "ones": filled, "full": full, "arange": arange, "linspace": spaced,
    "logspace": lambda d: Case((d.choice(0, -1), d.choice(1, 2.0), d.int(0, 5)), {"base": d.choice(2, 10.0)}, 5.0),
    "zeros_like": like, "ones_like": like, "full_like": lambda d: (lambda c: Case((*c.args, d.choice(0, 2, True)), c.kwargs))(like(d)),
    "eye": lambda d: Case((d.int(0, 3), d.int(0, 3)) if d.bool() else (d.int(0, 3),), kinds(d)),
    "scalar_tensor": lambda d: Case((d.choice(0, 2.5, True),), kinds(d)),
    "new_zeros": lambda d: Case((d.tensor(dtype="any", grad=False), d.shape())), "new_ones": lambda d: Case((d.tensor(dtype="any", grad=False), d.shape())),
    "new_full": lambda d: Case((d.tensor(dtype="n", grad=False), d.shape(), 2)), "new_tensor": lambda d: Case((d.tensor(dtype="n", grad=False), [1, 2])),
    "tril_indices": lambda d: Case((d.int(0, 3), d.int(0, 3), d.int(-1, 1))), "triu_indices": lambda d: Case((d.int(0, 3), d.int(0, 3), d.int(-1, 1))),
    **{f"special.{name}": lambda d: Case((d.tensor(dtype="f", low=-2, high=2),), {}, 20.0) for name in ("expit", "erf", "erfc", "exp2", "expm1", "sinc", "ndtr", "log_ndtr", "erfcx", "i0", "i0e", "i1", "round")},
    **{f"special.{name}": lambda d: Case((d.tensor(dtype="f", low=0.1, high=0.9),), {}, 20.0) for name in ("logit", "ndtri", "erfinv", "log1p", "gammaln", "digamma", "psi")},
    "special.entr": lambda d: Case((d.tensor(dtype="f", low=0.1, high=2),), {}, 5.0),
    **{f"special.{name}": lambda d: (lambda a: Case((a, d.tensor(a.array.shape, str(a.array.dtype), 0.1, 2)), {}, 5.0))(d.tensor(dtype="f")) for name in ("xlogy", "xlog1py")},
    "special.logsumexp": lambda d: (lambda a: Case((a, d.dim(a))))(d.tensor(d.shape(1), "f")), "special.softmax": lambda d: (lambda a: Case((a, d.dim(a))))(d.tensor(d.shape(1), "f")),
    "special.log_softmax": lambda d: (lambda a: Case((a, d.dim(a))))(d.tensor(d.shape(1), "f")),
    "special.polygamma": lambda d: Case((d.int(0, 2), d.tensor(dtype="f", low=0.5, high=3)), {}, 20.0), "special.multigammaln": lambda d: Case((d.tensor(dtype="f", low=3, high=6), d.int(1, 3)), {}, 20.0),
    "cholesky_solve": lambda d: (lambda a: Case((T(np.ones((*a.array.shape[:-1], 1), a.array.dtype)), T(np.linalg.cholesky(a.array))), {}, 200.0))(square(d, True)),
    "cholesky_inverse": lambda d: (lambda a: Case((T(np.linalg.cholesky(a.array)),), {}, 200.0))(square(d, True)),
}  # fmt: skip
SKIP: dict[str, tuple[str, ...]] = {"addbmm": ("in_place",)}
