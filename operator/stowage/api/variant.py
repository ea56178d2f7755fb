"""A variant: one artefact of the model, in one precision and format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from stowage.api.meta import Model, Rule
from stowage.api.pod_text import SecretKey
from stowage.api.quantity import parse_bytes
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
        "write where the variant is, as pvc://claim/path, oci://image:tag, hf://organisation/model or https://...",
        max_length=512,
    ),
]


CLAIM_PATTERN = rf"^pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/{_PART})+$"
ClaimUri = Annotated[
    str,
    Field(max_length=512, pattern=CLAIM_PATTERN),
    sentence(CLAIM_PATTERN, "write a file of a PersistentVolumeClaim, as pvc://claim/path", max_length=512),
]
"""A file or folder of a PersistentVolumeClaim of the same namespace."""

DIGEST_PATTERN = "^sha256:[0-9a-f]{64}$"
ArtefactDigest = Annotated[
    str,
    Field(max_length=71, pattern=DIGEST_PATTERN),
    sentence(
        DIGEST_PATTERN,
        "write the digest of the artefact's files, as sha256: and 64 lower-case hexadecimal digits",
        max_length=71,
    ),
]
"""Of the names and contents of all files; see docs/variants.md."""

Method = Literal[
    "onnx-dynamic-int8", "onnx-static-int8", "onnx-int4-weight-only", "fp16", "bf16", "openvino-int8"
]


class Makes(NamedTuple):
    """What a method makes, and what it needs."""

    format: str
    precision: Precision
    weight_only: bool = False
    """Whether the arithmetic stays fp32."""
    calibrated: bool = False
    """Whether it needs calibration data."""


MAKES: dict[Method, Makes] = {
    "onnx-dynamic-int8": Makes("onnx", "int8"),
    "onnx-static-int8": Makes("onnx", "int8", calibrated=True),
    "onnx-int4-weight-only": Makes("onnx", "int4", weight_only=True),
    "fp16": Makes("onnx", "fp16"),
    "bf16": Makes("onnx", "bf16", weight_only=True),
    "openvino-int8": Makes("openvino", "int8", calibrated=True),
}


def _methods(fits: Callable[[Makes], bool]) -> str:
    """A list of methods in CEL."""
    return f"[{', '.join(repr(name) for name, makes in MAKES.items() if fits(makes))}]"


class Build(Model):
    """How a variant is made of another one."""

    source: Annotated[Name, Field(alias="from")]
    """The variant that it is made of: in fp32, of format onnx, with a pvc:// uri."""
    method: Method
    """What makes it: onnx-dynamic-int8, onnx-static-int8, onnx-int4-weight-only, fp16, bf16 or
    openvino-int8."""
    calibration: ClaimUri | None = None
    """Data from which a method learns ranges, as .npz with an array for each input. The int8 methods with
    static ranges need it."""
    evaluation: ClaimUri | None = None
    """Data on which the quality is measured, as .npz with an array for each input, and labels. Absent: the
    calibration data."""
    script: ClaimUri | None = None
    """A Python script that measures the quality instead, where the policy's builds.scripts allow it. It is
    given the reference, the variant and the data, and prints a number from 0 to 1."""
    benchmark: bool = False
    """Whether latency and rate are measured, too, on the node that builds it."""

    rules = (
        Rule(
            f"!(self.method in {_methods(lambda m: m.calibrated)}) || has(self.calibration)",
            "write calibration: pvc://claim/data.npz, which this method needs",
            lambda self: not MAKES[self.method].calibrated or self.calibration is not None,
            field="calibration",
        ),
    )


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
    uri: Uri | None = None
    """Where it is: pvc://claim/path, oci://image, hf://organisation/model, or a file by https, s3 or gs."""
    build: Build | None = None
    """How it is made of another variant, instead of a uri. It is built when a candidate that could serve
    needs it, where the policy's builds say; status.variants tells how far it is."""
    size: Quantity | None = None
    """Size of the weights as stored. Of a variant that is built it is measured, and estimated before."""
    digest: ArtefactDigest | None = None
    """Digest of the artefact's files. A server that can tell serves nothing else. Of a variant that is built
    it is measured."""
    quality: Fraction = "1.0"
    """Quality relative to the reference, from 0 to 1. Of a variant that is built it is measured."""
    accelerators: AcceleratorSelector | None = None
    """For artefacts compiled for one device: where alone they run."""
    sparsity: Literal["2:4"] | None = None
    """Pruning that some devices run faster."""
    credentials: Credentials | None = None
    """For servers that fetch by themselves. What is fetched for them gets its token by the policy's fetch."""
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

    rules = (
        Rule(
            "has(self.uri) != has(self.build)",
            "write either uri, where the artefact is, or build, how it is made",
            lambda self: (self.uri is None) != (self.build is None),
            field="uri",
        ),
        Rule(
            "has(self.build) || has(self.size)",
            "write the size of the artefact, such as 15Gi",
            lambda self: self.build is not None or self.size is not None,
            field="size",
        ),
        Rule(
            "!has(self.build) || self.quality in ['1', '1.0']",
            "write no quality: that of a built variant is measured",
            lambda self: self.build is None or self.quality in ("1", "1.0"),
            field="quality",
        ),
        Rule(
            "!has(self.build) || !has(self.digest)",
            "write no digest: that of a built variant is measured",
            lambda self: self.build is None or self.digest is None,
            field="digest",
        ),
        Rule(
            "!has(self.build) || self.format == ("
            f"self.build.method in {_methods(lambda m: m.format == 'onnx')} ? 'onnx' : 'openvino')",
            "write the format that the method makes: openvino for openvino-int8, onnx for all others",
            lambda self: self.build is None or self.format == MAKES[self.build.method].format,
            field="format",
        ),
        Rule(
            "!has(self.build) || self.precision == ("
            f"self.build.method in {_methods(lambda m: m.precision == 'int8')} ? 'int8' : "
            f"self.build.method in {_methods(lambda m: m.precision == 'int4')} ? 'int4' : self.build.method)",
            "write the precision that the method makes: int8, int4, fp16 or bf16, as its name says",
            lambda self: self.build is None or self.precision == MAKES[self.build.method].precision,
            field="precision",
        ),
        Rule(
            f"!has(self.build) || !(self.build.method in {_methods(lambda m: m.weight_only)})"
            " || (has(self.quantization) && has(self.quantization.activations)"
            " && self.quantization.activations == 'fp32')",
            "this method leaves the arithmetic in fp32; write quantization: {activations: fp32}",
            lambda self: (
                self.build is None or not MAKES[self.build.method].weight_only or self.activations == "fp32"
            ),
            field="quantization",
        ),
    )

    @property
    def location(self) -> str:
        """The uri; empty where the variant is to be built."""
        return self.uri or ""

    @property
    def stored_bytes(self) -> int:
        """Size of the weights as stored, in bytes; 0 where nobody knows yet."""
        return parse_bytes(self.size) if self.size is not None else 0

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
