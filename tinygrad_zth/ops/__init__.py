"""The primitives: one entry each, forward and gradient side by side. See ``operation.py`` for how to read them."""
