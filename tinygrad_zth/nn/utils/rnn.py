"""Sequences of several lengths as one tensor: padded, or packed without the padding.

A packed sequence holds the rows step after step, those of the longest sequence first; a recurrent
layer then computes no step that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ...ops.create import arange, as_tensor, empty_like, full
from ...tensor import Tensor, from_array

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """What ``pack_padded_sequence`` and ``pack_sequence`` return; not to be made by hand.

    Attributes:
        data: the rows, (sum of lengths, *).
        batch_sizes: int64 (T,), how many sequences go on at each step.
        sorted_indices, unsorted_indices: how the sequences were ordered by length, and back; None if
            they were ordered.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            if not (isinstance(data, list | tuple) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError("batch_sizes should always be on CPU. Make it with pack_sequence or pack_padded_sequence.")
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with ``data`` of another dtype or device; itself, if that is what it has."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        orders = [None if t is None else t.to(data.device) for t in (self.sorted_indices, self.unsorted_indices)]
        return type(self)(data, self.batch_sizes, *orders)

    def cpu(self) -> PackedSequence:
        """The same with ``data`` in the host's memory."""
        return self.to("cpu")

    def cuda(self, device: Any = "cuda") -> PackedSequence:
        """The same with ``data`` on a GPU."""
        return self.to(device)

    @property
    def is_cuda(self) -> bool:
        """Whether ``data`` is on a GPU."""
        return self.data.is_cuda


def _conversion(name: str) -> Any:
    def convert(self: PackedSequence) -> PackedSequence:
        return self.to(getattr(self.data, name)().dtype)

    convert.__name__ = name
    convert.__doc__ = f"The same with ``data.{name}()``."
    return convert


for _name in ("double", "float", "half", "long", "int", "short"):
    setattr(PackedSequence, _name, _conversion(_name))


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one; None for None."""
    if permutation is None:
        return None
    inverse = empty_like(permutation)
    inverse[permutation] = arange(permutation.numel(), dtype=permutation.dtype, device=permutation.device)
    result: Tensor | None = inverse
    return result


def _counts(lengths: Any) -> Any:
    """``lengths`` as a NumPy int64 vector, checked."""
    if isinstance(lengths, Tensor) and lengths.dim() != 1:
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.dim()}D {lengths.device} tensor"
        )
    counts = as_tensor(lengths).numpy() if isinstance(lengths, Tensor) else np.asarray([int(n) for n in lengths])
    return counts.astype(np.int64)


def _places(batch_sizes: Any) -> tuple[Tensor, Tensor]:
    """The step and the sequence of each row of a packed sequence."""
    sizes = np.asarray(batch_sizes)
    steps = np.repeat(np.arange(len(sizes)), sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return from_array(steps), from_array(np.arange(len(steps)) - np.repeat(starts, sizes))


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Iterable[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Leave the padding out: (T, B, *), or (B, T, *) with ``batch_first``, to a PackedSequence.

    Args:
        lengths: of each sequence, at least 1 and at most T; decreasing, unless ``enforce_sorted`` is
            False and they are put in that order here.

    Raises:
        RuntimeError: for lengths that are too few, not positive, too large or not in order; for an
            empty input.
    """
    counts = _counts(lengths)
    order = None
    if not enforce_sorted:
        # PyTorch's sort is not stable in name, but is for lists as short as these.
        order = np.argsort(-counts, kind="stable")
        counts = counts[order]
    if batch_first:
        input = input.transpose(0, 1)
    if input.dim() < 2:
        raise IndexError(f"pack_padded_sequence: input needs at least 2 dimensions, got {input.dim()}")
    steps, batch = input.shape[:2]
    if input.numel() == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if len(counts) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} (batch_size={batch})"
        )
    if counts.min() <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if (counts[1:] > counts[:-1]).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
            "do not need ONNX exportability."
        )
    if counts[0] > steps:
        raise RuntimeError(f"pack_padded_sequence: a length of {counts[0]} is more than the {steps} steps of the input")
    sizes = (counts[None] > np.arange(counts[0])[:, None]).sum(1)
    step, sequence = _places(sizes)
    if order is None:
        return PackedSequence(input[step, sequence], from_array(sizes))
    sequence = from_array(order)[sequence]
    return PackedSequence(input[step, sequence], from_array(sizes), from_array(order).to(input.device))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The padding put back: (T, B, *), or (B, T, *) with ``batch_first``, and the lengths (B,), in the
    order in which the sequences were before they were packed.

    Args:
        total_length: T; default, the longest length.

    Raises:
        ValueError: for a ``total_length`` below the longest length.
    """
    data, sizes = sequence.data, sequence.batch_sizes.numpy()
    longest = len(sizes)
    if total_length is not None:
        if total_length < longest:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {longest}"
            )
        longest = total_length
    batch = int(sizes[0])
    shape = (longest, batch, *data.shape[1:])
    padded = full(shape, padding_value, dtype=data.dtype, device=data.device)
    step, row = _places(sizes)
    padded[step, row] = data
    lengths = from_array((sizes[:, None] > np.arange(batch)).sum(0))
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices.cpu()]
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences (L_i, *) in one tensor (T, B, *), or (B, T, *) with ``batch_first``, T the longest L.

    Args:
        padding_side: whether the padding is to the "right" or to the "left" of a sequence.

    Raises:
        RuntimeError: for no sequences, or sizes after the first that differ.
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    sequences = tuple(sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    for s in sequences:
        if not isinstance(s, Tensor):
            raise TypeError(f"expected Tensor as element 0 in argument 0, but got {type(s).__name__}")
    first = sequences[0]
    if any(s.dim() == 0 for s in sequences):
        raise RuntimeError("pad_sequence: expected sequences of at least 1 dimension, got one of none")
    longest = max(s.shape[0] for s in sequences)
    shape = (len(sequences), longest, *first.shape[1:])
    out = full(shape, padding_value, dtype=first.dtype, device=first.device)
    for i, s in enumerate(sequences):
        n = s.shape[0]
        part = out[i, longest - n :] if padding_side == "left" else out[i, :n]
        if s.shape[1:] != part.shape[1:]:
            raise RuntimeError(
                f"pad_sequence: sequences must agree in all sizes but the first, got {list(first.shape)} and {list(s.shape)}"
            )
        part.copy_(s)
    return out if batch_first else out.transpose(0, 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The list of sequences (L_i, *) that ``pad_sequence`` padded."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [s[: int(n)] for s, n in zip(padded_sequences, lengths, strict=True)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """A list of sequences (L_i, *), packed; see ``pack_padded_sequence``."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The list of sequences that ``pack_sequence`` packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
