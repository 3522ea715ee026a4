"""What is kept is made once, cannot be written to, and does not grow without bound."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zth.backends.kept import IN_FLOAT32, LARGEST, Numbers, as_operand, kept


@pytest.fixture
def made():
    return []


def test_the_same_arguments_give_the_same_array(made):
    @kept(2)
    def rising(n, dtype):
        """Numbers."""
        made.append(n)
        return np.arange(n, dtype=dtype)

    first = rising[3, np.dtype("f")]
    assert rising[3, np.dtype("f")] is first and first.tolist() == [0.0, 1.0, 2.0]
    assert rising[3, np.dtype("d")].dtype == np.float64
    assert made == [3, 3] and rising.__doc__ == "Numbers."
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1
    rising[4, np.dtype("f")]  # the third: all are forgotten
    assert rising[3, np.dtype("f")] is not first and made == [3, 3, 4, 3]


def test_all_of_several_arrays_are_kept_and_closed(made):
    @kept(8)
    def pair(n, m):
        made.append(n)
        return np.zeros(n), np.ones(m)

    zeros, ones = pair[2, 3]
    assert pair[2, 3][1] is ones and made == [2]
    assert not zeros.flags.writeable and not ones.flags.writeable


def test_a_large_array_is_made_anew(made):
    @kept(8)
    def zeros(n, dtype):
        made.append(n)
        return np.zeros(n, dtype)

    for n in (LARGEST, LARGEST + 1):
        for _ in range(2):
            assert not zeros[n, "f"].flags.writeable
    assert made == [LARGEST, LARGEST + 1, LARGEST + 1]


@pytest.mark.parametrize("number", [0.1, -3, 2.5e20, 1, 7])
def test_a_number_is_met_again_as_the_same_array(number):
    array = as_operand(number, np.dtype("float32"))
    assert array.shape == () and array.dtype == np.float32 and array == np.float32(number)
    assert IN_FLOAT32[number] is array and not array.flags.writeable
    assert as_operand(number, np.dtype("float64")) is number  # only float32 has a table


@pytest.mark.parametrize("number", [0.0, -0.0, 0, float("inf"), -float("inf"), float("nan"), 1e300, 10**50, 1e-44])
def test_a_number_that_a_key_cannot_show_or_float32_not_hold_stays_a_number(number):
    assert as_operand(number, np.dtype("float32")) is number
    assert number not in IN_FLOAT32 or number != number


def test_numbers_do_not_gather_without_end():
    numbers = Numbers("float32")
    for n in range(1, 5 * Numbers.MOST):
        assert numbers[n] == n
        assert len(numbers) <= Numbers.MOST
