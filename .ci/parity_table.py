"""Writes docs/parity.md: for every public name of PyTorch in scope, whether it is the same here.

"Same" is claimed only of names that a test in ``tests/parity`` or ``tests/golden`` compares with PyTorch: as the key of a
table's row, as an attribute that is called, or as a name in a list that is run through. What is there and compared
nowhere is listed apart. Needs torch. ``--check`` only compares (exit 1 if the page is not current).
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

import tinygrad_zth as zth  # noqa: E402
from tests.parity import (  # noqa: E402
    table_activations,
    table_elementwise,
    table_images,
    table_layers,
    table_linear,
    table_losses,
    table_norms,
    table_reductions,
    table_shapes,
)
from tests.parity.differences import DIFFERENCES  # noqa: E402
from tinygrad_zth.absent import GROUPS, explanation  # noqa: E402

TABLES = (
    table_activations, table_elementwise, table_images, table_layers, table_linear, table_losses, table_norms,
    table_reductions, table_shapes,
)  # fmt: skip
TARGET = ROOT / "docs" / "parity.md"
NAMESPACES = (
    "torch", "torch.Tensor", "torch.nn.functional", "torch.nn", "torch.nn.init", "torch.nn.utils", "torch.optim",
    "torch.optim.lr_scheduler", "torch.linalg", "torch.special", "torch.autograd", "torch.autograd.functional", "torch.func",
    "torch.utils.data",
)  # fmt: skip
# Engine rooms of PyTorch that it shows by accident, other devices' kernels, compilers, and types of C++.
INTERNAL = re.compile(
    r"_.*|.*(cudnn|miopen|mkldnn|fbgemm|quantiz|quasirandom|philox).*|sym_.*|.*_copy|native_.*|batch_norm_.*|.*Type|.*Storage"
    r"|.*_ir|.*schema|Sym.*|.*Graph.*|Script.*|Jit.*|.*Guard|.*Key(Set)?|get_autocast_.*|set_autocast_.*|is_autocast_.*_enabled"
    r"|autocast_.*|clear_autocast_cache|(un)?safe_.*|fork|wait|init_num_threads|.*_backward|grid_sampler.*|affine_grid_generator"
    r"|[A-Z].*(Error|Exception|Logger|Dict|List|Iterator|Function|Method|Module|Object|Property|Impl|Reader|Writer|Result|Stats|Config|State|Info)"
    r"|(r?nn|lstm|gru)_.*|gru|lstm|norm_except_dim|segment_reduce|.*_compressed.*|import_.*|merge_.*|parse_.*|unify_.*|compiled_with.*"
    r"|choose_qparams.*|fused_.*|q_.*|retrieve.*|read_vitals|set_vital|vitals_enabled|prepare_.*|profiler.*|lobpcg"
    r"|(to_)?padded_tensor|to_mkldnn|reinforce|ipu|xpu|mtia|is_(ipu|maia|mtia|vulkan|distributed|mkldnn).*|record_stream|storage.*|volatile"
    r"|AliasDb|Argument.*|Block|CallStack|Capsule|Code|Compilation.*|Complete.*|Concrete.*|DeepCopy.*|.*Context|DisableTorch.*|ErrorReport"
    r"|ExecutionPlan|FileCheck|Future|Gradient|IODescriptor|LoggerBase|Node|StorageBase|Tag|ThroughputBenchmark|Use|Value|bit(s.*)?|u?int[1-7]"
    r"|float[48]_.*|from_file|thread_safe_generator|while_loop|cond|conv_tbc|get_device_module|.*_bwd|assert_int_or_pair|boolean_dispatch"
    r"|has_torch_function.*|(scaled_)?grouped_mm|scaled_mm|swap_in_.*|bisect_right|.*DataPipe|DataChunk|.*datapipe.*|(non_)?determin.*|runtime_.*"
    r"|argument_validation|factory_kwargs|Container|.*Options|kineto_.*|enforce_.*|is_view_replay.*|debug_unwrap"
    r"|name|names|grad_dtype|module_load|new|data|const_data_ptr|slice_inverse|has_(mkl|lapack|openmp|spectral|names)|hash_tensor|set_"
)


def parts(path: str):
    """The object behind a path in both libraries; None for one that is not there."""
    theirs, ours = torch, zth
    for part in path.split(".")[1:]:
        theirs, ours = getattr(theirs, part), getattr(ours, part, None)
    return theirs, ours


def public(path: str) -> list[str]:
    """The names of a namespace that its users know: functions, classes, dtypes and attributes of Tensor."""
    theirs, _ = parts(path)
    names = []
    for name in sorted(dir(theirs)):
        member = getattr(theirs, name)
        if INTERNAL.fullmatch(name) or inspect.ismodule(member):
            continue
        if path == "torch.Tensor":
            names.append(name)
            continue
        home = getattr(member, "__module__", None) or ""
        if inspect.isclass(member):
            if not (
                home == path
                or home.startswith(
                    (path + ".", "torch.nn.modules", "torch.optim", "torch.nn.parameter", "torch.autograd")
                )
                or path == "torch"
                and home in ("torch", "torch._C")
            ):
                continue
        elif isinstance(member, torch.dtype):
            pass
        elif not callable(member) or home.startswith(
            ("typing", "collections", "contextlib", "functools", "importlib", "glob", "os")
        ):
            continue
        elif path == "torch" and not (member.__doc__ or "").strip():
            continue
        elif (
            path != "torch"
            and inspect.isfunction(member)
            and not home.startswith(
                (
                    "torch.nn",
                    "torch.optim",
                    "torch.utils",
                    "torch.autograd",
                    "torch._functorch",
                    "torch.functional",
                    "torch._C",
                    "torch.func",
                    "torch._jit_internal",
                )
            )
        ):
            continue
        names.append(name)
    return names


def compared() -> set[str]:
    """The names that tests against PyTorch (or its recorded numbers) use."""
    found: set[str] = set()
    for folder in ("parity", "golden"):
        for file in sorted((ROOT / "tests" / folder).glob("*.py")):
            if file.stem == "differences":
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute):
                    found.add(node.attr)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 2000:
                    found.update(
                        re.findall(r"[A-Za-z_]\w*", node.value) if " " not in node.value or "t." in node.value else ()
                    )
    for file in sorted((ROOT / "tests" / "programs").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
    for module in TABLES:
        for table in vars(module).values():
            if isinstance(table, dict):
                found.update(part for key in table if isinstance(key, str) for part in re.findall(r"[A-Za-z_]\w*", key))
    found |= {name.removesuffix("_") for name in found}
    return found


def state(path: str, name: str, seen: set[str]) -> tuple[str, str]:
    """("same" | "differs" | "present" | "absent", how)."""
    _, ours = parts(path)
    how = DIFFERENCES.get(f"{path.removeprefix('torch.') if path == 'torch.Tensor' else path}.{name}")
    how = how or (DIFFERENCES.get(f"torch.{name}") if path == "torch.Tensor" else None)
    if ours is None or not hasattr(ours, name):
        return "absent", ""
    if how:
        return "differs", how
    base = name[:-1] if name.endswith("_") and not name.endswith("__") else name
    return ("same" if name in seen or base in seen else "present"), ""


def listed(names: list[str]) -> str:
    return " ".join(f"`{n}`" for n in names) or "none"


def page() -> str:
    """The whole of docs/parity.md."""
    seen = compared()
    rows, sections = [], []
    for path in NAMESPACES:
        by_state: dict[str, list] = {"same": [], "differs": [], "present": [], "absent": []}
        for name in public(path):
            if explanation(name) and not hasattr(parts(path)[1] or object(), name):
                continue  # left out on purpose: listed once, below
            what, how = state(path, name, seen)
            by_state[what].append((name, how))
        counts = {k: len(v) for k, v in by_state.items()}
        rows.append(f"| `{path}` | {counts['same']} | {counts['differs']} | {counts['present']} | {counts['absent']} |")
        text = [f"## {path}\n", f"Same, compared with PyTorch by tests: {listed([n for n, _ in by_state['same']])}\n"]
        if by_state["differs"]:
            text.append(
                "| Differs | How |\n|---|---|\n" + "".join(f"| `{n}` | {how} |\n" for n, how in by_state["differs"])
            )
        if by_state["present"]:
            text.append(
                f"There, compared by no test of `tests/parity`: {listed([n for n, _ in by_state['present']])}\n"
            )
        text.append(f"Absent: {listed([n for n, _ in by_state['absent']])}\n")
        sections.append("\n".join(text))
    groups = "".join(f"| {subject} | {why} | `{pattern}` |\n" for subject, (why, pattern) in GROUPS.items()).replace(
        "|`", "|`"
    )
    groups = "\n".join(f"* **{subject}**: {why}." for subject, (why, _) in GROUPS.items())
    return (
        "# Name by name: this package and PyTorch\n\n"
        f"Generated by `.ci/parity_table.py` against PyTorch {torch.__version__.split('+')[0]}; do not edit. A name counts as the same\n"
        "if a test of `tests/parity` or `tests/golden` compares it: value, dtype, shape, gradient, kind of exception, view or copy.\n\n"
        "| Namespace | same | differs | not compared | absent |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
        "## Left out on purpose\n\n"
        f"{groups}\n* **Distributed training**: one process; `torch.distributed.is_available()` is False.\n\n"
        "Asking for such a name raises `AttributeError` with the reason, so that `hasattr` still answers:\n\n"
        "```python\nimport tinygrad_zth as torch\n\nassert not hasattr(torch, \"complex64\")\ntry:\n    torch.sparse_coo_tensor\n"
        "except AttributeError as error:\n    assert \"sparse tensors are not supported by tinygrad_zth\" in str(error)\n```\n\n"
        + "\n".join(sections)
    )  # fmt: skip


def main() -> int:
    """Write or check the page."""
    importlib.import_module("torch.optim.lr_scheduler")
    text = page()
    current = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    if "--check" in sys.argv:
        if text != current:
            print("docs/parity.md is not current; run python .ci/parity_table.py")
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
