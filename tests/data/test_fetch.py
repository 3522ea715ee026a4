"""Finding and downloading, against a real HTTP server on the loopback that misbehaves."""

from __future__ import annotations

import hashlib
import http.server
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import data
from data.fetch import ENV_FOLDER, ENV_OFFLINE, Source, cache_folder, fetch, write_atomically
from data.progress import progress

CONTENT = b"emma\nolivia\nava\n" * 5000
ROOT = Path(__file__).resolve().parents[2]

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Server:
    """An HTTP server in a thread; ``answer`` says how it behaves, ``hits`` counts the requests."""

    def __init__(self) -> None:
        self.hits = 0
        self.answer: Answer = send(CONTENT)
        self.stop = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.hits += 1
                outer.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/names.txt"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def hang_after(self, head: bytes) -> Answer:
        """Answers with ``head`` of the content, then says nothing more until the test is over."""

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            send(head, length=len(CONTENT))(handler)
            handler.wfile.flush()
            self.stop.wait(20)

        return answer


def send(body: bytes, *, length: int | None = None, status: int = 200) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def without_length(body: bytes) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def reset(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Half the content, then a reset of the connection (SO_LINGER 0) rather than an orderly end."""
    send(CONTENT[: len(CONTENT) // 2], length=len(CONTENT))(handler)
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def hang_up(handler: http.server.BaseHTTPRequestHandler) -> None:
    """No answer at all: the connection is closed on the request."""
    handler.connection.close()


def redirect_in_circles(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    try:
        socket.create_connection(server.server.server_address, timeout=5).close()
    except OSError as error:  # a sandbox whose loopback interface is down
        server.close()
        pytest.skip(f"127.0.0.1 cannot be reached here: {error}")
    yield server
    server.close()


@pytest.fixture
def source(server: Server) -> Source:
    return Source("names.txt", server.url, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no data folder, and the network switched on."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in (ENV_FOLDER, ENV_OFFLINE, "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return cache_folder()


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


def test_a_good_download_is_kept_and_not_repeated(server: Server, source: Source, cache: Path):
    assert fetch(source) == CONTENT
    assert left_in(cache) == ["names.txt"]
    assert fetch(source) == CONTENT
    assert server.hits == 1


def test_a_download_without_a_length_is_good_too(server: Server, source: Source, cache: Path):
    server.answer = without_length(CONTENT)
    assert fetch(source) == CONTENT
    assert left_in(cache) == ["names.txt"]


ALTERED = CONTENT.replace(b"ava", b"eva", 1)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (send(CONTENT[:1000], length=len(CONTENT)), "cut off after 1,000 of 80,000 bytes"),
        (without_length(CONTENT[:1000]), "cut off after 1,000 of 80,000 bytes"),
        (send(b""), "cut off after 0 of 80,000 bytes"),
        (send(ALTERED), hashlib.sha256(ALTERED).hexdigest()),
        (send(CONTENT + b"x"), "its content is another"),
        (send(b"<html>log in</html>" * 10**5), "its content is another"),
        (reset, "cut"),
        (hang_up, "cut"),
        (send(b"gone", status=404), "answered 404"),
        (send(b"busy", status=503), "answered 503"),
        (redirect_in_circles, "answered 302"),
    ],
    ids=[
        "truncated", "truncated-no-length", "empty", "altered", "longer", "a-login-page", "reset",
        "no-answer", "404", "503", "redirect-loop",
    ],
)  # fmt: skip
def test_a_bad_download_says_so_and_leaves_nothing(
    server: Server, source: Source, cache: Path, answer: Answer, says: str
):
    server.answer = answer
    with pytest.raises(data.DownloadError) as caught:
        fetch(source)
    assert says in str(caught.value)
    assert server.url in str(caught.value)
    assert not isinstance(caught.value, data.NoNetworkError)
    assert left_in(cache) == []
    server.answer = send(CONTENT)
    assert fetch(source) == CONTENT


@pytest.mark.parametrize("sent", [0, 1000])
def test_a_silent_server_is_given_up_after_the_timeout(server: Server, source: Source, cache: Path, sent: int):
    server.answer = server.hang_after(CONTENT[:sent])
    start = time.perf_counter()
    with pytest.raises(data.DownloadError, match=r"silent for 0\.3 s"):
        fetch(source, timeout=0.3)
    assert time.perf_counter() - start < 10
    assert left_in(cache) == []


def test_no_more_than_the_expected_size_is_read(server: Server, source: Source, cache: Path):
    received = 0

    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        nonlocal received
        handler.send_response(200)
        handler.end_headers()
        try:
            while not server.stop.is_set() and received < 2**28:
                received += handler.wfile.write(CONTENT)
        except OSError:
            pass

    server.answer = endless
    with pytest.raises(data.DownloadError, match="another"):
        fetch(source)
    assert received < 2**28
    assert left_in(cache) == []


def test_an_interrupted_download_leaves_nothing(
    server: Server, source: Source, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("data.fetch.os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(source)
    assert left_in(cache) == []


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "deep" / "file"
    write_atomically(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("data.fetch.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert left_in(path.parent) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_the_umask_says_who_may_read_what_is_written(tmp_path: Path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", b"content")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_a_killed_download_leaves_nothing(server: Server, source: Source, cache: Path):
    server.answer = server.hang_after(CONTENT[:1000])
    code = (
        "import sys; from data.fetch import Source, fetch;"
        "fetch(Source(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))"
    )
    args = [source.filename, source.url, source.sha256, str(source.size)]
    child = subprocess.Popen([sys.executable, "-c", code, *args], cwd=ROOT)
    deadline = time.monotonic() + 20
    while server.hits == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert server.hits == 1
    assert left_in(cache) == []


def test_the_data_folder_comes_first(server, source, cache, tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "names.txt").write_bytes(CONTENT)
    monkeypatch.setenv(ENV_FOLDER, str(folder))
    assert fetch(source) == CONTENT
    assert server.hits == 0
    assert left_in(cache) == []


def test_another_file_in_the_data_folder_is_refused(server, source, tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "names.txt").write_bytes(ALTERED)
    monkeypatch.setenv(ENV_FOLDER, str(folder))
    with pytest.raises(data.ChecksumError) as caught:
        fetch(source)
    for part in (source.sha256, hashlib.sha256(ALTERED).hexdigest(), str(folder / "names.txt")):
        assert part in str(caught.value)
    assert (folder / "names.txt").read_bytes() == ALTERED
    assert server.hits == 0


def test_a_data_folder_without_the_file_is_passed_over(server, source, tmp_path, monkeypatch):
    monkeypatch.setenv(ENV_FOLDER, str(tmp_path / "nowhere"))
    assert fetch(source) == CONTENT
    assert server.hits == 1


def test_a_damaged_file_in_the_cache_is_fetched_again(server, source, cache, capsys):
    cache.mkdir(parents=True)
    (cache / "names.txt").write_bytes(CONTENT[:-1])
    assert fetch(source) == CONTENT
    assert (cache / "names.txt").read_bytes() == CONTENT
    assert "damaged" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_done_without(server, source, cache, capsys):
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file where the folder should be")
    assert fetch(source) == CONTENT
    assert "could not be kept" in capsys.readouterr().err


def closed_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/names.txt"


@pytest.mark.parametrize("how", ["nobody listens", "no such host", "switched off"])
def test_without_a_network_the_built_in_data_is_used(how, monkeypatch, capsys):
    url = closed_port()
    if how == "no such host":
        url = "http://no-such-host.invalid/names.txt"
    elif how == "switched off":
        monkeypatch.setenv(ENV_OFFLINE, "1")
    names = data.names(url=url, timeout=2)
    assert len(names) >= 2000
    assert names[:2] == ["james", "john"]
    (line,) = capsys.readouterr().err.splitlines()
    assert "names.txt" in line and f"{len(names):,} built-in given names" in line
    text = data.tiny_shakespeare(url=url, timeout=2)
    assert len(text) > 400_000
    (line,) = capsys.readouterr().err.splitlines()
    assert "tinyshakespeare.txt" in line and f"{len(text):,} characters" in line
    for call in (data.names, data.tiny_shakespeare):
        with pytest.raises(data.NoNetworkError):
            call(url=url, timeout=2, fallback=False)


def test_a_bad_download_is_an_error_even_with_a_fallback(server, cache):
    server.answer = send(ALTERED)
    for call in (data.names, data.tiny_shakespeare):
        with pytest.raises(data.DownloadError):
            call(url=server.url)
    assert left_in(cache) == []


@pytest.mark.parametrize("kind", ["names", "shakespeare"])
def test_the_real_texts_come_through_a_download(kind, server, cache, request):
    expected = request.getfixturevalue(f"real_{kind}")
    body = expected if isinstance(expected, str) else "\n".join(expected)
    server.answer = send(body.encode("ascii"))
    call = data.names if kind == "names" else data.tiny_shakespeare
    assert call(url=server.url) == expected
    assert len(left_in(cache)) == 1
    assert call(url=closed_port(), fallback=False) == expected  # from the cache


@pytest.mark.parametrize("library", ["tqdm", "plain"])
def test_progress_on_a_terminal(library, monkeypatch, capsys):
    if library == "tqdm":
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress("names.txt", 1000) as advance:
        advance(400)
        advance(600)
    shown = capsys.readouterr().err
    assert "names.txt" in shown and "100%" in shown


def test_progress_in_a_pipe_is_one_line(capsys):
    with progress("names.txt", 1000) as advance:
        advance(1000)
    assert capsys.readouterr().err.splitlines() == ["data: downloading names.txt (1,000 bytes)"]


def test_the_cache_folder_follows_the_system(monkeypatch, tmp_path):
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    monkeypatch.setattr(sys, "platform", "win32")
    assert cache_folder() == tmp_path / "local" / "tinygrad_zth"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder().parts[-3:] == ("Library", "Caches", "tinygrad_zth")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "tinygrad_zth"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path(os.path.expanduser("~")) / ".cache" / "tinygrad_zth"
