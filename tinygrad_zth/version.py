"""The version, read by setup.cfg without importing the package."""

__version__ = "0.1.0"
follows = "2.13.0"  # the PyTorch whose names and behaviour these are
cuda = hip = None  # what PyTorch was built with, or None; kernels for a device are CuPy's affair here
