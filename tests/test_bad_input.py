"""Bad input, one by one: each is an error that says what is wrong, or the right result.

What concerns training (a loss that is no number, a corrupt checkpoint, a folder that cannot be written, a sample
longer than the block) is in ``tests/models/test_trainer.py`` and ``test_command_line.py``. The messages are PyTorch's;
``tests/parity/test_errors.py`` asks it for many more.
"""

from __future__ import annotations

import pytest

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tests.device_mode import settle
from tinygrad_zth import nn
from tinygrad_zth import zeros as z

INT = torch.int64


def leaf(n: int = 3) -> torch.Tensor:
    return z(n).requires_grad_()


def write_to_a_leaf() -> None:
    x = leaf()
    x += 1


def write_through_a_view_of_a_leaf() -> None:
    x = leaf()
    x[0] = 1


ERRORS = {
    # shapes that do not go together
    "addition": (
        lambda: z(2, 3) + z(4, 3),
        RuntimeError,
        r"tensor a \(2\) must match .* tensor b \(4\) .* dimension 0",
    ),
    "product": (lambda: z(2, 3) @ z(2, 3), RuntimeError, r"mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)"),
    "linear": (lambda: nn.Linear(3, 4)(z(2, 5)), RuntimeError, r"cannot be multiplied \(2x5 and 3x4\)"),
    "cat": (lambda: torch.cat([z(2, 3), z(2, 4)]), RuntimeError, "Expected size 3 but got size 4 for tensor number 1"),
    "view": (lambda: z(2, 3).view(4, 2), RuntimeError, r"shape '\[4, 2\]' is invalid for input of size 6"),
    "loss": (lambda: F.cross_entropy(z(3, 4), torch.zeros(2, dtype=INT)), ValueError, r"batch_size \(3\) .* \(2\)"),
    # dtypes
    "float indices": (lambda: nn.Embedding(3, 4)(z(2)), RuntimeError, "indices.* Long, Int; but got torch.FloatTensor"),
    "float target": (lambda: F.cross_entropy(z(3, 4), z(3)), RuntimeError, "expected target dtype to be Long or Byte"),
    "two dtypes": (lambda: z(2, 2) @ z(2, 2).double(), RuntimeError, "same dtype, but got: float != double"),
    "integer mean": (lambda: torch.zeros(3, dtype=INT).mean(), RuntimeError, "could not infer output dtype.*Got: Long"),
    # indices
    "index": (lambda: z(3)[3], IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
    "index tensor": (lambda: z(3, 4)[torch.tensor([0, 3])], IndexError, "index 3 is out of bounds for dimension 0"),
    "token": (lambda: nn.Embedding(3, 4)(torch.tensor([3])), IndexError, "index out of range in self"),
    "target": (lambda: F.cross_entropy(z(3, 4), torch.tensor([0, 1, 4])), IndexError, "Target 4 is out of bounds"),
    "gather": (
        lambda: z(3, 4).gather(1, torch.tensor([[4]])),
        RuntimeError,
        "index 4 is out of bounds for dimension 1",
    ),
    "dimension": (lambda: z(3).sum(1), IndexError, r"expected to be in range of \[-1, 0\], but got 1"),
    # backward
    "not a scalar": (lambda: (leaf() * 2).backward(), RuntimeError, "implicitly created only for scalar outputs"),
    "no graph": (lambda: z(()).backward(), RuntimeError, "does not require grad and does not have a grad_fn"),
    "gradient's shape": (lambda: (leaf() * 2).backward(z(2)), RuntimeError, r"Mismatch in shape: grad_output\[0\]"),
    "integer leaf": (lambda: torch.zeros(3, dtype=INT, requires_grad=True), RuntimeError, "floating point"),
    "integer grad": (lambda: torch.zeros(3, dtype=INT).requires_grad_(), RuntimeError, "floating point dtype"),
    # writes
    "leaf": (
        write_to_a_leaf,
        RuntimeError,
        "a leaf Variable that requires grad is being used in an in-place operation",
    ),
    "leaf's view": (write_through_a_view_of_a_leaf, RuntimeError, "a view of a leaf Variable that requires grad"),
    # nothing to reduce
    "maximum of nothing": (lambda: z(0).max(), RuntimeError, r"max\(\): Expected reduction dim to be specified"),
    "maximum along nothing": (lambda: z(0, 3).max(0), IndexError, "Expected reduction dim 0 to have non-zero size"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_it_is_an_error_that_says_what_is_wrong(name):
    call, kind, says = ERRORS[name]
    with pytest.raises(kind, match=says) as caught:
        call()
        settle()
    assert type(caught.value) is kind


def test_backward_of_what_is_no_scalar_works_with_a_gradient():
    x = leaf()
    (x * 2).backward(torch.tensor([1.0, 2.0, 3.0]))
    assert x.grad.tolist() == [2, 4, 6]


def test_a_leaf_may_be_written_to_where_nothing_is_recorded():
    x = leaf()
    with torch.no_grad():
        x += 1
    assert x.tolist() == [1, 1, 1] and x.is_leaf and x.requires_grad


EMPTY = {
    "linear": lambda: nn.Linear(3, 4)(z(0, 3)),
    "layer_norm": lambda: nn.LayerNorm(4)(z(0, 4)),
    "softmax": lambda: F.softmax(z(0, 4), -1),
    "embedding": lambda: nn.Embedding(3, 4)(torch.zeros(0, dtype=INT)),
    "batch_norm in evaluation": lambda: nn.BatchNorm1d(4).eval()(z(0, 4)),
    "gelu": lambda: F.gelu(z(0, 4)),
    "conv": lambda: nn.Conv2d(2, 4, 3)(z(0, 2, 3, 3)).flatten(1),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_batch_goes_through(name):
    assert EMPTY[name]().shape == (0, 4)


def test_the_loss_of_an_empty_batch_is_no_number_and_its_sum_zero():
    nothing = torch.zeros(0, dtype=INT)
    assert F.cross_entropy(z(0, 4), nothing).isnan()
    assert F.mse_loss(z(0), z(0)).isnan() and z(0).mean().isnan()
    assert F.cross_entropy(z(0, 4), nothing, reduction="sum") == 0 and z(0, 4).sum() == 0


def test_an_empty_batch_has_zero_gradients():
    layer = nn.Linear(3, 4)
    layer(z(0, 3)).sum().backward()
    assert layer.weight.grad.shape == (4, 3) and not layer.weight.grad.any() and not layer.bias.grad.any()
