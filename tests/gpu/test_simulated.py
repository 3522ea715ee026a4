"""The simulated device itself: that it computes as CUDA does, and that it notices what it is there to notice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from .simulated import compiler, device, memory
from .simulated.device import DeviceError

SUM = """
extern "C" __global__ void total(const float* x, float* out, int n) {
  __shared__ float partial[64];
  float s = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) s += x[i];
  partial[threadIdx.x] = s;
  __syncthreads();
  for (int o = blockDim.x / 2; o > 0; o /= 2) {
    if (threadIdx.x < o) partial[threadIdx.x] += partial[threadIdx.x + o];
    __syncthreads();
  }
  if (threadIdx.x == 0) atomicAdd(out, partial[0]);
}
"""


@pytest.fixture(autouse=True)
def _here(only_simulated):
    yield
    memory.forgive()  # what a test broke on purpose


def kernel(source: str, name: str = "k"):
    return compiler.module(source)[name]


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_blocks_shared_memory_barriers_and_atomics(order):
    x, out = np.arange(1000, dtype=np.float32), np.zeros(1, np.float32)
    kernel(SUM, "total")((3,), (64,), (x, out, np.int32(1000)), schedule=order)
    assert out[0] == x.sum()


def test_a_warp_shuffles_and_votes():
    source = """
