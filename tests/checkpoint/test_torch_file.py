"""Files of torch.save without torch: one that PyTorch 2.13 wrote, hostile ones, damaged ones.

tests/parity/test_torch_file_parity.py reads what PyTorch itself writes, in every dtype.
"""

import io
import pickle
import re
import struct
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np
import pytest

from tinygrad_zth import checkpoint, dtypes
from tinygrad_zth.checkpoint import load_torch
from tinygrad_zth.device import device
from tinygrad_zth.tensor import Size

FIXTURE = Path(__file__).resolve().parents[1] / "golden" / "torch_save.pt"


# -- a file that PyTorch wrote ---------------------------------------------------------


def test_the_fixture_is_read():
    found = load_torch(FIXTURE)
    model = found["model"]
    assert type(model) is OrderedDict
    assert {name: (a.shape, a.dtype.name) for name, a in model.items()} == {
        "0.weight": ((2, 3), "float32"),
        "0.bias": ((2,), "float32"),
        "1.weight": ((2,), "float32"),
        "1.bias": ((2,), "float32"),
        "1.running_mean": ((2,), "float32"),
        "1.running_var": ((2,), "float32"),
        "1.num_batches_tracked": ((), "int64"),
    }
    assert model._metadata["1"] == {"version": 2}
    np.testing.assert_allclose(
        model["0.weight"],
        [[0.095637, 0.20940763, -0.374712], [-0.324471, -0.12215114, 0.05467018]],
        rtol=1e-6,
    )
    assert found["optimizer"]["state"][2]["step"] == 1
    assert found["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.999)
    assert found["bfloat16"].tolist() == [1.0, -2.5, 3.140625]
    assert found["bool"].tolist() == [True, False]
    assert found["int"].tolist() == [[-(2**62)]]
    assert found["empty"].shape == (0, 3)
    assert found["scalar"].shape == () and found["scalar"] == 2.5
    assert found["size"] == (2, 3) and type(found["size"]) is Size
    assert found["dtype"] is dtypes.float16
    assert found["device"] == device("cpu")
    assert found["plain"] == (1, 2.5, "x", None, True, 2**70, b"ab", {1, 2}, 3 + 4j)


def test_views_share_memory_and_keep_their_strides():
    base, tail, turned = load_torch(FIXTURE)["views"]
    assert tail.tolist() == list(range(2, 12))
    assert turned.strides == (4, 16)
    base[5] = 50
    assert tail[3] == 50 and turned[1, 1] == 50


def test_wrap_sees_what_each_tensor_was():
    found = load_torch(FIXTURE, wrap=lambda leaf: leaf)
    kinds = {"parameter": ("float32", True, True), "bfloat16": ("bfloat16", False, False)}
    for key, expected in kinds.items():
        leaf = found[key]
        assert (leaf.dtype, leaf.requires_grad, leaf.parameter) == expected
        assert leaf.device == "cpu"


def test_load_knows_the_format_by_its_content():
    assert checkpoint.load(io.BytesIO(FIXTURE.read_bytes())).keys() == load_torch(FIXTURE).keys()


def test_truncated_files_are_refused_at_every_length():
    content = FIXTURE.read_bytes()
    for length in [*range(0, 200, 13), *range(200, len(content), 211), len(content) - 1]:
        for load in (load_torch, checkpoint.load):
            with pytest.raises(RuntimeError, match="cannot read a BytesIO"):
                load(io.BytesIO(content[:length]))


def test_damaged_bytes_are_found():
    content = bytearray(FIXTURE.read_bytes())
    content[content.index(np.float32(0.0956370).tobytes()[1:]) + 1] ^= 1
    with pytest.raises(RuntimeError, match=r"damaged.*Bad CRC-32"):
        load_torch(io.BytesIO(content))


# -- files made by hand ----------------------------------------------------------------


def torch_zip(program: bytes, storages=None, byteorder=b"little") -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        if byteorder is not None:
            archive.writestr("archive/byteorder", byteorder)
        for key, content in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", content)
    stream.seek(0)
    return stream


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def dumped(value) -> bytes:
    """The instructions that push a plain value, without the frame around them."""
    return pickle.dumps(value, 2)[2:-1]


def tensor_program(size, stride, offset=0, kind="FloatStorage", numel=6, key="0") -> bytes:
    storage = b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n"
    storage += text(key) + text("cpu") + dumped(numel) + b"tQ"
    window = dumped(offset) + dumped(size) + dumped(stride)
    tail = b"\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + window + tail + b"."


SIX = np.arange(6, dtype="<f4").tobytes()


def test_the_maker_of_files_makes_readable_ones():
    found = load_torch(torch_zip(tensor_program((2, 2), (3, 1), 1), {"0": SIX}))
    assert found.tolist() == [[1, 2], [4, 5]]
    found[...] = 0  # writable


def test_big_endian_files():
    swapped = np.arange(6, dtype=">f4").tobytes()
    for order, content in ((b"big", swapped), (None, SIX)):
        found = load_torch(torch_zip(tensor_program((6,), (1,)), {"0": content}, order))
        assert found.tolist() == [0, 1, 2, 3, 4, 5] and found.dtype.isnative
    half = np.array([0x3FC0, 0xC020], ">u2").tobytes()
    program = tensor_program((2,), (1,), kind="BFloat16Storage", numel=2)
    assert load_torch(torch_zip(program, {"0": half}, b"big")).tolist() == [1.5, -2.5]
    with pytest.raises(RuntimeError, match="unknown byte order b'middle'"):
        load_torch(torch_zip(tensor_program((6,), (1,)), {"0": SIX}, b"middle"))


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (((7,), (1,)), "does not fit"),
        (((6,), (1,), 1), "does not fit"),
        (((2, 3), (4, 1)), "does not fit"),
        (((2**62, 2), (2**62, 1)), "does not fit"),
        (((1,), (1,), 2**80), "does not fit"),
    ],
)
def test_windows_stay_inside_their_storage(window, message):
    with pytest.raises(RuntimeError, match=message):
        load_torch(torch_zip(tensor_program(*window), {"0": SIX}))


