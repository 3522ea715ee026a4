"""Flat dicts of arrays to .safetensors and back."""

import io
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_zth.checkpoint import (
    TensorLeaf,
    load_safetensors,
    safetensors_metadata,
    save_safetensors,
)

pytest.importorskip("safetensors")
ROOT = Path(__file__).resolve().parents[2]

DTYPES = (
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64", ">f4", "complex64"),
)


def written(tensors, **options) -> io.BytesIO:
    stream = io.BytesIO()
    save_safetensors(tensors, stream, **options)
    stream.seek(0)
    return stream


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 3), (4,), (2, 3)])
def test_arrays_come_back_bit_equal(dtype, shape):
    raw = np.random.default_rng(0).integers(0, 2, int(np.prod(shape)) * 8, np.uint8)
    array = raw.view(bool if dtype == "bool" else dtype)[: int(np.prod(shape))].reshape(shape)
    found = load_safetensors(written({"x.weight": array}))["x.weight"]
    assert found.shape == shape and found.dtype == array.dtype.newbyteorder("=")
    assert found.tobytes() == array.astype(found.dtype).tobytes()
    found[...] = 1


def test_views_are_written_as_they_look():
    base = np.arange(24.0).reshape(4, 6)
    views = {"T": base.T, "step": base[::2, ::-1], "wide": np.broadcast_to(base[0], (3, 6))}
    found = load_safetensors(written(views))
    for name, view in views.items():
        np.testing.assert_array_equal(found[name], view, strict=True)


def test_the_types_numpy_lacks_are_widened():
    header = {
        "h": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},
        "q": {"dtype": "F8_E5M2", "shape": [1, 2], "data_offsets": [4, 6]},
    }
    text = json.dumps(header).encode()
    data = struct.pack("<HH", 0x3FC0, 0xC020) + bytes([0x3E, 0xFC])
    file = io.BytesIO(struct.pack("<Q", len(text)) + text + data)
    found = load_safetensors(file, wrap=lambda leaf: (leaf.dtype, leaf.array.tolist()))
    assert found == {
        "h": ("bfloat16", [1.5, -2.5]),
        "q": ("float8_e5m2", [[1.5, float("-inf")]]),
    }


def test_metadata_and_hooks():
    stream = written(
        {"w": "a tensor"},
        metadata={"step": "7"},
        unwrap=lambda value: TensorLeaf(np.ones(2, np.float32), "float32"),
    )
    assert load_safetensors(stream)["w"].tolist() == [1, 1]
    stream.seek(0)
    assert safetensors_metadata(stream) == {"step": "7"}
    assert safetensors_metadata(written({})) == {}


def test_equal_files_replace_the_old_atomically(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"old")
    for wrong in ({"w": [1]}, {1: np.ones(1)}, {"c": np.ones(1, complex)}, [np.ones(1)]):
        with pytest.raises(TypeError):
            save_safetensors(wrong, path)
    with pytest.raises(TypeError, match="metadata is str to str, got 'n': 1"):
        save_safetensors({}, path, metadata={"n": 1})
    assert path.read_bytes() == b"old"
    save_safetensors({"w": np.ones(1)}, path)
    assert load_safetensors(path)["w"].tolist() == [1]
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_stored_is_named():
    with pytest.raises(TypeError, match="cannot store 'a.b': .* not a dict; an .npz checkpoint"):
        save_safetensors({"a.b": {}}, io.BytesIO())
    with pytest.raises(TypeError, match="'z': safetensors has no dtype complex128"):
        save_safetensors({"z": np.ones(1, complex)}, io.BytesIO())


def test_truncated_and_foreign_files():
    content = written({"w": np.arange(100.0), "b": np.ones(3)}).getvalue()
    for length in [*range(0, 120, 7), len(content) - 1]:
        with pytest.raises(RuntimeError, match="cannot read a BytesIO"):
            load_safetensors(io.BytesIO(content[:length]))
    for wrong in (b"", b"PK\x03\x04" + bytes(50), b"\xff" * 100, struct.pack("<Q", 2) + b"[]"):
        with pytest.raises(RuntimeError, match="cannot read a BytesIO"):
            load_safetensors(io.BytesIO(wrong))
        with pytest.raises(RuntimeError, match="does not begin with a safetensors header"):
            safetensors_metadata(io.BytesIO(wrong))
    with pytest.raises(FileNotFoundError):
        load_safetensors("no such file")


def test_without_the_library_the_error_names_the_extra():
    program = """
import sys
sys.modules["safetensors"] = None
from tinygrad_zth import checkpoint
for call, arguments in (
    (checkpoint.load_safetensors, ["x"]),
    (checkpoint.save, [{}, "x.safetensors"]),
):
    try:
        call(*arguments)
    except ImportError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count("pip install 'tinygrad_zth[safetensors]'") == 2


def test_the_library_is_imported_only_when_needed():
    program = "import sys, tinygrad_zth.checkpoint; assert 'safetensors' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
