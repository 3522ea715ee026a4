"""Printed text against fixed strings, which PyTorch 2.13 gave for the same values.

tests/parity/test_printing_parity.py compares with PyTorch itself, on random input.
"""

import math

import numpy as np
import pytest

from tinygrad_zth.device import device
from tinygrad_zth.dtypes import bfloat16
from tinygrad_zth.printing import (
    get_printoptions,
    parameter_repr,
    printoptions,
    set_printoptions,
    tensor_repr,
)
from tinygrad_zth.tensor import Size

nan, inf = math.nan, math.inf


@pytest.fixture(autouse=True)
def _default_options():
    before = get_printoptions()
    set_printoptions(profile="default")
    yield
    set_printoptions(**before)


def f32(values) -> np.ndarray:
    return np.array(values, dtype=np.float32)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        # whole numbers, decimals, scientific: what makes a tensor choose
        (np.arange(5, dtype=np.float32), "tensor([0., 1., 2., 3., 4.])"),
        (f32([1.0, 1000.0]), "tensor([   1., 1000.])"),
        (f32([1.0, 1001.0]), "tensor([1.0000e+00, 1.0010e+03])"),
        (f32([0.5, 500.5]), "tensor([5.0000e-01, 5.0050e+02])"),
        (f32([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
        (f32([1e8, 1e7]), "tensor([100000000.,  10000000.])"),
        (f32([1.5e8, 1e7]), "tensor([1.5000e+08, 1.0000e+07])"),
        # 1e-4 is below 1e-4 in single precision, and is judged in double
        (f32([1e-4, 0.05]), "tensor([1.0000e-04, 5.0000e-02])"),
        (np.array([1e-4, 0.05]), "tensor([0.0001, 0.0500], dtype=torch.float64)"),
        (
            f32([[0.1, -2.5], [1000.0, 3.0]]),
            "tensor([[ 1.0000e-01, -2.5000e+00],\n        [ 1.0000e+03,  3.0000e+00]])",
        ),
        # no dimensions
        (f32(3.5), "tensor(3.5000)"),
        (f32(0.1), "tensor(0.1000)"),
        (f32(-0.0), "tensor(-0.)"),
        (f32(1e9), "tensor(1.0000e+09)"),
        (np.array(7), "tensor(7)"),
        (np.array(True), "tensor(True)"),
        # values that have no say in the width
        (f32([nan, 1.0, -inf]), "tensor([nan, 1., -inf])"),
        (f32([nan, 0.25, inf]), "tensor([   nan, 0.2500,    inf])"),
        (f32([nan, inf]), "tensor([nan, inf])"),
        (f32([-0.0, 0.5]), "tensor([-0.0000, 0.5000])"),
        # other dtypes
        (np.array([[1, -20], [300, 4]]), "tensor([[  1, -20],\n        [300,   4]])"),
        (np.array([True, False]), "tensor([ True, False])"),
        (np.array([0.5]), "tensor([0.5000], dtype=torch.float64)"),
        (np.array([1, 255], np.uint8), "tensor([  1, 255], dtype=torch.uint8)"),
        (
            np.array([0.1, 65504.0], np.float16),
            "tensor([9.9976e-02, 6.5504e+04], dtype=torch.float16)",
        ),
        (np.array([1 + 2j, -0.5 - 1j], np.complex64), "tensor([ 1.0000+2.j, -0.5000-1.j])"),
        (
            (np.arange(5) / 4 - 1j * np.arange(5) / 4).astype(np.complex64),
            "tensor([0.0000+0.0000j, 0.2500-0.2500j, 0.5000-0.5000j, 0.7500-0.7500j,\n        1.0000-1.0000j])",
        ),
        # no elements
        (f32([]), "tensor([])"),
        (np.zeros((0, 3), np.float32), "tensor([], size=(0, 3))"),
        (np.array([], np.int64), "tensor([], dtype=torch.int64)"),
        (np.zeros((2, 0)), "tensor([], size=(2, 0), dtype=torch.float64)"),
    ],
)
def test_values(array, text):
    assert tensor_repr(array) == text


def test_lines_wrap_at_the_line_width():
    assert tensor_repr(np.arange(30, dtype=np.float32) / np.float32(7)) == (
        "tensor([0.0000, 0.1429, 0.2857, 0.4286, 0.5714, 0.7143, 0.8571, 1.0000, 1.1429,\n"
        "        1.2857, 1.4286, 1.5714, 1.7143, 1.8571, 2.0000, 2.1429, 2.2857, 2.4286,\n"
        "        2.5714, 2.7143, 2.8571, 3.0000, 3.1429, 3.2857, 3.4286, 3.5714, 3.7143,\n"
        "        3.8571, 4.0000, 4.1429])"
    )


def test_blank_lines_between_the_blocks_of_outer_dimensions():
    assert tensor_repr(np.arange(16).reshape(2, 2, 2, 2)) == (
        "tensor([[[[ 0,  1],\n          [ 2,  3]],\n\n"
        "         [[ 4,  5],\n          [ 6,  7]]],\n\n\n"
        "        [[[ 8,  9],\n          [10, 11]],\n\n"
        "         [[12, 13],\n          [14, 15]]]])"
    )


def test_large_tensors_are_summarised():
    assert tensor_repr(np.arange(1000)).count(",") == 999
    assert tensor_repr(np.arange(1001)) == ("tensor([   0,    1,    2,  ...,  998,  999, 1000])")
    assert tensor_repr(np.arange(10000, dtype=np.float32).reshape(100, 100)) == (
        "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 9.7000e+01, 9.8000e+01,\n"
        "         9.9000e+01],\n"
        "        [1.0000e+02, 1.0100e+02, 1.0200e+02,  ..., 1.9700e+02, 1.9800e+02,\n"
        "         1.9900e+02],\n"
        "        [2.0000e+02, 2.0100e+02, 2.0200e+02,  ..., 2.9700e+02, 2.9800e+02,\n"
        "         2.9900e+02],\n"
        "        ...,\n"
        "        [9.7000e+03, 9.7010e+03, 9.7020e+03,  ..., 9.7970e+03, 9.7980e+03,\n"
        "         9.7990e+03],\n"
        "        [9.8000e+03, 9.8010e+03, 9.8020e+03,  ..., 9.8970e+03, 9.8980e+03,\n"
        "         9.8990e+03],\n"
        "        [9.9000e+03, 9.9010e+03, 9.9020e+03,  ..., 9.9970e+03, 9.9980e+03,\n"
        "         9.9990e+03]])"
    )


def test_the_format_is_chosen_from_what_is_shown():
    hidden = np.ones(2000, np.float32)
    hidden[1000] = 1e-30
    assert tensor_repr(hidden) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"


def test_only_what_is_shown_is_brought_to_the_host():
    seen = []

    def to_host(array):
        seen.append(array.shape)
        return array

    tensor_repr(np.zeros((500, 2, 300)), to_host=to_host)
    assert seen == [(6, 2, 6)]


def test_suffixes_and_where_they_break_the_line():
    half = f32([0.5, -1.5])
    assert tensor_repr(half, requires_grad=True) == ("tensor([ 0.5000, -1.5000], requires_grad=True)")
    assert tensor_repr(np.tanh(half), requires_grad=True, grad_fn="TanhBackward0") == (
        "tensor([ 0.4621, -0.9051], grad_fn=<TanhBackward0>)"
    )
    six = np.tanh(np.linspace(0, 1, 6))
    assert tensor_repr(six.astype(np.float32), grad_fn="TanhBackward0") == (
        "tensor([0.0000, 0.1974, 0.3799, 0.5370, 0.6640, 0.7616],\n       grad_fn=<TanhBackward0>)"
    )
    assert tensor_repr(six, grad_fn="TanhBackward0") == (
        "tensor([0.0000, 0.1974, 0.3799, 0.5370, 0.6640, 0.7616], dtype=torch.float64,\n       grad_fn=<TanhBackward0>)"
    )
    with printoptions(linewidth=34):
        assert tensor_repr(np.array([1, 2], np.int32)) == "tensor([1, 2], dtype=torch.int32)"
    with printoptions(linewidth=33):
        assert tensor_repr(np.array([1, 2], np.int32)) == ("tensor([1, 2],\n       dtype=torch.int32)")
    assert tensor_repr(np.array([1], np.int32), device="cuda:0") == ("tensor([1], device='cuda:0', dtype=torch.int32)")


def test_the_default_dtype_goes_without_saying():
    assert tensor_repr(np.array([0.5]), default_dtype="torch.float64") == "tensor([0.5000])"
    assert tensor_repr(f32([0.5]), default_dtype="torch.float64") == ("tensor([0.5000], dtype=torch.float32)")
    assert tensor_repr(f32([1.0]), dtype="torch.bfloat16") == "tensor([1.], dtype=torch.bfloat16)"


def test_subclasses_are_named_and_set_the_indent():
    assert tensor_repr(f32([[0], [1]]), class_name="T") == "T([[0.],\n   [1.]])"


def test_options():
    third = f32([1 / 3, 2 / 3])
    with printoptions(precision=2):
        assert tensor_repr(third) == "tensor([0.33, 0.67])"
        assert get_printoptions()["precision"] == 2
    with printoptions(sci_mode=True):
        assert tensor_repr(third) == "tensor([3.3333e-01, 6.6667e-01])"
    with printoptions(sci_mode=False):
        assert tensor_repr(f32([1e-5, 1e9])) == ("tensor([         0.0000, 1000000000.0000])")
    with printoptions(threshold=4, edgeitems=1):
        assert tensor_repr(np.arange(5)) == "tensor([0,  ..., 4])"
    with printoptions(edgeitems=0, threshold=1):
        assert tensor_repr(np.arange(6).reshape(2, 3)) == "tensor([...], size=(2, 3))"
        assert tensor_repr(np.arange(6)) == "tensor([...], size=(6,))"
    with printoptions(linewidth=1):
        assert tensor_repr(np.arange(2)) == "tensor([0,\n        1])"
    with printoptions(profile="full"):
        assert tensor_repr(np.zeros(5000, bool)).count("False") == 5000
    with printoptions(profile="short"):
        assert tensor_repr(third) == "tensor([0.33, 0.67])"
    assert get_printoptions() == {
        "precision": 4,
        "threshold": 1000,
        "edgeitems": 3,
        "linewidth": 80,
        "sci_mode": None,
    }


def test_options_are_restored_after_an_error_and_sci_mode_by_any_call():
    with pytest.raises(KeyError), printoptions(precision=7):
        raise KeyError
    assert get_printoptions()["precision"] == 4
    set_printoptions(sci_mode=True)
    set_printoptions(precision=3)
    assert get_printoptions()["sci_mode"] is None


def test_bad_options_fail_as_in_torch():
    with pytest.raises(TypeError, match="unexpected keyword argument 'digits'"):
        set_printoptions(digits=3)
    set_printoptions(profile="no such profile")
    with printoptions(precision=-1), pytest.raises(ValueError, match="missing precision"):
        tensor_repr(f32([0.5]))
    with printoptions(threshold="a"), pytest.raises(TypeError, match="'>' not supported"):
        tensor_repr(f32([0.5]))


def test_parameters():
    text = tensor_repr(np.zeros((0, 3), np.float32), requires_grad=True)
    assert parameter_repr(text) == ("Parameter containing:\ntensor([], size=(0, 3), requires_grad=True)")
    assert parameter_repr("P([0.], requires_grad=True)", subclass=True) == (
        "Parameter containing:\nParameter(P([0.], requires_grad=True))"
    )


def test_the_values_beside_tensors():
    assert repr(Size(())) == "torch.Size([])"
    assert repr(Size((2, 3))) == "torch.Size([2, 3])"
    assert repr(device("cpu")) == "device(type='cpu')"
    assert repr(device("cuda", 1)) == "device(type='cuda', index=1)"
    assert str(device("cuda", 1)) == "cuda:1"
    assert repr(bfloat16) == "torch.bfloat16"
