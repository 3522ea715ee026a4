"""The names of ``torch.cuda`` that scripts use, on a device: streams, events, memory, random numbers, capabilities."""

from __future__ import annotations

import pytest

import tinygrad_zth as torch


def test_devices_and_what_they_can(cuda):
    assert torch.cuda.is_available() and torch.cuda.is_initialized() and torch.cuda.device_count() >= 1
    torch.cuda.init()
    assert all(name.startswith("sm_") for name in torch.cuda.get_arch_list())
    x = torch.ones(2, device=cuda)
    with torch.cuda.device_of(x):
        assert torch.cuda.current_device() == x.device.index
    with torch.cuda.device(-1), torch.cuda.device_of(torch.ones(1)):  # as if nothing were said
        assert torch.cuda.current_device() == x.device.index
    with pytest.raises(ValueError, match="Expected a cuda device"):
        torch.cuda.get_device_name("cpu")
    assert isinstance(torch.cuda.can_device_access_peer(0, 0), bool)
    assert x.cuda().device == x.device and torch.nn.Linear(1, 1).cuda().weight.is_cuda


def test_streams_wait_for_events_and_events_tell_the_time(cuda):
    one, two = torch.cuda.Stream(), torch.cuda.Stream()
    begun, done = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begun.record(one)
    with torch.cuda.stream(one):
        y = torch.ones(3, device=cuda) * 2
    done.record(one)
    two.wait_event(done)
    two.wait_stream(one)
    done.wait(two)
    done.synchronize()
    assert done.query() and begun.elapsed_time(done) >= 0
    assert one.record_event().query() in (True, False)
    assert len({one, two, one}) == 2 and y.tolist() == [2.0] * 3


def test_memory_is_told_and_given_back(cuda):
    torch.cuda.reset_peak_memory_stats()
    x = torch.zeros(1000, device=cuda)
    free, total = torch.cuda.mem_get_info()
    assert 0 <= free <= total and x.is_cuda
    assert "bytes in use" in torch.cuda.memory_summary()
    torch.cuda.empty_cache()


def test_the_random_state_is_a_device_s_own(cuda):
    torch.cuda.manual_seed(5)
    assert torch.cuda.initial_seed() == 5
    state = torch.cuda.get_rng_state()
    assert torch.cuda.get_random_source() == "philox"  # of dropout's masks
    ones = torch.ones(64, device=cuda)
    first = torch.nn.functional.dropout(ones).tolist()
    assert torch.nn.functional.dropout(ones).tolist() != first
    torch.cuda.set_rng_state(state)
    assert torch.nn.functional.dropout(ones).tolist() == first
    with pytest.raises(RuntimeError, match="wrong size"):
        torch.cuda.set_rng_state(torch.zeros(3, dtype=torch.uint8))
    torch.cuda.seed()
    assert torch.cuda.initial_seed() != 5


def test_what_is_drawn_in_a_fork_or_twice_is_as_if_once(cuda):
    """fork_rng puts the devices' stream back, and a checkpoint that computes again drops the same numbers."""
    state = torch.cuda.get_rng_state()
    ones = torch.ones(64, device=cuda, requires_grad=True)
    with torch.random.fork_rng():
        first = torch.nn.functional.dropout(ones).tolist()
    assert torch.cuda.get_rng_state().tolist() == state.tolist()
    y = torch.utils.checkpoint.checkpoint(torch.nn.functional.dropout, ones, use_reentrant=True)
    y.sum().backward()
    assert ones.grad.tolist() == y.tolist() == first
    with torch.random.fork_rng(enabled=False):
        torch.nn.functional.dropout(ones)
    assert torch.cuda.get_rng_state().tolist() != state.tolist()


def test_the_kernels_of_attention_are_switched_by_name(cuda):
    switches = torch.backends.cuda
    with switches.sdp_kernel(enable_flash=False, enable_math=True, enable_mem_efficient=False):
        assert not switches.flash_sdp_enabled() and switches.math_sdp_enabled()
    assert switches.flash_sdp_enabled()
