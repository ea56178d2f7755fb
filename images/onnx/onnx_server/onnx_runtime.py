"""ONNX Runtime on CPUs: computes what an ONNX model says, as it says it."""

from __future__ import annotations

import re
from pathlib import Path

import onnxruntime

from onnx_server.errors import ModelError, RequestError
from onnx_server.signature import Signature
from onnx_server.tensors import Arrays

WARNING_AND_WORSE = 2
"""ONNX Runtime's number for what it logs at the least."""


class OnnxRuntime:
    """A model in ONNX Runtime, on CPUs."""

    platform = "onnxruntime_onnx"

    def __init__(self, file: Path, threads: int) -> None:
        """Load a model to run on `threads` threads. Raises ModelError."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = WARNING_AND_WORSE
        # A thread that spins between requests uses up the container's share of time for the next one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors have no common class of their own
            raise ModelError(f"{file} can't be loaded: {_sentence(error)}") from error
        self.signature = Signature.of(self._session.get_inputs(), self._session.get_outputs())

    def run(self, inputs: Arrays) -> Arrays:
        """Compute all outputs. Raises RequestError for what the model refuses, 503 where memory is short."""
        names = list(self.signature.outputs)
        try:
            return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))
        except Exception as error:
            text = _sentence(error)
            if isinstance(error, MemoryError) or "Failed to allocate memory" in text:
                raise RequestError(
                    "memory is short for this request; send a smaller batch", status=503
                ) from error
            raise RequestError(f"the model refuses these inputs: {text}") from error


def _sentence(error: Exception) -> str:
    """Its message on one line, without the code in front."""
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", " ".join(str(error).split()))
