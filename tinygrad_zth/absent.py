"""What is deliberately left out, and what a user who asks for it is told.

``tinygrad_zth.<name>`` raises AttributeError with the reason, so that ``hasattr`` still answers; so do
Tensor's methods. ``docs/parity.md`` lists the groups.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

__all__ = ["GROUPS", "METHODS", "Absent", "explanation"]

# Subject -> (why, the names as a pattern). A name belongs to the first group that matches all of it.
GROUPS: dict[str, tuple[str, str]] = {
    "complex numbers": (
        "tensors are real; keep real and imaginary part in two tensors",
        r"complex(32|64|128)?|cfloat|cdouble|chalf|polar|view_as_complex|view_as_real|(ccol|crow)_.*|angle"
        r"|eig|eigvals|ComplexFloat.*|ComplexDouble.*",
    ),
    "sparse tensors": (
        "tensors are strided; nn.Embedding and index_add do most of what sparse gradients are used for",
        r"sparse.*|to_sparse.*|to_dense|coalesce|indices|values|(col|row|ccol|crow)_indices.*|s?spmm|hspmm|smm|sspaddmm"
        r"|saddmm|dsmm|hsmm|sparse_mask|resize_as_sparse_",
    ),
    "Fourier transforms": ("their results are complex; numpy.fft works on tensor.numpy()", r"fft|stft|istft"),
    "quantised tensors": (
        "tensors hold the values themselves",
        r"q(u?int.*|scheme|_.*|uint.*)|(fake_)?quanti[sz].*|dequantize|int_repr|per_(tensor|channel)_.*|QU?Int.*|ao",
    ),
    "named tensors": (
        "dimensions have numbers; einsum names them where it helps",
        r"names|align_to|align_as|align_tensors|refine_names|rename_?",
    ),
    "exported models": ("a model here is the Python that defines it", r"export|fx|package|onnx|_dynamo|hub"),
    "bfloat16 tensors": (
        "NumPy has no bfloat16, and float16 is slower there than float32: autocast is accepted and casts nothing",
        r"BFloat16(Tensor|Storage)",
    ),
}


def explanation(name: str) -> str | None:
    """Why ``torch.<name>`` (or ``Tensor.<name>``) is not there; None for a name of no group."""
    for subject, (why, pattern) in GROUPS.items():
        if re.fullmatch(pattern, name):
            return f"{subject} are not supported by tinygrad_zth ({why})"
    return None


# Tensor's names among them. They are spelled out since a ``__getattr__``, which could answer for the patterns, makes
# Python take four times as long over every attribute that is there: 0.2 us of each operation.
METHODS = frozenset(
    """
    align_as align_to angle ccol_indices cdouble cfloat chalf coalesce col_indices crow_indices dequantize eig indices
    int_repr istft names q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point qscheme
    refine_names rename rename_ resize_as_sparse_ row_indices smm sparse_dim sparse_mask sparse_resize_
    sparse_resize_and_clear_ sspaddmm stft to_dense to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc
    to_sparse_csr values
    """.split()
)


class Absent:
    """A name that a class does without: whoever asks for it gets AttributeError with the reason."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        raise AttributeError(f"'{owner.__name__}' object has no attribute '{self.name}': {explanation(self.name)}")
