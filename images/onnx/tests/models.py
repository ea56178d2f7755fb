"""Small models, made by hand, whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = [helper.make_opsetid("", 21)]

WEIGHTS = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)
BIAS = np.array([10, 20], dtype=np.float32)


def value(name: str, kind: int, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: list[onnx.TensorProto] | None = None,
) -> Path:
    graph = helper.make_graph(nodes, "graph", inputs, outputs, constants or [])
    model = helper.make_model(graph, opset_imports=OPSET, ir_version=10)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def linear(path: Path) -> Path:
    """y = x @ WEIGHTS + BIAS, for batches of any size."""
    return save(
        path,
        [helper.make_node("Gemm", ["x", "weights", "bias"], ["y"])],
        [value("x", TensorProto.FLOAT, ["batch", 3])],
        [value("y", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(WEIGHTS, "weights"), numpy_helper.from_array(BIAS, "bias")],
    )


def sums(path: Path) -> Path:
    """Two inputs and two outputs of whole numbers."""
    kind = TensorProto.INT64
    return save(
        path,
        [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])],
        [value("a", kind, ["n"]), value("b", kind, ["n"])],
        [value("sum", kind, ["n"]), value("difference", kind, ["n"])],
    )


def echo(path: Path, kind: int, shape: Sequence[int | str] = ("n",)) -> Path:
    """Gives back what it gets."""
    node = helper.make_node("Identity", ["x"], ["y"])
    return save(path, [node], [value("x", kind, shape)], [value("y", kind, shape)])


def table(path: Path) -> Path:
    """Looks numbers up in a table of three, and fails for others."""
    return save(
        path,
        [helper.make_node("Gather", ["table", "index"], ["found"])],
        [value("index", TensorProto.INT64, ["n"])],
        [value("found", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.array([7, 8, 9], dtype=np.float32), "table")],
    )


def quantized(path: Path) -> Path:
    """Int8 with QDQ nodes, the form that quantizers write: y is x in steps of 0.5."""
    scale = numpy_helper.from_array(np.array(0.5, dtype=np.float32), "scale")
    zero = numpy_helper.from_array(np.array(0, dtype=np.int8), "zero")
    return save(
        path,
        [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
        ],
        [value("x", TensorProto.FLOAT, ["n"])],
        [value("y", TensorProto.FLOAT, ["n"])],
        [scale, zero],
    )


def slow(path: Path, steps: int = 40, size: int = 256) -> Path:
    """Multiplies matrices for a while: some milliseconds a request."""
    square = np.eye(size, dtype=np.float32)
    nodes = [helper.make_node("MatMul", [f"t{i}" if i else "x", "w"], [f"t{i + 1}"]) for i in range(steps)]
    last = f"t{steps}"
    nodes.append(helper.make_node("ReduceSum", [last], ["y"], keepdims=0))
    return save(
        path,
        nodes,
        [value("x", TensorProto.FLOAT, ["n", size])],
        [value("y", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(square, "w")],
    )


def pair(path: Path) -> Path:
    """An output that is no tensor: a sequence."""
    sequence = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("SequenceConstruct", ["x", "x"], ["y"])
    return save(path, [node], [value("x", TensorProto.FLOAT, ["n"])], [sequence])