extern "C" __global__ void k(int* out) {
  int lane = threadIdx.x & 31, v = threadIdx.x;
  for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
  out[threadIdx.x] = v;
  if (lane == 0) out[64 + threadIdx.x / 32] = __shfl_sync(1u, v, 0);
}"""
    out = np.zeros(66, np.int32)
    kernel(source)((1,), (64,), (out,))
    assert (
        out[:32].tolist() == [496] * 32
        and out[32:64].tolist() == [496 + 1024] * 32
        and out[64:].tolist() == [496, 1520]
    )


RACE = """
extern "C" __global__ void k(const float* x, float* out) {
  __shared__ float kept[32];
  kept[threadIdx.x] = x[threadIdx.x];
  BARRIER
  out[threadIdx.x] = kept[31 - threadIdx.x];
}"""


def test_a_race_shows_in_some_order_of_threads():
    x = np.arange(1, 33, dtype=np.float32)
    seen = set()
    for barrier, orders in (("__syncthreads();", (0, 1, 2, 3)), ("", (0, 1, 2, 3))):
        for order in orders:
            out = np.zeros(32, np.float32)
            kernel(RACE.replace("BARRIER", barrier))((1,), (32,), (x, out), schedule=order)
            if barrier:
                assert (out == x[::-1]).all()
            else:
                seen.add(bool((out == x[::-1]).all()))
    assert False in seen


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("if (threadIdx.x < 5) __syncthreads();", "barrier|syncthreads"),
        ("if (threadIdx.x < 5) return; __syncthreads();", "exit|barrier|syncthreads"),
        ("if (threadIdx.x < 5) return; x[0] = __shfl_sync(0xffffffffu, 1, 0);", "shfl|shuffle|lane|exit"),
    ],
    ids=["a barrier under a condition", "an exit before a barrier", "a shuffle with lanes that are gone"],
)
def test_what_a_device_would_hang_on_is_an_error(body, says):
    with pytest.raises(DeviceError, match=f"(?i)k: .*({says})"):
        kernel(f'extern "C" __global__ void k(float* x) {{ {body} }}')((1,), (32,), (np.zeros(1, np.float32),))


@pytest.mark.parametrize("block", [(2048,), (32, 64)])
def test_a_block_that_no_device_takes_is_an_error(block):
    with pytest.raises(DeviceError):
        kernel('extern "C" __global__ void k(float* x) {}')((1,), block, (np.zeros(1, np.float32),))


def test_an_argument_without_a_size_is_refused():
    with pytest.raises(TypeError, match="give a NumPy scalar, not 2.5"):
        kernel('extern "C" __global__ void k(float x) {}')((1,), (1,), (2.5,))


def test_a_source_that_does_not_compile_says_where():
    with pytest.raises(compiler.CompileError, match=r"kernel.cu:1.*nothing"):
        compiler.module('extern "C" __global__ void k(float* x) { x[0] = nothing; }')


# ---------------------------------------------------------------------------- under CuPy


def _cupy():
    import cupy

    return cupy


def test_a_write_behind_an_array_is_found():
    cupy = _cupy()
    k = cupy.RawKernel('extern "C" __global__ void k(float* x, int n) { x[n] = 1; }', "k")
    x = cupy.zeros(10, "f")
    k((1,), (1,), (x, np.int32(9)))
    memory.check()
    k((1,), (1,), (x, np.int32(10)))
    with pytest.raises(DeviceError, match=r"a write past the end of allocations of \[40\] bytes"):
        memory.check()
    del x  # and it is remembered when the memory is given back
    with pytest.raises(DeviceError):
        memory.check()


def test_memory_that_nobody_wrote_is_no_number():
    assert np.isnan(_cupy().asnumpy(_cupy().empty(5, "f"))).all()


def test_errors_of_a_launch_reach_the_caller():
    cupy = _cupy()
    k = cupy.RawKernel(
        'extern "C" __global__ void k(float* x) { if (threadIdx.x) __syncthreads(); }  // tinygrad_zth', "k"
    )
    with pytest.raises(DeviceError, match="k: "):
        k((1,), (32,), (cupy.zeros(1, "f"),))
    with pytest.raises(cupy.cuda.compiler.CompileException, match="nothing"):
        cupy.RawKernel('extern "C" __global__ void k(float* x) { nothing; }', "k")((1,), (1,), (cupy.zeros(1, "f"),))


def test_calls_are_counted_and_logged():
    cupy = _cupy()
    x = cupy.ones(3, "f")
    x + x
    with device.counted() as seen:
        y = x + x
        y.get()
        cupy.asarray(np.ones(3, "f"))
    assert seen["launch"] == 1 and seen["copyD2H"] == 1 and seen["copyH2D"] == 1 and seen["streamSynchronize"] >= 1
    device.log = []
    x @ cupy.ones((3, 2), "f")
    kinds = [call[0] for call in device.log]
    device.log = None
    assert "gemm" in kinds or "gemv" in kinds or "launch" in kinds


def test_memory_is_bounded_and_devices_are_apart():
    cupy = _cupy()
    before = device.used[0], device.used[1]
    with cupy.cuda.Device(1):
        x = cupy.zeros(1000, "f")
    assert device.used[1] >= before[1] + 4000 and device.used[0] == before[0] and x.device.id == 1
    with device.bounded_memory(1000), pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="out of memory"):
        cupy.zeros(1000, "f")
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="cudaErrorInvalidDevice"):
        cupy.cuda.Device(device.PRESENT).use()


def test_products_are_cublas_calls():
    cupy = _cupy()
    rng = np.random.default_rng(0)
    for dtype, tolerance in (("f", 1e-6), ("d", 1e-14), ("e", 1e-2)):
        a, b = rng.standard_normal((5, 7)).astype(dtype), rng.standard_normal((7, 4)).astype(dtype)
        np.testing.assert_allclose(
            cupy.asnumpy(cupy.asarray(a) @ cupy.asarray(b)), a @ b, rtol=tolerance, atol=tolerance
        )
        wide = np.stack([a, 2 * a])
        found = cupy.asnumpy(cupy.matmul(cupy.asarray(wide), cupy.asarray(np.stack([b, b]))))
        np.testing.assert_allclose(found, np.matmul(wide, b), rtol=tolerance, atol=4 * tolerance)


def test_what_the_device_lacks_says_so():
    cupy = _cupy()
    with pytest.raises((NotImplementedError, RuntimeError)):
        cupy.sort(cupy.asarray(np.array([3.0, 1.0], "f"))).get()


def test_threads_launch_one_after_another(only_simulated):
    """The device has one set of fibers; what two threads of Python ask of it at once would run on the same stacks."""
    source = """
    extern "C" __global__ void turn(int* x, int n) {
      for (int i = 0; i < n; i++) { __syncthreads(); if (threadIdx.x == i % blockDim.x) x[0] += 1; }
    }"""
    kernel = compiler.module(source)["turn"]
    counts = [np.zeros(1, np.int32) for _ in range(4)]

    def launch(x):
        for _ in range(20):
            kernel((1,), (64,), (x, np.int32(300)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(launch, counts))
    assert [int(x[0]) for x in counts] == [6000] * 4
