"""What is kept is made once, cannot be written to, and does not grow without bound."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zth.backends.kept import LARGEST, kept


@pytest.fixture
def made():
    return []


def test_the_same_arguments_give_the_same_array(made):
    @kept(2)
    def rising(n, dtype):
        """Numbers."""
        made.append(n)
        return np.arange(n, dtype=dtype)

    first = rising(3, np.dtype("f"))
    assert rising(3, np.dtype("f")) is first and first.tolist() == [0.0, 1.0, 2.0]
    assert rising(3, np.dtype("d")).dtype == np.float64
    assert made == [3, 3] and rising.__doc__ == "Numbers."
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1
    rising(4, np.dtype("f"))  # the third: all are forgotten
    assert rising(3, np.dtype("f")) is not first and made == [3, 3, 4, 3]


def test_all_of_several_arrays_are_kept_and_closed(made):
    @kept(8)
    def pair(n):
        made.append(n)
        return np.zeros(n), np.ones(n)

    zeros, ones = pair(2)
    assert pair(2)[1] is ones and made == [2]
    assert not zeros.flags.writeable and not ones.flags.writeable


def test_a_large_array_is_made_anew(made):
    @kept(8)
    def zeros(n):
        made.append(n)
        return np.zeros(n)

    for n in (LARGEST, LARGEST + 1):
        for _ in range(2):
            assert not zeros(n).flags.writeable
    assert made == [LARGEST, LARGEST + 1, LARGEST + 1]
