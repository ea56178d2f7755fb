"""16-bit floats: half the size, and on hardware that has them the arithmetic too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stowage_builder.errors import MethodFailed

if TYPE_CHECKING:
    from stowage_builder.methods import Task

NAME = "model.onnx"


def fp16(task: Task) -> Path:
    """Weights and arithmetic in fp16; inputs and outputs stay as they are, so clients see no change."""
    import onnx
    from onnxconverter_common import float16

    result = task.folder / NAME
    onnx.save(float16.convert_float_to_float16(onnx.load(task.source), keep_io_types=True), result)
    return result


def bf16(task: Task) -> Path:
    """Weights in bf16, each cast back where it is used: half the size with the arithmetic of the reference.

    ONNX Runtime's CPU kernels don't compute in bf16, so a whole conversion would load nowhere.
    """
    import ml_dtypes
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(task.source)
    graph = model.graph
    large = [t for t in graph.initializer if t.data_type == TensorProto.FLOAT and len(t.dims) > 1]
    if not large:
        raise MethodFailed("the model has no fp32 weights that bf16 would make smaller")
    casts = []
    for tensor in large:
        name = tensor.name
        values = numpy_helper.to_array(tensor).astype(ml_dtypes.bfloat16).tobytes()
        narrow = helper.make_tensor(f"{name}_bf16", TensorProto.BFLOAT16, list(tensor.dims), values, raw=True)
        graph.initializer.remove(tensor)
        graph.initializer.append(narrow)
        casts.append(helper.make_node("Cast", [narrow.name], [name], f"{name}_cast", to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
    kept = [value for value in graph.input if value.name not in {t.name for t in large}]
    del graph.input[:]
    graph.input.extend(kept)
    result = task.folder / NAME
    onnx.save(model, result)
    return result
