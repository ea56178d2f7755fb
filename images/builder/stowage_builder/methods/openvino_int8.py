"""int8 by NNCF's post-training quantization, for OpenVINO on CPUs, integrated GPUs and NPUs.

Source: https://docs.openvino.ai, "Basic Quantization Flow" of NNCF's post-training quantization
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stowage_builder.methods import Task

MOST_BATCHES = 300
"""NNCF's default size of the calibration subset."""


def int8(task: Task) -> Path:
    """int8 weights and activations, as an OpenVINO model: ``model.xml`` and ``model.bin``."""
    os.environ.setdefault("NNCF_CI", "1")  # its switch for telemetry, which would wait for the network
    import nncf
    import openvino

    from stowage_builder.engine import batch_size

    assert task.calibration is not None  # the caller checks what a method needs
    model = openvino.Core().read_model(task.source)
    batches = list(task.calibration.batches(batch_size(task.inputs)))
    quantized = nncf.quantize(
        model, nncf.Dataset(batches), subset_size=max(1, min(len(batches), MOST_BATCHES))
    )
    result = task.folder / "model.xml"
    openvino.save_model(quantized, result, compress_to_fp16=False)
    return result
