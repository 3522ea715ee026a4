"""Work shared between threads, BLAS kept to one, memory kept: each where it can be had and where it cannot."""

from __future__ import annotations

import os
import sys
import threading

import numpy as np
import pytest

from tinygrad_zth import backends
from tinygrad_zth.backends import blas, memory, parallel

pytestmark = pytest.mark.host


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(parallel, "_threads", 2)
    monkeypatch.setattr(parallel, "WORTH_SHARING_NS", 0)


def test_every_row_is_worked_on_once_by_whoever_is_free(two_threads):
    seen, threads = np.zeros(300, np.int64), set()
    both = threading.Barrier(2, timeout=60)

    def body(start: int, stop: int) -> None:
        seen[start:stop] += 1
        threads.add(threading.get_ident())
        if start in (0, 1):
            both.wait()  # the first block and the second are on two threads

    parallel.run_blocks(body, 300, parallel.SHARED_BLOCK, 1.0)
    assert (seen == 1).all() and len(threads) == 2


@pytest.mark.parametrize("rows, width, longest", [(1000, 384, 250), (4000, 384, 512), (3, 10**6, 1), (9, 65536, 3)])
def test_shared_blocks_are_longer_but_leave_two_for_each_thread(two_threads, rows, width, longest):
    lengths = []
    parallel.run_blocks(lambda start, stop: lengths.append(stop - start), rows, width, 1.0)
    assert sum(lengths) == rows and max(lengths) == longest


def test_an_exception_on_another_thread_is_raised_here_and_stops_the_work(two_threads):
    started = []
    both = threading.Barrier(2, timeout=60)

    def body(start: int, stop: int) -> None:
        started.append(start)
        both.wait()
        raise ValueError(f"block {start}")

    with pytest.raises(ValueError, match="block [01]"):
        parallel.run_blocks(body, 100, parallel.SHARED_BLOCK, 1.0)
    assert sorted(started) == [0, 1]
    parallel.run_blocks(lambda start, stop: started.append(start), 100, parallel.SHARED_BLOCK, 1.0)
    assert len(started) == 102  # the threads are there for the next


def test_work_within_shared_work_stays_on_its_thread(two_threads):
    def outer(start: int, stop: int) -> None:
        here = threading.get_ident()
        parallel.run_blocks(lambda a, b: inside.append(threading.get_ident() == here), 50, parallel.BLOCK, 1.0)

    inside: list[bool] = []
    parallel.run_blocks(outer, 4, parallel.BLOCK, 1.0)
    assert len(inside) == 200 and all(inside)


def test_tasks_multiply_with_blas_on_one_thread(monkeypatch, two_threads):
    if not blas.can_limit():
        pytest.skip("this NumPy's BLAS is no OpenBLAS")
    read, write = blas._controls()
    before = read()
    write(2)
    try:
        found = []
        parallel.run_tasks(lambda i: found.append(read()), 4, 2)
        assert found == [1] * 4 and read() == 2
        with blas.one_blas_thread():
            with blas.one_blas_thread():
                assert read() == 1
            assert read() == 1
        assert read() == 2
        parallel.run_tasks(lambda i: found.append(read()), 3, 1)  # too short to be shared
        assert found[4:] == [1] * 3
        monkeypatch.setattr(parallel, "_threads", 1)  # told to leave sharing to BLAS
        parallel.run_tasks(lambda i: found.append(read()), 2, 1)
        assert found[7:] == [2] * 2
    finally:
        write(before)


def test_without_openblas_nothing_is_shared(monkeypatch, two_threads):
    monkeypatch.setattr(blas, "_controls", lambda: None)
    assert not blas.can_limit() and parallel.sharers(1e12) == 1
    with blas.one_blas_thread():
        pass


def test_no_openblas_is_looked_for_on_other_systems(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert blas._library.__wrapped__() is None
    assert memory._glibc() is None and not memory.keep_freed_memory() and not memory.release_freed_memory()


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_a_number_of_threads_is_positive(n):
    with pytest.raises(ValueError, match="positive integer"):
        parallel.set_num_threads(n)


def test_the_environment_says_how_many_threads(monkeypatch):
    cpus = parallel._cpus()
    for name in ("TINYGRAD_ZTH_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert parallel._default_threads() == cpus
    monkeypatch.setenv("OMP_NUM_THREADS", "9999,4")
    assert parallel._default_threads() == cpus  # no more than there are
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert parallel._default_threads() == cpus
    monkeypatch.setenv("TINYGRAD_ZTH_THREADS", "7")
    assert parallel._default_threads() == 7
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert parallel._cpus() == (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_threads_are_started_again_after_a_fork(two_threads):
    parallel.run_blocks(lambda start, stop: None, 10, parallel.SHARED_BLOCK, 1.0)
    mine = parallel._workers
    parallel._after_fork()  # what the child does first
    assert parallel._workers is not mine and parallel._workers.count == 0
    done = []
    parallel.run_blocks(lambda start, stop: done.append(start), 10, parallel.SHARED_BLOCK, 1.0)
    assert sorted(done) == list(range(10))


@pytest.mark.parametrize("name, value", [("TINYGRAD_ZTH_MALLOPT", "0"), ("MALLOC_TOP_PAD_", "4096")])
def test_memory_is_left_alone_where_the_user_says_so(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert not memory.keep_freed_memory()


def test_freed_memory_goes_back_when_asked():
    if memory._glibc() is None:
        pytest.skip("no glibc")
    kept = [np.ones(1000) for _ in range(20000)]
    del kept[::2], kept
    assert memory.release_freed_memory()


def test_what_is_no_array_has_no_backend():
    class Mine(np.ndarray):
        pass

    assert backends.backend_of(np.zeros(2).view(Mine)) is backends.NUMPY
    assert backends.backend_of(np.float32(1)) is backends.NUMPY
    with pytest.raises(TypeError, match="expected an array, not list"):
        backends.backend_of([1])
    kernels = backends.Kernels(np.exp)
    assert kernels[Mine](np.zeros(1)) == 1 and kernels[np.float64](0.0) == 1
    with pytest.raises(TypeError, match="expected an array, not list"):
        kernels[list]


def test_the_parameters_of_anything_callable():
    class Adder:
        def __call__(self, x, y):
            return x + y

    assert backends.parameters_of(Adder()) == ("x", "y")
    assert backends.parameters_of(lambda a, *, b: a) == ("a", "b")


def test_the_host_needs_no_device_to_be_put_to_use():
    with backends.NUMPY.on(None):
        assert backends.NUMPY.adapted(abs) is abs and backends.NUMPY.through_host(abs) is abs
