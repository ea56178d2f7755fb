"""Running a model, by ONNX Runtime or OpenVINO, on so many threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stowage_builder.data import DataSet, Feed, Input
from stowage_builder.errors import BadInput, MethodFailed

Run = Callable[[Feed], np.ndarray[Any, Any]]
"""The first output for a feed."""

_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
}
"""Types of inputs that data sets may have."""
ANY_BATCH = 64
"""Examples in a call to a model that takes any number."""


def inputs_of(model: Path) -> list[Input]:
    """The inputs of an ONNX model.

    Raises:
        BadInput: it is no model, or takes something that a data set can't hold.
    """
    session = _session(model, threads=1, error=BadInput)
    found = []
    for each in session.get_inputs():
        if each.type not in _TYPES:
            raise BadInput(
                f"input {each.name!r} of {model.name} is a {each.type}; data can't be given for it"
            )
        first = each.shape[0] if each.shape else None
        found.append(Input(each.name, _TYPES[each.type], first if isinstance(first, int) else None))
    return found


def open_model(model: Path, threads: int = 0) -> Run:
    """The model, ready to run.

    Args:
        threads: 0 as many as the library finds fit.

    Raises:
        MethodFailed: what was built can't be loaded.
    """
    return _open_openvino(model, threads) if model.suffix == ".xml" else _open_onnx(model, threads)


def outputs(run: Run, data: DataSet, inputs: list[Input]) -> np.ndarray[Any, Any]:
    """The first output for all examples."""
    size = batch_size(inputs)
    return np.concatenate([run(feed) for feed in data.batches(size)])


def batch_size(inputs: list[Input]) -> int:
    """Examples in one call."""
    fixed = [each.batch for each in inputs if each.batch]
    return min(fixed) if fixed else ANY_BATCH


def _session(model: Path, threads: int, error: type[BadInput | MethodFailed]) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as found:
        raise error(f"ONNX Runtime can't load {model.name}: {found}") from found


def _open_onnx(model: Path, threads: int) -> Run:
    session = _session(model, threads, error=MethodFailed)
    first = session.get_outputs()[0].name
    return lambda feed: np.asarray(session.run([first], feed)[0])


def _open_openvino(model: Path, threads: int) -> Run:
    import openvino

    try:
        settings = {"INFERENCE_NUM_THREADS": threads} if threads else {}
        compiled = openvino.Core().compile_model(model, "CPU", settings)
    except Exception as found:
        raise MethodFailed(f"OpenVINO can't load {model.name}: {found}") from found
    first = compiled.output(0)
    return lambda feed: np.asarray(compiled(feed)[first])