@pytest.mark.parametrize("window", [((2,), (-1,), 3), ((2,), (1,), -1), ((2, 1), (1,)), ((2.0,), (1,)), ([2], [1])])
def test_malformed_windows(window):
    with pytest.raises(pickle.UnpicklingError, match="malformed tensor window"):
        load_torch(torch_zip(tensor_program(*window), {"0": SIX}))


def test_empty_tensors_may_start_behind_their_storage():
    assert load_torch(torch_zip(tensor_program((0, 3), (3, 1), 9), {"0": SIX})).shape == (0, 3)


def test_storages_that_are_missing_or_of_another_size():
    with pytest.raises(RuntimeError, match="'archive/data/0' is missing"):
        load_torch(torch_zip(tensor_program((6,), (1,))))
    with pytest.raises(RuntimeError, match="'archive/data/0' has 20 bytes, not those of 6 float32"):
        load_torch(torch_zip(tensor_program((6,), (1,)), {"0": SIX[:20]}))


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_in_every_pickle_protocol(protocol):
    value = {
        "list": [1, -1, 300, 70000, 2**40, -(2**70), 1.5, "é\ud800", None, True, False],
        "nested": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}, [[]]),
        "ordered": OrderedDict([("b", 1), ("a", 2)]),
        "counter": Counter("aab"),
        3: {(1, "x"): {4, 5}},
        "same": [shared := [1], shared],
        "bytes": [b"", b"\x00\xff", b"x" * 300],
        "complex": 1 - 2j,
    }
    if protocol < 2:  # older protocols write bytes and sets through other calls
        del value["bytes"], value["complex"], value[3]
    found = load_torch(torch_zip(pickle.dumps(value, protocol)))
    assert found == value and type(found["ordered"]) is OrderedDict
    assert type(found["counter"]) is Counter
    assert found["same"][0] is found["same"][1]


def test_older_formats_and_programs_are_told_apart(tmp_path):
    for load in (load_torch, checkpoint.load):
        with pytest.raises(pickle.UnpicklingError, match=r"before PyTorch 1\.6"):
            load(io.BytesIO(pickle.dumps(0x1950A86A20F9469CFC6C, 2)))
    stream = torch_zip(dumped([]) + b".")
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("archive/constants.pkl", b"")
    with pytest.raises(pickle.UnpicklingError, match="TorchScript"):
        load_torch(stream)
    with zipfile.ZipFile(other := io.BytesIO(), "w") as archive:
        archive.writestr("a", b"")
    with pytest.raises(RuntimeError, match=r"without data\.pkl"):
        load_torch(other)


# -- hostile files ---------------------------------------------------------------------


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Plain:
    def __init__(self):
        self.attribute = 1


