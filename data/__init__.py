"""The data of the lectures: find, download and verify, encode, split, batch."""

from .batches import build_dataset, get_batch
from .contexts import context_windows
from .fetch import ChecksumError, DownloadError, NoNetworkError
from .sequences import word_sequences
from .split import split_text, split_words
from .texts import names, tiny_shakespeare
from .tokenizer import CharTokenizer

__all__ = [
    "CharTokenizer",
    "ChecksumError",
    "DownloadError",
    "NoNetworkError",
    "build_dataset",
    "context_windows",
    "get_batch",
    "names",
    "split_text",
    "split_words",
    "tiny_shakespeare",
    "word_sequences",
]
