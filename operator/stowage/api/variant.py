"""A variant: one artefact of the model, in one precision and format."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stowage.api.meta import Model
from stowage.api.pod_text import SecretKey
from stowage.api.selector import AcceleratorSelector
from stowage.api.types import (
    Amount,
    Count,
    Dialect,
    Duration,
    Fraction,
    Name,
    Precision,
    Quantity,
    sentence,
)

_PART = "[A-Za-z0-9_][-A-Za-z0-9_.:@+=~%,]*"
URI_PATTERN = (
    rf"^(pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/{_PART})*/?|(oci|hf)://{_PART}(/{_PART})*"
    r"|(s3|gs|https)://[A-Za-z0-9][!-#%-~]*)$"
)
"""What follows the scheme becomes an argument, a claim's name or a path in a volume: no part of it begins
like a flag or leads out of a folder, and nothing in it is expanded."""


class Quantization(Model):
    """How a variant was quantized, where it differs from what its precision says."""

    scheme: Name | None = None
    """Such as compressed-tensors, awq, gptq, gguf, mxfp4, nvfp4, qdq or nncf."""
    weights: Precision | None = None
    """Precision of the stored weights. Default: the variant's precision."""
    activations: Precision | None = None
    """Precision of the arithmetic. Default: the variant's precision. Where weights are narrower
    than activations the variant is weight-only."""
    kv_cache: Precision | None = None
    """Precision of the KV cache. Default: that of the activations, at least 8 bits."""
    dialect: Dialect | None = None
    """Which fp8: ocp (the default) or fnuz."""


class Credentials(Model):
    """Where the pod finds what it needs to fetch the model. Stowage never reads it."""

    secret_name: Name
    """A Secret of the same namespace."""
    key: SecretKey = "HF_TOKEN"
    """The key that holds the token of the model hub. It becomes the variable HF_TOKEN; no other does."""


class Profile(Model):
    """What was measured for this variant on one class of accelerator. Each figure wins over its estimate."""

    accelerator_class: Name
    """The AcceleratorClass that was measured."""
    devices: Count = 1
    """Devices that one replica had."""
    requests_per_second: Amount | None = None
    """One replica's rate at its best batch that met the latency asked for."""
    tokens_per_second: Amount | None = None
    """Output tokens per second of one replica, all requests together."""
    latency: Duration | None = None
    """Of one request, from end to end. It is also what the goal LowestLatency compares."""
    time_to_first_token: Duration | None = None
    """From the request to its first output token."""
    time_per_output_token: Duration | None = None
    """Between output tokens."""
    power_watts: Amount | None = None
    """Average power of the replica's devices under that load, in watts."""


Uri = Annotated[
    str,
    Field(max_length=512, pattern=URI_PATTERN),
    sentence(
        URI_PATTERN,
        "write where the variant is stored, as pvc://claim/path, oci://image:tag or hf://organisation/model",
        max_length=512,
    ),
]


class Variant(Model):
    """One artefact of the model: a precision, a format, a place where it is stored."""

    name: Name
    """Unique within the deployment."""
    precision: Precision
    """The arithmetic: fp32, tf32, fp16, bf16, fp8, int8, int4 or fp4."""
    quantization: Quantization | None = None
    """Says the rest where weights, activations or KV cache differ from the precision."""
    format: Name
    """The artefact's format, such as safetensors, onnx, openvino, gguf, savedmodel or xmodel."""
    uri: Uri
    """Where the artefact is: pvc://claim/path, oci://image or hf://organisation/model."""
    size: Quantity
    """Size of the weights as stored."""
    quality: Fraction = "1.0"
    """Quality relative to the reference, from 0 to 1."""
    accelerators: AcceleratorSelector | None = None
    """For artefacts compiled for one device: where alone they run."""
    sparsity: Literal["2:4"] | None = None
    """Pruning that some devices run faster."""
    credentials: Credentials | None = None
    """For stores that need them."""
    profiles: Annotated[
        list[Profile],
        Field(
            max_length=32,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["acceleratorClass", "devices"],
            },
        ),
    ] = []
    """Measurements of this variant."""

    @property
    def weights(self) -> Precision:
        """Precision of the stored weights."""
        return (self.quantization and self.quantization.weights) or self.precision

    @property
    def activations(self) -> Precision:
        """Precision of the arithmetic."""
        return (self.quantization and self.quantization.activations) or self.precision

    @property
    def scheme(self) -> str:
        """The quantization scheme, empty where none is named."""
        return (self.quantization and self.quantization.scheme) or ""
