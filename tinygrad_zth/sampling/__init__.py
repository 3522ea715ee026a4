"""Distributions drawn into NumPy arrays, with the numbers PyTorch's CPU kernels draw.

The convention: a function whose name ends in ``_`` fills ``out``, an array of any strides, in place
and returns it; the element type is that of ``out``. ``generator=None`` is the default generator.
Elements are drawn in the order of their addresses in memory, as PyTorch's iterator does it, so a
transposed array receives the transpose of what its contiguous twin would (:func:`memory_order`).
All of a call's words are drawn under the generator's lock.

What is bit-equal to PyTorch 2.13 on x86: everything, except ``orthogonal_`` (another LAPACK) and
``gumbel_`` (another log: an ulp). float16 is computed as PyTorch does, in float32 or float64 and
then rounded.

Errors are of PyTorch's types and wording; checks come before the first draw.
"""

from .continuous import cauchy_, exponential_, gumbel_, log_normal_, normal_, uniform_
from .fill import empty_like, memory_order
from .gaussian import scalar_kernels
from .integers import random_, randperm
from .multinomial import multinomial, multinomial_rule
from .trials import bernoulli_, dropout_mask_, geometric_, poisson
from .weights import orthogonal_, trunc_normal_

__all__ = [
    "bernoulli_",
    "cauchy_",
    "dropout_mask_",
    "empty_like",
    "exponential_",
    "geometric_",
    "gumbel_",
    "log_normal_",
    "memory_order",
    "multinomial",
    "multinomial_rule",
    "normal_",
    "orthogonal_",
    "poisson",
    "random_",
    "randperm",
    "scalar_kernels",
    "trunc_normal_",
    "uniform_",
]
