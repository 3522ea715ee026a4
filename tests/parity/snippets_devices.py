"""Names about devices, on a machine without one: a switch can be read and set, what needs a GPU refuses."""

PROGRAMS = [
    "b = t.backends; [b.mps.is_built(), b.mps.is_available(), b.cuda.is_built(), b.cudnn.version(), b.cudnn.is_available()]",
    "c = t.backends.cuda; c.enable_flash_sdp(False); c.enable_mem_efficient_sdp(False); a = [c.flash_sdp_enabled(), c.mem_efficient_sdp_enabled(), c.math_sdp_enabled()]; c.enable_math_sdp(False); a.append(c.math_sdp_enabled()); c.enable_flash_sdp(True); c.enable_mem_efficient_sdp(True); c.enable_math_sdp(True); a + [c.flash_sdp_enabled()]",
    "c = t.backends.cuda\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    with c.sdp_kernel(enable_flash=False, enable_math=True, enable_mem_efficient=False):\n        a = [c.flash_sdp_enabled(), c.math_sdp_enabled(), c.mem_efficient_sdp_enabled()]\n[a, c.flash_sdp_enabled()]",
    "c = t.cuda; [c.is_available(), c.device_count(), c.is_initialized(), c.is_bf16_supported(), c.get_arch_list(), c.memory_allocated(), c.reset_peak_memory_stats() if t.__name__ != 'torch' else None, c.empty_cache()]",
    "c = t.cuda; [isinstance(kind(f), str) for f in (lambda: c.init(), lambda: c.current_device(), lambda: t.ones(1).cuda(), lambda: nn.Linear(1, 1).cuda(), lambda: t.ones(1, device='cuda'), lambda: c.mem_get_info(), lambda: c.get_device_name(), lambda: c.can_device_access_peer(0, 1), lambda: c.CUDAGraph().replay(), lambda: c.graph(None).__enter__(), lambda: t.ones(1).to('cuda:0'))]",
    "with t.cuda.device(-1):\n    a = 1\nwith t.cuda.device_of(t.ones(1)):\n    b = 2\n[a, b]",
    "t.cuda.manual_seed(5); t.cuda.manual_seed_all(6); t.cuda.seed() if t.__name__ != 'torch' else None; 1",
    "import warnings as w\nwith w.catch_warnings():\n    w.simplefilter('ignore')\n    a = t.autocast('cuda'); b = t.cuda.amp.autocast(); s = t.amp.GradScaler('cuda')\n[s.is_enabled(), s.scale(t.ones(1)), b.__class__.__name__]",
]  # fmt: skip
