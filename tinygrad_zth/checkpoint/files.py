"""Opening what a caller calls a file, and replacing a file in one step."""

from __future__ import annotations

import io
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

__all__ = ["File", "corrupt", "describe", "open_to_read", "write_atomically"]

File = str | bytes | os.PathLike[Any] | IO[bytes]
"""A path, or an object with ``read`` (or ``write``) for bytes."""


def describe(file: File) -> str:
    """``file`` as error messages name it."""
    if isinstance(file, (str, bytes, os.PathLike)):
        return f"'{os.fsdecode(file)}'"
    name = getattr(file, "name", None)
    return f"'{name}'" if isinstance(name, str) else f"a {type(file).__name__}"


def corrupt(name: str, why: object) -> RuntimeError:
    """The error for a file that is not what it should be."""
    return RuntimeError(f"cannot read {name}: {why}")


@contextmanager
def open_to_read(file: File) -> Iterator[IO[bytes]]:
    """A seekable binary stream over ``file``; one the caller gave is left open.

    Raises:
        FileNotFoundError and other OSError: as ``open`` does.
        TypeError: ``file`` is neither a path nor a stream of bytes.
    """
    if isinstance(file, (str, bytes, os.PathLike)):
        with open(os.fsdecode(file), "rb") as stream:
            yield stream
        return
    if not hasattr(file, "read") or isinstance(file, io.TextIOBase):
        raise TypeError(f"expected a path or a file open for reading bytes, got {describe(file)}")
    seekable = getattr(file, "seekable", None)
    yield file if seekable is not None and seekable() else io.BytesIO(file.read())


@contextmanager
def write_atomically(file: File) -> Iterator[IO[bytes]]:
    """A binary stream whose content takes the place of ``file`` when the block ends well.

    A path is written under a temporary name in the same folder, brought to the disk, and renamed:
    whoever opens ``file``, now or after a crash at any moment, finds the old content or the new,
    whole. A block that raises leaves the old file and no temporary one; only a killed process can
    leave a ``.NAME.*.tmp`` behind. A link is followed; an existing file's mode is kept. Streams,
    and paths that are devices or pipes, are written to as they are.

    Raises:
        RuntimeError: the folder does not exist or cannot be written to, the path is a folder, the
            disk is full: the type PyTorch's writer raises.
        TypeError: ``file`` is neither a path nor a stream of bytes.
    """
    if not isinstance(file, (str, bytes, os.PathLike)):
        if not hasattr(file, "write") or isinstance(file, io.TextIOBase):
            raise TypeError(f"expected a path or a file open for writing bytes, got {describe(file)}")
        yield file
        return

    path = Path(os.path.realpath(os.fsdecode(file)))
    if not path.parent.is_dir():
        raise RuntimeError(f"Parent directory {path.parent} does not exist.")
    if path.is_dir():
        raise RuntimeError(f"cannot write '{path}': it is a directory")
    try:
        if path.exists() and not path.is_file():
            # Renaming would put a plain file where the device was, and a device cannot seek.
            content = io.BytesIO()
            yield content
            path.write_bytes(content.getvalue())
        else:
            with _replacing(path) as stream:
                yield stream
    except OSError as error:
        raise RuntimeError(f"cannot write '{path}': {error.strerror or error}") from error


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    # Cut short, for the whole name must stay below the file system's 255 bytes.
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")
    # "x" takes the mode from the umask, as any new file; tempfile would make it private.
    stream = open(temporary, "xb")
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileNotFoundError):
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Bring the renaming itself to the disk, where the system can open folders."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