def _touch(path) -> str:
    return f"open({str(path)!r}, 'w').close()"


def hostile_programs(path) -> dict[str, bytes]:
    import functools
    import operator
    import os
    import subprocess

    code = _touch(path)
    call = f"(S'{path}'\ntR".encode()
    objects = {
        "posix.system": Call(os.system, f"touch {path}"),
        "eval": Call(eval, code),
        "exec": Call(exec, code),
        "subprocess.Popen": Call(subprocess.Popen, ["touch", str(path)]),
        "getattr": Call(getattr, path, "touch"),
        "__import__": Call(__import__, "os"),
        "operator.attrgetter": Call(operator.attrgetter, "touch"),
        "functools.partial": functools.partial(path.touch),
        "method|getattr": Call(path.touch),
        "nested|eval": {"w": [OrderedDict(a=({"x": Call(eval, code)},))]},
        "key|eval": {Call(eval, code): 1},
        "the NumPy dtype": np.array([Call(eval, code)], object),
        "records|the NumPy dtype": np.zeros(2, "f4, i8"),
        "numpy._core.numeric._frombuffer": Call(
            np.asarray([1]).__reduce_ex__(5)[0], bytearray(8), np.dtype("i8"), (1,), "C"
        ),
        "Plain": Plain(),
        "class|Plain": Plain,
    }
    programs = {name: pickle.dumps(value, 4) for name, value in objects.items()}
    programs["old protocol|_reconstructor"] = pickle.dumps(Plain(), 0)
    for name in (
        *("torch.load", "torch.storage._load_from_bytes", "torch._utils._rebuild_qtensor"),
        *("torch.hub.load", "numpy.load", "collections.defaultdict", "torch.complex64"),
        *("collections.OrderedDict.__init__", "torch._utils.__builtins__", "torch.nn.Linear"),
    ):
        module, _, attribute = name.rpartition(".")
        if name.startswith("collections.Ordered"):
            module, attribute = "collections", "OrderedDict.__init__"
        programs[re.escape(name)] = f"c{module}\n{attribute}\n".encode() + call + b"."
    stack_global = b"\x80\x04" + b"\x8c\x05posix\x8c\x06system\x93" + call + b"."
    programs["posix.system "] = stack_global
    programs["INST"] = f"(S'{path}'\nios\nmkdir\n.".encode()
    programs["OBJ"] = b"(ccollections\nOrderedDict\no."
    programs["NEWOBJ"] = b"\x80\x02ccollections\nOrderedDict\n)\x81."
    programs["NEWOBJ_EX"] = b"\x80\x04ccollections\nOrderedDict\n)}\x92."
    programs["EXT1"] = b"\x80\x02\x82\x01)R."
    programs["PERSID"] = b"Pposix\n."
    programs["NEXT_BUFFER"] = b"\x80\x05\x97."
    programs["attributes of a dict"] = b"\x80\x02}}" + text("x") + b"K\x01sb."
    ordered = b"\x80\x02ccollections\nOrderedDict\n)R"
    programs["attributes of a OrderedDict"] = ordered + dumped({"__class__": 1}) + b"b."
    programs["attributes of a OrderedDict "] = ordered + dumped((None, {"keys": 1})) + b"b."
    programs["attributes of a Symbol"] = b"\x80\x02ctorch\nSize\n" + dumped({"build": 1}) + b"b."
    programs["to call torch.FloatStorage"] = b"\x80\x02ctorch\nFloatStorage\n)R."
    programs["to call a dtype"] = b"\x80\x02ctorch\nfloat32\n)R."
    programs["'torch.Size' as a value"] = b"\x80\x02]ctorch\nSize\na."
    programs["'torch.Size' as a value "] = b"\x80\x02}K\x01ctorch\nSize\n\x85s."
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
    programs["bare storage"] = b"\x80\x02" + storage + b"K\x06tQ."
    return programs


# The names alone, for the parametrisation; the programs need a path of the test's.
HOSTILE = list(hostile_programs(Path("x")))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused_by_name_and_do_not_run(name, tmp_path):
    path = tmp_path / "ran"
    program = hostile_programs(path)[name]
    for load in (load_torch, checkpoint.load):
        with pytest.raises(pickle.UnpicklingError, match="refused.*" + name.split("|")[-1].strip()):
            load(torch_zip(program, {"0": SIX}))
    assert list(tmp_path.iterdir()) == []


