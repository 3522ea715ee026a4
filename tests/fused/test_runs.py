"""Windows in long runs: the same columns, and the same sums, as windows taken one by one."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinygrad_zth.fused.runs import add_runs, kept, laid_out, run_columns, runs_of
from tinygrad_zth.fused.windows import Geometry, add_windows, padded, windows_of


@st.composite
def geometries(draw):
    """A size and a geometry on it; the windows may leave elements at the end unseen."""
    n = draw(st.integers(1, 3))
    size = draw(st.tuples(*[st.integers(6, 12 if n < 3 else 8)] * n))
    kernel, stride, dilation = (draw(st.tuples(*[st.integers(1, most)] * n)) for most in (3, 3, 2))
    padding = draw(st.tuples(*[st.integers(0, 2)] * n))
    out = tuple(
        (s + 2 * p - d * (k - 1) - 1) // t + 1 for s, p, d, k, t in zip(size, padding, dilation, kernel, stride)
    )
    return size, Geometry(kernel, stride, padding, dilation, out)


@settings(max_examples=60)
@given(geometries())
def test_columns_and_their_adjoint(drawn):
    size, geometry = drawn
    runs = runs_of(size, geometry)
    assume(runs is not None)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, *size))
    taps = len(runs.taps)
    windows = windows_of(padded(np, x, geometry), geometry)  # (C, *kernel, N, *out)
    expected = windows.reshape(3, taps, 2, *geometry.out)
    columns = kept(run_columns(x, runs).reshape(3, taps, -1), geometry.out, runs)
    np.testing.assert_array_equal(columns, expected)

    y = rng.standard_normal((2, 3 * taps, *geometry.out))
    wide = laid_out(y, runs)  # zero where no window is
    assert np.count_nonzero(wide) == y.size
    result = np.full((2, 3, *size), np.nan)
    add_runs(wide.reshape(3, taps, -1), size, runs, result)
    one_by_one = np.moveaxis(y, 0, 1).reshape(3, *geometry.kernel, 2, *geometry.out)
    np.testing.assert_allclose(result, add_windows(np, one_by_one, size, geometry), rtol=1e-12, atol=1e-12)


def test_most_geometries_of_images_have_runs():
    for size, kernel, stride, padding in ((32, 3, 1, 1), (32, 3, 2, 1), (16, 3, 2, 1), (28, 5, 1, 2)):
        out = (size + 2 * padding - kernel) // stride + 1
        assert runs_of((size, size), Geometry((kernel,) * 2, (stride,) * 2, (padding,) * 2, (1, 1), (out, out)))
    # one tap is no window, and a dilation as long as the signal would be mostly gaps
    assert runs_of((8, 8), Geometry((1, 1), (1, 1), (0, 0), (1, 1), (8, 8))) is None
    assert runs_of((64,), Geometry((2,), (1,), (0,), (32,), (32,))) is None
