"""Serves one ONNX or OpenVINO model on CPUs by the open inference protocol (V2)."""

import os

__version__ = "0.1.0"

# ONNX Runtime 1.29 and later tell Microsoft about models unless this is set before it is imported,
# and leave a device's number in the home directory (microsoft/onnxruntime#27379).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
