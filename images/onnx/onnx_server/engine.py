"""What computes, behind the few calls that the server makes, and which of the two it is."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Literal, Protocol

from onnx_server.errors import RequestError
from onnx_server.signature import Signature
from onnx_server.tensors import Arrays, zeros

log = logging.getLogger(__name__)

Library = Literal["onnxruntime", "openvino"]


class Engine(Protocol):
    """What the server needs of a library that runs models."""

    platform: str
    """As the protocol's metadata names it, such as onnxruntime_onnx."""
    signature: Signature

    def run(self, inputs: Arrays) -> Arrays:
        """Compute all outputs. Called from several threads at once. Raises RequestError."""


def load(file: Path, library: Library, threads: int) -> Engine:
    """Load a model with a library, to run on so many threads; only that library is imported.

    Raises:
        ModelError: it can't be loaded, or not served by the protocol.
    """
    if library == "openvino":
        from onnx_server.openvino_runtime import OpenVino

        return OpenVino(file, threads)
    from onnx_server.onnx_runtime import OnnxRuntime

    return OnnxRuntime(file, threads)


def warm_up(engine: Engine) -> None:
    """Run the model twice on zeros: what is made at the first run must not keep the first client waiting."""
    inputs = zeros(engine.signature)
    try:
        first, second = _seconds(engine, inputs), _seconds(engine, inputs)
    except RequestError as error:
        log.warning("not warmed up: %s", error)
    else:
        log.info("warmed up: the first run took %.1f ms, the second %.1f ms", first * 1e3, second * 1e3)


def _seconds(engine: Engine, inputs: Arrays) -> float:
    start = time.perf_counter()
    engine.run(inputs)
    return time.perf_counter() - start
