"""Requests to arrays and back: what doesn't fit the model is refused with a sentence that names the input."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from kserve import InferOutput, InferResponse
from kserve.protocol.infer_type import RequestedOutput, deserialize_bytes_tensor
from kserve.utils.numpy_codec import to_np_dtype

from onnx_server.errors import RequestError
from onnx_server.signature import ANY, Signature, Tensor

Arrays = Mapping[str, np.ndarray[Any, Any]]

_KINDS = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}
"""Of each kind of array, the kinds of JSON values that become it without loss."""


@dataclass(frozen=True)
class Request:
    """A request that fits the model."""

    identifier: str | None
    """The client's, or None."""
    arrays: Arrays
    """One for each input of the model."""
    outputs: Sequence[RequestedOutput]
    """Those that are asked for; empty: all."""
    binary: bool
    """Whether outputs are wanted as bytes after the JSON where they don't say it themselves."""


def decode(body: bytes, json_length: int | None, signature: Signature) -> Request:
    """Read a request: JSON and, after its first `json_length` bytes, binary tensors.

    Raises:
        RequestError: it isn't a request, or doesn't fit the model.
    """
    document = _document(body, json_length)
    rest = memoryview(body)[len(body) if json_length is None else json_length :]
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for given in _list_of_objects(document, "inputs"):
        tensor = _known(given.get("name"), "input", signature.inputs)
        if tensor.name in arrays:
            raise RequestError(f"input {tensor.name!r} is given twice")
        _check(given, tensor)
        size = _parameters(given).get("binary_data_size")
        if size is None:
            arrays[tensor.name] = _from_values(given, tensor)
        else:
            if not isinstance(size, int) or not 0 <= size <= len(rest):
                left = f"{len(rest)} bytes are left after the JSON"
                raise RequestError(f"input {tensor.name!r}: binary_data_size is {size!r}, but {left}")
            arrays[tensor.name], rest = _from_bytes(rest[:size], given, tensor), rest[size:]
    missing = [name for name in signature.inputs if name not in arrays]
    if missing:
        raise RequestError(f"input {missing[0]!r} is missing; {_listed('input', signature.inputs)}")
    if rest:
        raise RequestError(f"{len(rest)} bytes at the end of the body belong to no input")
    outputs = [_output(each, signature) for each in _list_of_objects(document, "outputs", required=False)]
    identifier = document.get("id")
    return Request(
        identifier=identifier if isinstance(identifier, str) else None,
        arrays=arrays,
        outputs=outputs,
        binary=_parameters(document).get("binary_data_output") is True,
    )


def encode(name: str, request: Request, arrays: Arrays, signature: Signature) -> tuple[bytes, int | None]:
    """Write a response: its bytes, and the length of the JSON where binary tensors follow it.

    Raises:
        RequestError: FP16 is asked for as JSON, which the protocol has no form for.
    """
    outputs = []
    for each, array in arrays.items():
        datatype = signature.outputs[each].datatype
        outputs.append(InferOutput(name=each, shape=list(array.shape), datatype=datatype, data=array))
    chosen = [RequestedOutput(o.name, {"binary_data": _binary(o, request)}) for o in _chosen(request, arrays)]
    for output in chosen:
        if signature.outputs[output.name].datatype == "FP16" and not output.binary_data:
            advice = 'ask for it with "parameters": {"binary_data": true}'
            raise RequestError(f"output {output.name!r} is FP16, which JSON can't carry; {advice}")
    response = InferResponse(request.identifier or "", name, outputs, requested_outputs=chosen)
    written, json_length = response.to_rest()
    return (written if isinstance(written, bytes) else orjson.dumps(written)), json_length


def zeros(signature: Signature, size: int = 1) -> Arrays:
    """Inputs of zeros, or of empty strings; `size` where the model takes any."""
    return {name: _zeros(each, size) for name, each in signature.inputs.items()}


def _zeros(tensor: Tensor, size: int) -> np.ndarray[Any, Any]:
    sizes = [size if each == ANY else each for each in tensor.shape]
    if tensor.datatype == "BYTES":
        return np.full(sizes, "", dtype=np.object_)
    return np.zeros(sizes, dtype=to_np_dtype(tensor.datatype))


def _chosen(request: Request, arrays: Arrays) -> Sequence[RequestedOutput]:
    return request.outputs or [RequestedOutput(name) for name in arrays]


def _binary(output: RequestedOutput, request: Request) -> bool:
    return request.binary if output.binary_data is None else output.binary_data is True


def _document(body: bytes, json_length: int | None) -> dict[str, Any]:
    if json_length is not None and not 0 < json_length <= len(body):
        raise RequestError(f"the header says that {json_length} bytes are JSON; the body has {len(body)}")
    try:
        document = orjson.loads(body[:json_length])
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise RequestError("the body is not a JSON object with inputs")
    return document


