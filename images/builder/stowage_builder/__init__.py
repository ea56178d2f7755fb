"""Builds a quantized variant of a model, measures it against its reference, and writes down both."""

__version__ = "0.1.0"
