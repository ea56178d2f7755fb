"""The methods by name. Each takes an fp32 ONNX model and leaves the variant's files in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stowage_builder.data import DataSet, Input
from stowage_builder.methods import floats, integers, openvino_int8


@dataclass(frozen=True)
class Task:
    """What a method is given."""

    source: Path
    folder: Path
    """Where the result goes."""
    scratch: Path
    """For files in between."""
    calibration: DataSet | None
    inputs: list[Input]


@dataclass(frozen=True)
class Method:
    """How a variant is made."""

    run: Callable[[Task], Path]
    """Returns the file that a server loads."""
    libraries: tuple[str, ...]
    """Distributions whose versions the report names."""
    calibrated: bool = False
    """Whether it can't do without calibration data."""


METHODS: Mapping[str, Method] = {
    "onnx-dynamic-int8": Method(integers.dynamic_int8, ("onnx", "onnxruntime")),
    "onnx-static-int8": Method(integers.static_int8, ("onnx", "onnxruntime"), calibrated=True),
    "onnx-int4-weight-only": Method(integers.int4_weight_only, ("onnx", "onnxruntime")),
    "fp16": Method(floats.fp16, ("onnx", "onnxconverter-common")),
    "bf16": Method(floats.bf16, ("onnx",)),
    "openvino-int8": Method(openvino_int8.int8, ("openvino", "nncf"), calibrated=True),
}
