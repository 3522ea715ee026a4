"""What the rarer losses, poolings and layers refuse, and in which words."""

from __future__ import annotations

import pytest

import tinygrad_zth as torch

nn, F = torch.nn, torch.nn.functional


def _ctc(**change):
    given = {
        "log_probs": torch.zeros(5, 2, 4).log_softmax(2),
        "targets": torch.tensor([[1, 2], [3, 0]]),
        "input_lengths": torch.tensor([5, 4]),
        "target_lengths": torch.tensor([2, 1]),
    }
    return F.ctc_loss(**(given | change))


CTC = {
    "lengths that are no integers": ({"input_lengths": torch.tensor([5.0, 4.0])}, "input_lengths must be integral"),
    "a length too many": ({"target_lengths": torch.tensor([2, 1, 1])}, "target_lengths must be of size batch_size"),
    "too few labels": ({"targets": torch.tensor([1, 2])}, "Expected tensor to have size 3"),
    "a short row of labels": ({"targets": torch.tensor([[1], [3]])}, "Expected tensor to have size at least 2"),
    "a label that is no class": ({"targets": torch.tensor([[1, 9], [3, 0]])}, "targets must be classes"),
    "a blank that is no class": ({"blank": 4}, "blank must be in label range"),
}


@pytest.mark.parametrize("case", CTC)
def test_ctc_refuses(case):
    change, words = CTC[case]
    assert _ctc().isfinite()
    with pytest.raises(RuntimeError, match=words):
        _ctc(**change)


def test_ctc_of_half_precision_is_not_implemented():
    with pytest.raises(NotImplementedError, match="ctc_loss_cpu"):
        _ctc(log_probs=torch.zeros(5, 2, 4, dtype=torch.float16))


FRACTIONAL = {
    "no size": ((torch.zeros(1, 1, 6, 6), 2), {}, ValueError, "either an output_size or an output_ratio"),
    "a vector": ((torch.zeros(6), 2), {"output_size": 2}, RuntimeError, r"Expected 3D or 4D"),
    "a ratio of one": ((torch.zeros(1, 1, 6, 6), 2), {"output_ratio": 1.0}, ValueError, "between 0 and 1"),
    "windows too large": (
        (torch.zeros(1, 1, 6, 6), 4),
        {"output_size": 5},
        RuntimeError,
        "too large relative to input",
    ),
}


@pytest.mark.parametrize("case", FRACTIONAL)
def test_fractional_max_pool_refuses(case):
    arguments, options, kind, words = FRACTIONAL[case]
    with pytest.raises(kind, match=words):
        F.fractional_max_pool2d(*arguments, **options)


@pytest.mark.parametrize(("n", "pool"), [(2, F.fractional_max_pool2d), (3, F.fractional_max_pool3d)])
def test_fractional_max_pool_by_ratio_takes_each_windows_maximum(n, pool):
    x = torch.arange(float(6**n)).reshape(1, 1, *[6] * n)
    out, at = pool(x, 2, output_ratio=0.5, return_indices=True)
    assert tuple(out.shape) == (1, 1, *[3] * n) and (x.flatten()[at.flatten()] == out.flatten()).all()
    assert out.flatten()[-1] == x.max()  # the last window ends where the input does
    assert (pool(x[0], 2, output_size=1) == x.max()).all()


@pytest.mark.parametrize("cutoffs", [[], [3, 2], [0, 2], [2, 2], [2, 9], [1.5]])
def test_an_adaptive_softmax_refuses_cutoffs(cutoffs):
    with pytest.raises(ValueError, match="cutoffs should be a sequence"):
        nn.AdaptiveLogSoftmaxWithLoss(4, 9, cutoffs)


def test_an_adaptive_softmax_refuses_targets_and_can_be_drawn_anew():
    layer = nn.AdaptiveLogSoftmaxWithLoss(16, 9, [2, 5])
    x = torch.randn(3, 16)
    for target, words in (
        (torch.zeros(3, 1, dtype=torch.long), "multi-target not supported"),
        (torch.zeros(2, dtype=torch.long), "same size in the batch dimension"),
        (torch.tensor([0, 1, 9]), "Target values should be in"),
    ):
        with pytest.raises(RuntimeError, match=words):
            layer(x, target)
    before = [p.clone() for p in layer.parameters()]
    layer.reset_parameters()
    assert all((a != b).any() for a, b in zip(before, layer.parameters(), strict=True))
    whole = layer.log_prob(x)
    assert whole.exp().sum(1).allclose(torch.ones(3)) and (layer.predict(x) == whole.argmax(1)).all()


def test_a_module_refuses_what_it_cannot_hold():
    m = nn.Module()
    m.child, m.flag = nn.Linear(2, 2), nn.Buffer(torch.ones(1))
    with pytest.raises(TypeError, match="as child module 'child'"):
        m.child = 3
    with pytest.raises(TypeError, match="as buffer 'flag'"):
        m.flag = 3
    with pytest.raises(TypeError, match="to parameter 'p'"):
        m.register_parameter("p", nn.Parameter(torch.ones(1)) * 2)
    with pytest.raises(ValueError, match="without a target name"):
        m.set_submodule("", nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"not an nn\.Module"):
        m.set_submodule("child", 3)
    unborn = nn.Module.__new__(nn.Module)
    with pytest.raises(AttributeError, match="before Module.__init__"):
        unborn.child = nn.Linear(2, 2)
    with pytest.raises(AttributeError, match="before Module.__init__"):
        unborn.flag = nn.Buffer(torch.ones(1))


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        ([2**70], ValueError, "Overflow"),
        ([[1, 2], [3]], ValueError, "expected sequence of length 2 at dim 1"),
        (["a"], ValueError, "too many dimensions 'str'"),
    ],
)
def test_a_tensor_refuses_data(data, kind, words):
    with pytest.raises((kind, RuntimeError), match=words):
        torch.tensor(data)


def test_a_float_that_is_no_number_is_no_integer():
    with pytest.raises((RuntimeError, ValueError), match="cannot convert float"):
        torch.tensor([1.0, float("nan")], dtype=torch.int64)