def test_the_hostile_pickles_would_run_in_pythons_own_reader(tmp_path):
    # Else the test above proved nothing.
    for number, name in enumerate(["posix.system", "eval", "exec", "nested|eval", "INST"]):
        path = tmp_path / str(number)
        pickle.loads(hostile_programs(path)[name])
        assert path.exists(), name


KIND = b"cnumpy\ndtype\n" + dumped(("f4", False, True)) + b"R"
DTYPE = b"\x80\x02" + KIND
ARRAY = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + dumped((0,)) + dumped(b"b") + b"\x87R"


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02K",
        b"\x80\x02a.",
        b"\x80\x02K\x01K\x02a.",
        b"\x80\x02u.",
        b"\x80\x02}K\x01u.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02(K\x01d.",
        b"\x80\x02t.",
        b"\x80\x02q\x00.",
        b"\x80\x02h\x07.",
        b"\x80\x02(.",
        b"\x80\x02((t0.",
        b"\x80\x02\x85.",
        b"\x80\x02}]K\x01s.",
        b"\x80\x02}N)R.",
        b"\x80\x02ctorch\nSize\nK\x01R.",
        b"\x80\x02ctorch\nSize\n(K\x01tR.",
        b"\x80\x02ctorch\ndevice\n" + dumped(("moon",)) + b"R.",
        b"\x80\x02ctorch\ndevice\n)R.",
        b"\x80\x02c_codecs\nencode\n" + dumped(("x", "utf-8")) + b"R.",
        b"\x80\x02c_codecs\nencode\n" + dumped(("\u1234", "latin1")) + b"R.",
        b"\x80\x02c__builtin__\nset\n" + dumped(([[]],)) + b"R.",
        b"\x80\x02c__builtin__\ncomplex\n" + dumped(("1", "2")) + b"R.",
        b"\x80\x02ccollections\nOrderedDict\n" + dumped(([[1]],)) + b"R.",
        b"\x80\x02ccollections\nOrderedDict\n" + dumped(([[[], 1]],)) + b"R.",
        b"\x80\x02ccollections\nCounter\n" + dumped((3,)) + b"R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v3\n)R.",
        b"\x80\x02ctorch._utils\n_rebuild_parameter\n" + dumped(([], True, None)) + b"R.",
        b"\x80\x02K\x01Q.",
        b"\x80\x02" + dumped(("storage", "x", "0", "cpu", 6)) + b"Q.",
        b"\x80\x02I1x\n.",
        b"\x80\x02cnumpy\nndarray\n)R.",
        b"\x80\x02cnumpy\ndtype\n)R.",
        b"\x80\x02cnumpy\ndtype\n" + dumped(("f3", False, True)) + b"R.",
        DTYPE + dumped((3, "?", None, None, None, -1, -1, 0)) + b"b.",
        DTYPE + dumped((3, "<", ("a",), None, None, -1, -1, 0)) + b"b.",
        DTYPE + b"Nb.",
        DTYPE + b".",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n" + dumped(("ndarray", (0,), "b")) + b"R.",
        ARRAY + b"Nb.",
        ARRAY + b"(" + dumped((2,)) + KIND + b"\x89" + dumped(b"abc") + b"tb.",
        ARRAY + b"(K\x01" + dumped((2,)) + KIND + b"\x89" + dumped(b"abc") + b"tb.",
        ARRAY + b"(K\x01" + dumped((-2,)) + KIND + b"\x89" + dumped(b"") + b"tb.",
        ARRAY + b"(K\x01" + dumped((2**80,)) + KIND + b"\x89" + dumped(b"") + b"tb.",
        b"\x80\x02cnumpy.core.multiarray\nscalar\n" + KIND + dumped(b"abc") + b"\x86R.",
        b"\xff.",
    ],
)
def test_malformed_pickles_are_clear_errors(program):
    with pytest.raises(pickle.UnpicklingError, match="cannot read a BytesIO: (malformed|refused|unk)"):
        load_torch(torch_zip(program))


def test_deeply_nested_pickles_neither_recurse_nor_crash():
    depth = 100_000
    found = load_torch(torch_zip(b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."))
    for _ in range(depth - 1):
        (found,) = found
    assert found == []
    as_key = b"\x80\x02})" + b"\x85" * depth + b"K\x01s."
    with pytest.raises(pickle.UnpicklingError, match="dict key"):
        load_torch(torch_zip(as_key))
