"""Builds a quantized variant of a model, measures it against its reference, and writes down both."""

import os

# ONNX Runtime 1.29 and later tell Microsoft about models unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
