"""What a layer keeps for its backward pass is its own: a write to its input or its result is refused, or does no harm."""

from __future__ import annotations

import pytest

import tinygrad_zth as torch

F = torch.nn.functional


def _gradient(function, write=None):
    x = (torch.arange(24.0).reshape(4, 6) / 7).sin().requires_grad_()
    y = function(x * 1)
    if write is not None:
        write(y)
    (y * torch.arange(24.0).reshape(y.shape)).sum().backward()
    return x.grad


NORMS = {
    "layer_norm": lambda h: F.layer_norm(h, (6,)),
    "layer_norm of one row": lambda h: F.layer_norm(h, (4, 6)),
    "rms_norm": lambda h: F.rms_norm(h, (6,)),
    "group_norm": lambda h: F.group_norm(h.reshape(2, 4, 3), 2),
    "instance_norm": lambda h: F.instance_norm(h.reshape(2, 2, 6)),
    "batch_norm": lambda h: F.batch_norm(h, None, None, training=True),
}


@pytest.mark.parametrize("name", NORMS)
def test_a_write_to_the_result_of_a_norm_leaves_its_gradient_right(name):
    doubled = _gradient(NORMS[name], lambda y: y.mul_(2))
    torch.testing.assert_close(doubled, 2 * _gradient(NORMS[name]))


def test_a_write_to_the_input_of_batch_norm_is_refused_or_does_no_harm():
    def function(h, write):
        y = F.batch_norm(h, None, None, training=True)
        if write:
            h.mul_(2)
        return y

    clean = _gradient(lambda h: function(h, False))
    try:
        written = _gradient(lambda h: function(h, True))
    except RuntimeError as error:  # by a kernel, which keeps the input; a composition keeps what it computed from it
        assert "modified by an inplace operation" in str(error)
    else:
        torch.testing.assert_close(written, clean)


def test_columns_of_windows_of_one_element_are_a_copy():
    x = torch.ones(1, 2, 3, 3)
    columns = F.unfold(x, 1)
    x.mul_(5)
    assert columns.max() == 1


@pytest.mark.parametrize("rows", [1, 2])
def test_a_norm_without_spread_and_without_epsilon_is_nan(rows):
    assert F.layer_norm(torch.full((rows, 4), 3.0), (4,), eps=0.0).isnan().all()
    assert F.rms_norm(torch.zeros(rows, 4), (4,), eps=0.0).isnan().all()


@pytest.mark.parametrize("shape", [(0, 2, 1, 4), (2, 2, 1, 0)])
def test_attention_of_nothing_has_its_shape(shape):
    q, k = torch.zeros(shape), torch.zeros(*shape[:2], 5, shape[3])
    with torch.no_grad():
        assert F.scaled_dot_product_attention(q, k, k).shape == shape
    assert F.scaled_dot_product_attention(q, k, k).shape == shape
