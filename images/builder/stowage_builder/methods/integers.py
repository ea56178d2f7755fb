"""int8 and int4 by ONNX Runtime's own quantization tools.

Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stowage_builder.errors import MethodFailed

if TYPE_CHECKING:
    from stowage_builder.data import Feed
    from stowage_builder.methods import Task

NAME = "model.onnx"
BLOCK_SIZE = 32
"""Weights that share a scale in int4: smaller is better and larger; ONNX Runtime's kernels take 16 to 256."""


def dynamic_int8(task: Task) -> Path:
    """int8 weights; activations are quantized while serving, so no data is needed."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    result = task.folder / NAME
    quantize_dynamic(_prepared(task), result, per_channel=True, weight_type=QuantType.QInt8)
    return result


def static_int8(task: Task) -> Path:
    """QDQ: int8 weights and activations, whose ranges come from the calibration data."""
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    result = task.folder / NAME
    quantize_static(
        _prepared(task),
        result,
        _reader(task),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )
    return result


def int4_weight_only(task: Task) -> Path:
    """int4 weights of MatMul in blocks, each with its scale; the arithmetic stays fp32."""
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    model = onnx.load(_prepared(task, fuse=False))
    quantizer = MatMulNBitsQuantizer(model, bits=4, block_size=BLOCK_SIZE, is_symmetric=True)
    quantizer.process()
    made = quantizer.model.model
    if not any(node.op_type == "MatMulNBits" for node in made.graph.node):
        raise MethodFailed(
            "onnx-int4-weight-only quantizes MatMul with constant weights, and the model has none; "
            "use an int8 method"
        )
    result = task.folder / NAME
    onnx.save(made, result)
    return result


def _prepared(task: Task, *, fuse: bool = True) -> Path:
    """The model with its shapes inferred, as the tools ask for.

    Args:
        fuse: also constants folded and nodes fused; a MatMul with its bias becomes a Gemm.
    """
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = task.scratch / "prepared.onnx"
    # The symbolic inference is for transformers with dynamic shapes, needs sympy, and fails on much else.
    quant_pre_process(task.source, prepared, skip_symbolic_shape=True, skip_optimization=not fuse)
    return prepared


def _reader(task: Task) -> Any:
    """The calibration data as ONNX Runtime wants to read it."""
    from onnxruntime.quantization import CalibrationDataReader

    from stowage_builder.engine import batch_size

    assert task.calibration is not None  # the caller checks what a method needs
    feeds = task.calibration.batches(batch_size(task.inputs))

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
        def get_next(self) -> Feed | None:
            return next(feeds, None)

    return Reader()
