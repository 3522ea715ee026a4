"""What scripts and notebooks written for PyTorch reach for beside the operations: storages, switches, decorators."""

PROGRAMS = [
    # ------------------------------------------------------------ storages
    "s = t.arange(6.0).view(2, 3)[1].storage(); [str(s), repr(s), s.tolist(), s[1], len(s), s.size(), s.nbytes(), s.element_size(), str(s.dtype), str(s.device), s.is_cuda, list(s)]",
    "s = t.arange(3).t().untyped_storage(); [str(s), s.tolist(), s[8], s[0:2].tolist(), len(s), s.nbytes(), s.size(), s.element_size(), str(s.device), s.is_cuda]",
    "x = t.zeros(2, 3); s = x.t().storage(); s[1] = 7.0; [x, s.data_ptr() == x.data_ptr(), s.untyped().tolist() == x.untyped_storage().tolist(), t.is_storage(s), t.is_storage(x.untyped_storage()), t.is_storage(x)]",
    "[str(t.zeros(0).storage()), str(t.zeros(0).untyped_storage()), len(t.tensor(1, dtype=t.int16).storage())]",
    "x = t.zeros(2, 3); y = t.zeros(2, 3); [x.untyped_storage() == x[1].untyped_storage(), x.untyped_storage() == y.untyped_storage(), x.untyped_storage() == 3]",
    "x = t.empty_strided((2, 3), (1, 2)); x.copy_(t.arange(6.0).view(2, 3)); x.storage().tolist()",
    # ------------------------------------------------------------ warnings that a script's output shows
    "warnings.simplefilter('always')\nwith warnings.catch_warnings(record=True) as w:\n    t.set_warn_always(True); x = t.tensor(2.0, requires_grad=True); a = [float(x), math.sqrt(x), complex(x), int(x), bool(x), x.item()]; n = len(w); '%.2f' % x; m = len(w)\n    with t.no_grad(): float(x)\n    float(x.detach()); t.set_warn_always(False)\n[a, n, m, len(w), [str(v.message).split(' (T')[0] for v in w[:1]], w[0].category.__name__]",
    "warnings.simplefilter('always')\nwith warnings.catch_warnings(record=True) as w:\n    b = [x.tolist() for x in t.utils.data.DataLoader(range(3), batch_size=2, pin_memory=True)]\n[b, [str(v.message) for v in w]]",
    "warnings.simplefilter('always')\nwith warnings.catch_warnings(record=True) as w:\n    nn.Hardtanh(min_value=-2, max_value=3)\n[str(v.message) for v in w]",
    # ------------------------------------------------------------ decorators and guards of code that was also compiled
    "f = t.jit.script(lambda x: x + 1) if t.__name__ != 'torch' else (lambda x: x + 1); [f(1), t.jit.is_scripting(), t.jit.is_tracing(), t.jit.annotate(list, [1])]",
    "@t.jit.ignore\ndef f(x): return x + 1\n@t.jit.ignore(drop=True)\ndef g(x): return x + 2\n@t.jit.unused\ndef h(x): return x + 3\n@t.jit.export\ndef k(x): return x + 4\n@t.jit.script_if_tracing\ndef m(x): return x + 5\n[f(1), g(1), h(1), k(1), m(1)]",
    "m = nn.Linear(2, 1).eval(); x = t.ones(3, 2); [t.equal(t.jit.trace(m, x)(x), m(x)), t.equal(t.jit.script(m)(x), m(x)), t.equal(t.jit.freeze(t.jit.script(m))(x), m(x)), t.equal(t.jit.optimize_for_inference(t.jit.script(m))(x), m(x))]",
    "[t._assert(True, 'no'), t._assert(t.tensor(1.0) > 0, 'no'), said(lambda: t._assert(t.tensor(0.0) > 1, 'too small'))]",
    # ------------------------------------------------------------ attention's kernels
    "from importlib import import_module\nA = import_module(t.__name__ + '.nn.attention'); B = A.SDPBackend; q = t.ones(1, 1, 2, 2)\nwith A.sdpa_kernel(B.MATH): a = F.scaled_dot_product_attention(q, q, q)\nwith A.sdpa_kernel([B.FLASH_ATTENTION, B.MATH], set_priority=True): b = F.scaled_dot_product_attention(q, q, q)\n[a, b, str(B.MATH), repr(B.CUDNN_ATTENTION), B.ERROR.value, int(B.OVERRIDEABLE), B.MATH == B(0), B.MATH.name, said(lambda: A.sdpa_kernel(3).__enter__()), said(lambda: A.sdpa_kernel(None).__enter__())]",
    # ------------------------------------------------------------ how modules are written and made
    "[str(nn.Hardswish(inplace=True)), str(nn.Hardsigmoid(True)), str(nn.ReLU6(True)), str(nn.SiLU(True))]",
    "[kind(lambda: nn.GaussianNLLLoss(True)), kind(lambda: nn.BatchNorm2d(2, 1e-5, 0.1, True, True, None, None, False)), kind(lambda: nn.GroupNorm(1, 2, 1e-5, True, None, None, False)), kind(lambda: nn.InstanceNorm1d(2, 1e-5, 0.1, True, True, None, None, False)), str(nn.GroupNorm(1, 2, bias=False)), nn.GaussianNLLLoss(full=True).full]",
    "[said(lambda: F.conv1d(t.ones(1, 2, 3), t.ones(n, 1, 1), groups=2)) for n in (0, 1, 3)]",
]
