"""What a model takes and gives: names, data types and shapes, in the protocol's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from onnx_server.errors import ModelError

DATATYPES: Mapping[str, str] = {
    "tensor(bool)": "BOOL",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
"""ONNX Runtime's names of types, and the protocol's."""

ANY = -1
"""A dimension that is not fixed."""


@dataclass(frozen=True)
class Tensor:
    """An input or output."""

    name: str
    datatype: str
    """As the protocol names it, such as FP32."""
    shape: tuple[int, ...]
    """Dimensions; ANY where the model takes any size."""

    def describe(self) -> dict[str, Any]:
        """As the protocol's metadata shows it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True)
class Signature:
    """All inputs and outputs of a model."""

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]

    @classmethod
    def of(cls, inputs: Iterable[Any], outputs: Iterable[Any]) -> Signature:
        """Read ONNX Runtime's lists.

        Raises:
            ModelError: a value is no tensor, or of a type that the protocol can't carry.
        """
        return cls(
            inputs={each.name: _tensor("input", each) for each in inputs},
            outputs={each.name: _tensor("output", each) for each in outputs},
        )


def _tensor(kind: str, value: Any) -> Tensor:
    datatype = DATATYPES.get(value.type)
    if datatype is None:
        known = ", ".join(sorted(DATATYPES.values()))
        raise ModelError(
            f"{kind} {value.name!r} is {value.type}, which the protocol can't carry; export the model with "
            f"tensors of {known} (a classifier of scikit-learn without ZipMap)"
        )
    shape = tuple(each if isinstance(each, int) and each >= 0 else ANY for each in value.shape or ())
    return Tensor(value.name, datatype, shape)
