"""What is deliberately left out, and what a user who asks for it is told.

``tinygrad_zth.<name>`` raises AttributeError with the reason, so that ``hasattr`` still answers; so do
Tensor's methods. ``docs/parity.md`` lists the groups.
"""

from __future__ import annotations

import re

__all__ = ["GROUPS", "explanation"]

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
    "TorchScript and export": ("a model here is the Python that defines it", r"jit|export|fx|package|onnx|_dynamo|hub"),
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