def _list_of_objects(document: dict[str, Any], field: str, required: bool = True) -> list[dict[str, Any]]:
    listed = document.get(field)
    if listed is None and not required:
        return []
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise RequestError(f"{field} is not a list of objects")
    return listed


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    parameters = given.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise RequestError("parameters is not an object")
    return parameters


def _listed(kind: str, tensors: Mapping[str, Tensor]) -> str:
    names = ", ".join(repr(each) for each in tensors)
    return f"the model's {kind}{'s are' if len(tensors) != 1 else ' is'} {names}"


def _known(name: object, kind: str, tensors: Mapping[str, Tensor]) -> Tensor:
    tensor = tensors.get(name) if isinstance(name, str) else None
    if tensor is None:
        raise RequestError(f"there is no {kind} {name!r}; {_listed(kind, tensors)}")
    return tensor


def _output(given: dict[str, Any], signature: Signature) -> RequestedOutput:
    return RequestedOutput(_known(given.get("name"), "output", signature.outputs).name, _parameters(given))


def _check(given: dict[str, Any], tensor: Tensor) -> None:
    """That type and shape are the model's."""
    if given.get("datatype") != tensor.datatype:
        found = given.get("datatype")
        raise RequestError(
            f"input {tensor.name!r} is of datatype {found!r}; the model takes {tensor.datatype!r}"
        )
    shape = given.get("shape")
    if not isinstance(shape, list) or not all(type(each) is int and each >= 0 for each in shape):
        raise RequestError(f"input {tensor.name!r}: shape is {shape!r} and not a list of dimensions")
    fits = len(shape) == len(tensor.shape) and all(
        wanted in (ANY, found) for wanted, found in zip(tensor.shape, shape, strict=True)
    )
    if not fits:
        wanted = f"{list(tensor.shape)}{' (-1 is any size)' if ANY in tensor.shape else ''}"
        raise RequestError(f"input {tensor.name!r} has the shape {shape}; the model takes {wanted}")


def _from_values(given: dict[str, Any], tensor: Tensor) -> np.ndarray[Any, Any]:
    data = given.get("data")
    if not isinstance(data, list):
        raise RequestError(
            f"input {tensor.name!r} has no data: neither a list of values nor binary_data_size"
        )
    if tensor.datatype == "BYTES":
        return _shaped(_texts(data, tensor), given, tensor)
    wanted = np.dtype(to_np_dtype(tensor.datatype))
    try:
        values = np.asarray(data)
    except (ValueError, OverflowError):
        raise RequestError(
            f"input {tensor.name!r}: data is nested unevenly, or a value is too large"
        ) from None
    if values.size and values.dtype.kind not in _KINDS[wanted.kind]:
        raise RequestError(f"input {tensor.name!r}: data holds values that are not {tensor.datatype}")
    if values.size and wanted.kind in "iu":
        limits = np.iinfo(wanted)
        if int(values.min()) < limits.min or int(values.max()) > limits.max:
            raise RequestError(
                f"input {tensor.name!r}: data holds values beyond the range of {tensor.datatype}"
            )
    with np.errstate(over="ignore"):
        return _shaped(values.astype(wanted), given, tensor)


def _texts(data: list[Any], tensor: Tensor) -> np.ndarray[Any, Any]:
    """A flat array of strings, however deep the list is nested."""
    texts: list[str] = []
    waiting = [iter(data)]
    while waiting:
        for each in waiting[-1]:
            if isinstance(each, list):
                waiting.append(iter(each))
                break
            if not isinstance(each, str):
                raise RequestError(f"input {tensor.name!r}: data holds values that are not strings")
            texts.append(each)
        else:
            waiting.pop()
    array = np.empty(len(texts), dtype=np.object_)
    array[:] = texts
    return array


def _from_bytes(raw: memoryview, given: dict[str, Any], tensor: Tensor) -> np.ndarray[Any, Any]:
    try:
        if tensor.datatype == "BYTES":
            texts = [each.decode() for each in deserialize_bytes_tensor(bytes(raw))]
            return _shaped(_texts(texts, tensor), given, tensor)
        array = np.frombuffer(raw, dtype=np.dtype(to_np_dtype(tensor.datatype)))
    except (ValueError, struct.error):
        what = f"{len(raw)} bytes of binary data that are not a whole number of {tensor.datatype}"
        raise RequestError(f"input {tensor.name!r} has {what}") from None
    return _shaped(array, given, tensor)


def _shaped(array: np.ndarray[Any, Any], given: dict[str, Any], tensor: Tensor) -> np.ndarray[Any, Any]:
    shape: list[int] = given["shape"]
    if array.size != math.prod(shape):
        counts = f"{array.size} values; the shape {shape} has {math.prod(shape)}"
        raise RequestError(f"input {tensor.name!r} has {counts}")
    return array.reshape(shape)
