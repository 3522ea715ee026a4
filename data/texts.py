"""The two texts of the lectures, and what stands in for them where there is no network."""

from __future__ import annotations

from pathlib import Path

from .fetch import NoNetworkError, Source, fetch, say

# 32,033 given names, one a line: the data set of the makemore lectures.
NAMES = Source(
    filename="names.txt",
    url="https://raw.githubusercontent.com/karpathy/makemore/master/names.txt",
    sha256="0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
    size=228_145,
)
# 1,115,394 characters of Shakespeare's plays: the data set of the GPT lecture and of nanoGPT.
TINY_SHAKESPEARE = Source(
    filename="tinyshakespeare.txt",
    url=("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"),
    sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    size=1_115_394,
)
GIVEN_NAMES = Path(__file__).with_name("given_names.txt")


def names(*, url: str | None = None, timeout: float = 20.0, fallback: bool = True) -> list[str]:
    """The 32,033 names of makemore, lower-case a to z.

    They are looked for in ``$TINYGRAD_ZTH_DATA``, then in the user's cache, then downloaded. With
    no network they are the 5,163 given names that come with this package; a line on stderr says so.

    Args:
        url: another address to download from; the content must be the same.
        timeout: seconds that the server may stay silent.
        fallback: False raises where there is no network, rather than stand in something else.

    Raises:
        ChecksumError: the file in ``$TINYGRAD_ZTH_DATA`` has other contents.
        DownloadError: the download broke off or brought something else; nothing was kept.
        NoNetworkError: no network, and ``fallback=False``.
    """
    try:
        return fetch(NAMES, url=url, timeout=timeout).decode("ascii").splitlines()
    except NoNetworkError as error:
        if not fallback:
            raise
        given = given_names()
        say(f"no network for {NAMES.filename} ({error}): using {len(given):,} built-in given names")
        return given


def tiny_shakespeare(*, url: str | None = None, timeout: float = 20.0, fallback: bool = True) -> str:
    """The 1,115,394 characters of tinyshakespeare.

    Looked for as :func:`names` are. With no network it is Python's own reference text (some 465,000
    characters of English about Python), and one line on stderr says so. Arguments and errors as in
    :func:`names`.
    """
    try:
        return fetch(TINY_SHAKESPEARE, url=url, timeout=timeout).decode("ascii")
    except NoNetworkError as error:
        if not fallback:
            raise
        text = python_reference()
        say(
            f"no network for {TINY_SHAKESPEARE.filename} ({error}): "
            f"using Python's own reference text ({len(text):,} characters)"
        )
        return text


def given_names() -> list[str]:
    """The given names that come with this package, the more frequent first (see data/README.md)."""
    lines = GIVEN_NAMES.read_text(encoding="ascii").splitlines()
    return [line for line in lines if not line.startswith("#")]


def python_reference() -> str:
    """The text behind Python's ``help()``: the topics of the language reference, in a row."""
    from pydoc_data.topics import topics

    return "\n".join(topics.values())
