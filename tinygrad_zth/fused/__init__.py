"""Fused operations: one room each, with its plain composition and its kernels."""
