"""Finds a text that is known by its SHA-256, or downloads it.

The order: the folder that ``$TINYGRAD_ZTH_DATA`` names, the user's cache, the network. Whatever is
used has been checked against the hash, and nothing that fails the check is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import secrets
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from .progress import progress

ENV_FOLDER = "TINYGRAD_ZTH_DATA"
ENV_OFFLINE = "TINYGRAD_ZTH_OFFLINE"
CHUNK = 1 << 16


class ChecksumError(ValueError):
    """A file that the user put in place is not the one its name promises."""


class DownloadError(OSError):
    """A download failed, or brought another content; nothing of it was kept."""


class NoNetworkError(DownloadError):
    """The server could not be reached at all."""


@dataclass(frozen=True)
class Source:
    """A file known by its content: its name, canonical address, SHA-256 (hex) and size in bytes."""

    filename: str
    url: str
    sha256: str
    size: int


def say(text: str) -> None:
    """One line to the user, beside the program's output."""
    print(f"data: {text}", file=sys.stderr, flush=True)


def cache_folder() -> Path:
    """The folder of this user's cache, by the custom of the operating system; it need not exist."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tinygrad_zth"


def fetch(source: Source, *, url: str | None = None, timeout: float = 20.0) -> bytes:
    """The bytes of ``source``, from the first place that has them.

    Args:
        source: what is wanted.
        url: another address to download from; the content must be the same.
        timeout: seconds that the server may stay silent.

    Raises:
        ChecksumError: the file in ``$TINYGRAD_ZTH_DATA`` is another one. It is left as it is.
        NoNetworkError: it has to be downloaded and the server cannot be reached.
        DownloadError: the download failed otherwise; nothing was kept.
    """
    given = os.environ.get(ENV_FOLDER)
    if given and (path := Path(given) / source.filename).is_file():
        content = path.read_bytes()
        if (found := _sha256(content)) != source.sha256:
            raise ChecksumError(
                f"{path} (from ${ENV_FOLDER}) is not the {source.filename} that is expected: its "
                f"SHA-256 is {found}, expected {source.sha256}; remove or replace it"
            )
        return content
    cached = cache_folder() / source.filename
    if cached.is_file():
        content = cached.read_bytes()
        if _sha256(content) == source.sha256:
            return content
        say(f"{cached} is damaged, fetching it again")
    content = download(source, url=url, timeout=timeout)
    try:
        write_atomically(cached, content)
    except OSError as error:
        say(f"{source.filename} could not be kept in the cache ({error}); using it without")
    return content


def download(source: Source, *, url: str | None = None, timeout: float = 20.0) -> bytes:
    """Downloads ``source`` into memory and checks it. Arguments and errors as in :func:`fetch`."""
    url = url or source.url
    if os.environ.get(ENV_OFFLINE, "0") not in ("", "0"):
        raise NoNetworkError(f"{ENV_OFFLINE} is set")
    try:
        content = _read_all(source, url, timeout)
    except urllib.error.HTTPError as error:
        error.close()
        raise _failed(source, url, f"the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:  # raised while connecting, before any answer
        raise NoNetworkError(f"{url} cannot be reached: {error.reason}") from error
    except TimeoutError as error:
        raise _failed(source, url, f"the server was silent for {timeout:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        why = f"the connection was cut ({type(error).__name__}: {error})"
        raise _failed(source, url, why) from error
    if len(content) < source.size:
        why = f"it was cut off after {len(content):,} of {source.size:,} bytes"
        raise _failed(source, url, why)
    if (found := _sha256(content)) != source.sha256:
        why = f"its content is another: SHA-256 {found}, expected {source.sha256}"
        raise _failed(source, url, why)
    return content


def write_atomically(path: Path, content: bytes) -> None:
    """Writes ``content`` so that ``path`` has either all of it or what it had before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:  # as any new file is made: the umask says who may read it
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _read_all(source: Source, url: str, timeout: float) -> bytes:
    # No more than the size that is expected is ever read: one byte past it settles the matter.
    request = urllib.request.Request(url, headers={"User-Agent": "tinygrad_zth"})
    content = bytearray()
    with (
        urllib.request.urlopen(request, timeout=timeout) as response,
        progress(source.filename, source.size) as advance,
    ):
        while chunk := response.read(min(CHUNK, source.size + 1 - len(content))):
            content += chunk
            advance(len(chunk))
    return bytes(content)


def _failed(source: Source, url: str, why: str) -> DownloadError:
    return DownloadError(
        f"downloading {source.filename} from {url} failed: {why}. Nothing was kept. Try again, or "
        f"put the file into a folder and name it in ${ENV_FOLDER}, or set {ENV_OFFLINE}=1 to go on "
        f"with what is built in"
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
