"""Serves one ONNX model on CPUs by the open inference protocol (V2), with ONNX Runtime."""

__version__ = "0.1.0"
