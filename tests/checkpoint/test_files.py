"""The replacing of files: whole at any moment, errors that say what is wrong, streams."""

import errno
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tinygrad_zth import checkpoint
from tinygrad_zth.checkpoint import load_npz, save_npz
from tinygrad_zth.checkpoint.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import sys
import numpy as np
from tinygrad_zth.checkpoint import save_npz
save_npz({"n": 0, "w": np.zeros(1 << 18)}, sys.argv[1])
print("saved", flush=True)
n = 0
while True:
    n += 1
    save_npz({"n": n, "w": np.full(1 << 18, float(n))}, sys.argv[1])
"""


def test_kill_at_any_moment_leaves_a_whole_file(tmp_path):
    path = tmp_path / "c.npz"
    rng = np.random.default_rng(0)
    seen, interrupted = set(), 0
    for _ in range(12):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE)
        assert writer.stdout.readline() == b"saved\n"
        time.sleep(rng.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        state = load_npz(path)
        assert (state["w"] == state["n"]).all() and state["w"].shape == (1 << 18,)
        seen.add(state["n"])
        leftovers = [each for each in tmp_path.iterdir() if each != path]
        interrupted += len(leftovers)
        for each in leftovers:
            each.unlink()
    # The test saw what it is about: kills in mid-write, after differing numbers of saves.
    assert interrupted > 0
    assert len(seen) > 1


class Failure(Exception):
    pass


def test_an_error_in_mid_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "c"
    path.write_bytes(b"old")
    with pytest.raises(Failure), write_atomically(path) as stream:
        stream.write(b"half")
        raise Failure
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_seen_before_the_end(tmp_path):
    path = tmp_path / "c"
    with write_atomically(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert not path.exists()
    assert path.read_bytes() == b"new"


def test_the_content_reaches_the_disk_before_the_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), replace(a, b)))
    save_npz([1], tmp_path / "c")
    assert order == ["fsync", "replace", "fsync"]


def test_a_full_disk_is_a_clear_error(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RuntimeError, match="cannot write '.*c': No space left on device"):
        save_npz([1], tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_modes_follow_the_old_file_or_the_umask(tmp_path):
    path = tmp_path / "c"
    before = os.umask(0o027)
    try:
        save_npz([1], path)
        assert path.stat().st_mode & 0o777 == 0o640
        path.chmod(0o604)
        save_npz([2], path)
        assert path.stat().st_mode & 0o777 == 0o604
    finally:
        os.umask(before)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "c"
    link = tmp_path / "link"
    link.symlink_to(target)
    save_npz([1], link)
    save_npz([2], link)
    assert link.is_symlink() and load_npz(target) == [2]


def test_long_names_and_bytes_paths(tmp_path):
    path = tmp_path / ("é" * 125)
    save_npz([1], os.fsencode(path))
    assert load_npz(os.fsencode(path)) == [1]


def test_devices_are_written_to_not_replaced():
    save_npz([1], os.devnull)
    assert not Path(os.devnull).is_file()


def test_paths_that_cannot_be_written_or_read(tmp_path):
    with pytest.raises(RuntimeError, match="Parent directory .*nowhere does not exist"):
        save_npz([1], tmp_path / "nowhere" / "c.npz")
    with pytest.raises(RuntimeError, match="is a directory"):
        save_npz([1], tmp_path)
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        load_npz(tmp_path / "none.npz")
    for wrong in (io.StringIO(), 3, None):
        with pytest.raises(TypeError, match="expected a path or a file open for"):
            save_npz([1], wrong)
        with pytest.raises(TypeError, match="expected a path or a file open for"):
            load_npz(wrong)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere, Windows differs")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RuntimeError, match="cannot write '.*': Permission denied"):
            save_npz([1], tmp_path / "c")
    finally:
        tmp_path.chmod(0o700)


def test_an_unwritable_folder_is_a_clear_error(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("builtins.open", denied)
    with pytest.raises(RuntimeError, match="cannot write '.*c': Permission denied"):
        save_npz([1], tmp_path / "c")


def test_streams_need_not_seek(tmp_path):
    class OneWay(io.RawIOBase):
        def __init__(self, content=b""):
            self.content = io.BytesIO(content)

        def readable(self):
            return True

        def writable(self):
            return True

        def read(self, size=-1):
            return self.content.read(size)

        def write(self, data):
            return self.content.write(data)

    out = OneWay()
    save_npz({"w": np.arange(3)}, out)
    for load in (load_npz, checkpoint.load):
        assert load(OneWay(out.content.getvalue()))["w"].tolist() == [0, 1, 2]


def test_save_chooses_by_name_and_load_by_content(tmp_path):
    pytest.importorskip("safetensors")
    state = {"w": np.arange(3, dtype=np.float32)}
    for name in ("a.pt", "b.npz", "c.safetensors", "d"):
        checkpoint.save(state, tmp_path / name)
        renamed = tmp_path / "renamed"
        (tmp_path / name).rename(renamed)
        found = checkpoint.load(renamed)
        assert list(found) == ["w"] and found["w"].tolist() == [0, 1, 2]
        assert (renamed.read_bytes()[8:9] == b"{") == name.endswith(".safetensors")
    (tmp_path / "text").write_text("hello, this is no checkpoint")
    with pytest.raises(RuntimeError, match=r"cannot read '.*text': it is none of \.npz"):
        checkpoint.load(tmp_path / "text")


def test_streams_are_read_from_their_position_on():
    stream = io.BytesIO()
    stream.write(b"other things")
    save_npz([1], stream)
    stream.seek(len(b"other things"))
    assert checkpoint.load(stream) == [1]
    stream.seek(0, io.SEEK_END)
    with pytest.raises(RuntimeError, match=r"empty from position \d+ on \(seek\(0\) first\?\)"):
        checkpoint.load(stream)
    with pytest.raises(RuntimeError, match="cannot read a BytesIO: it is empty$"):
        checkpoint.load(io.BytesIO())
