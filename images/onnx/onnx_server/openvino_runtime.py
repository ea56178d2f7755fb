"""OpenVINO on CPUs: OpenVINO models, such as NNCF makes them, and ONNX models too.

Left to itself OpenVINO would compute an fp32 model in bf16 where the CPU can, quantize activations to int8
where weights are compressed, pin its threads to cores that other containers use as well, and cut integers to
32 bits. Here it computes in what the model says, or refuses.

Source: docs.openvino.ai, "CPU Device" and "Precision Control"; the last was tried with 2026.4.1.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import openvino

from onnx_server.errors import ModelError, RequestError
from onnx_server.signature import ANY, Signature, Tensor
from onnx_server.tensors import Arrays, zeros

log = logging.getLogger(__name__)

DATATYPES: Mapping[str, str] = {
    "boolean": "BOOL",
    "i8": "INT8",
    "i16": "INT16",
    "i32": "INT32",
    "i64": "INT64",
    "u8": "UINT8",
    "u16": "UINT16",
    "u32": "UINT32",
    "u64": "UINT64",
    "f16": "FP16",
    "f32": "FP32",
}
"""OpenVINO's names of types, and the protocol's. It would compute f64 in f32, and strings not at all."""
CUT = frozenset({"INT64", "UINT64", "UINT32"})
"""Types that the CPU plugin computes as 32-bit integers with a sign."""
LEAST, MOST = -(2**31), 2**31 - 1
_PLACES = re.compile(r"Exception from \S+:\d+:|Check '.*?' failed at \S+:\d+:|(?<=\s)\S*src/\S+:\d+:")


class OpenVino:
    """A model in OpenVINO, on CPUs."""

    platform = "openvino"

    def __init__(self, file: Path, threads: int) -> None:
        """Load a model to run on `threads` threads, one request at a time. Raises ModelError."""
        self._file, self._threads = file, threads
        try:
            self._compile()
        except Exception as error:  # they are RuntimeErrors, and others of the binding
            raise ModelError(f"{file} can't be loaded: {_sentence(error)}") from error
        self.signature = Signature(
            inputs=_tensors("input", self._model.inputs), outputs=_tensors("output", self._model.outputs)
        )
        self._one_at_a_time = Lock()

    def run(self, inputs: Arrays) -> Arrays:
        """Compute all outputs. Raises RequestError for what the model refuses, 503 where memory is short."""
        self._check_range(inputs)
        with self._one_at_a_time:
            try:
                return self._infer(inputs)
            except Exception as error:
                self._recover()
                text = _sentence(error)
                if isinstance(error, MemoryError) or "bad_alloc" in text or "allocate" in text:
                    raise RequestError(
                        "memory is short for this request; send a smaller batch", status=503
                    ) from error
                raise RequestError(f"the model refuses these inputs: {text}") from error

    def _compile(self) -> None:
        settings = {
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "ENABLE_CPU_PINNING": False,
        }
        self._model = openvino.Core().compile_model(self._file, "CPU", settings)
        self._request = self._model.create_infer_request()

    def _infer(self, inputs: Arrays) -> Arrays:
        # On one thread infer() swallows what the plugin throws, and gives back what was there before.
        self._request.start_async({index: inputs[name] for index, name in enumerate(self.signature.inputs)})
        self._request.wait()
        found = self._request.results
        return {name: np.array(found[index]) for index, name in enumerate(self.signature.outputs)}

    def _recover(self) -> None:
        """Have the next request served as if the last one had not failed.

        After a failure the plugin goes on failing for the sizes of the last request that went well, until one
        of other sizes goes well. Where none does, the model is compiled anew.
        """
        for size in (1, 2):
            try:
                self._infer(zeros(self.signature, size))
            except Exception as error:
                log.debug("not by size %d: %s", size, error)
            else:
                return
        self._compile()

    def _check_range(self, inputs: Arrays) -> None:
        for name, values in inputs.items():
            if self.signature.inputs[name].datatype not in CUT or not values.size:
                continue
            if int(values.min()) < LEAST or int(values.max()) > MOST:
                raise RequestError(
                    f"input {name!r}: data holds values beyond 32 bits, in which OpenVINO computes integers"
                )


def _tensors(kind: str, ports: Iterable[Any]) -> dict[str, Tensor]:
    tensors = [_tensor(kind, index, port) for index, port in enumerate(ports)]
    return {each.name: each for each in tensors}


def _tensor(kind: str, index: int, port: Any) -> Tensor:
    name = port.any_name if port.names else f"{kind}_{index}"
    found = port.element_type.get_type_name()
    if found not in DATATYPES:
        known = ", ".join(DATATYPES.values())
        raise ModelError(
            f"{kind} {name!r} is {found}, which OpenVINO doesn't compute as it is; export the model with "
            f"tensors of {known}, or as ONNX for --engine=onnxruntime"
        )
    return Tensor(name, DATATYPES[found], _shape(kind, name, port.partial_shape))


def _shape(kind: str, name: str, shape: Any) -> tuple[int, ...]:
    if shape.rank.is_dynamic:
        if kind == "input":
            raise ModelError(
                f"input {name!r} takes any number of dimensions; export the model with a fixed one"
            )
        return (ANY,)
    return tuple(each.get_length() if each.is_static else ANY for each in shape)


def _sentence(error: Exception) -> str:
    """Its message on one line, without the places in OpenVINO's source."""
    return " ".join(_PLACES.sub("", str(error)).split())
