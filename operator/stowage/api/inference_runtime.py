"""InferenceRuntime: a model server, what it can serve on which accelerator, and how it is started."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from stowage.api.meta import Model, Resource
from stowage.api.pod_text import VariableGlob
from stowage.api.selector import AcceleratorSelector
from stowage.api.types import (
    Architecture,
    Argument,
    Count,
    Dialect,
    Name,
    Precision,
    Protocol,
    Quantity,
    Text,
)


class ServedProtocol(Model):
    """A protocol that the server speaks."""

    name: Protocol
    """OpenAI, V2 or TensorFlowServing."""
    port: Annotated[int, Field(ge=1024, le=65535)]
    """The port in the container; above 1023, since the server isn't root."""
    path: Annotated[str, Field(max_length=253)] = "/"
    """Where the API begins."""


class Probe(Model):
    """An HTTP probe."""

    path: Annotated[str, Field(min_length=1, max_length=253)]
    """The path that answers 200. {modelName} stands for the model's name."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """The port in the container."""


class Probes(Model):
    """How Kubernetes sees that the server is up."""

    ready: Probe
    """Answers once the model is loaded."""
    live: Probe | None = None
    """Answers while the process is sound. Absent: the ready probe, once started."""


class RuntimeVariable(Model):
    """An environment variable that the runtime needs."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """The variable's name."""
    value: Annotated[str, Field(max_length=1024)]
    """Its value; placeholders as in arguments."""


class VariantArguments(Model):
    """Arguments that pin what a variant is, so that the server doesn't choose by itself."""

    precisions: Annotated[list[Precision], Field(max_length=8)] = []
    """For variants of these precisions. Absent: all."""
    schemes: Annotated[list[Text], Field(max_length=16)] = []
    """For variants of these quantization schemes. Absent: those that name no scheme."""
    arguments: Annotated[list[Argument], Field(max_length=16)]
    """The arguments."""


class WeightOnly(Model):
    """Weights narrower than the arithmetic, expanded on the fly."""

    weights: Precision
    """Precision of the weights."""
    activations: Annotated[list[Precision], Field(min_length=1, max_length=8)]
    """Precisions of the arithmetic."""
    schemes: Annotated[list[Text], Field(max_length=16)] = []
    """Quantization schemes that are read. Absent: any."""


PLACEHOLDERS = frozenset({"modelPath", "modelName", "digest", "devices", "contextLength"})
"""What arguments may hold in braces."""
PLACEHOLDER = re.compile(r"\{([A-Za-z]+)\}")


class Support(Model):
    """How the runtime runs on one kind of accelerator."""

    name: Name
    """Unique within the runtime, such as cuda."""
    accelerators: AcceleratorSelector = Field(default_factory=AcceleratorSelector)
    """Which accelerators."""
    precisions: Annotated[list[Precision], Field(max_length=8)] = []
    """Served natively, where the device computes them natively."""
    weight_only: Annotated[list[WeightOnly], Field(max_length=8)] = []
    """Served with narrow weights and wider arithmetic."""
    schemes: Annotated[list[Text], Field(max_length=16)] = []
    """Quantization schemes that are read with native precisions. Absent: any."""
    dialects: Annotated[list[Dialect], Field(max_length=2)] = ["ocp"]
    """Dialects of fp8 that are read or converted."""
    device_counts: Annotated[list[Count], Field(min_length=1, max_length=16)] = [1]
    """Devices that one replica can use together, ascending; cores for a CPU."""
    image: Annotated[str, Field(min_length=1, max_length=512)]
    """The server's image for this accelerator."""
    architectures: Annotated[list[Architecture], Field(min_length=1, max_length=2)] = ["amd64"]
    """CPU architectures that the image exists for."""
    command: Annotated[list[Argument], Field(max_length=16)] = []
    """The entry point. Absent: the image's."""
    arguments: Annotated[list[Argument], Field(max_length=64)] = []
    """Arguments. {modelPath}, {modelName}, {digest}, {devices} and {contextLength} are replaced; an
    argument whose placeholder has no value is left out."""
    variant_arguments: Annotated[list[VariantArguments], Field(max_length=16)] = []
    """Arguments by precision and scheme."""
    environment: Annotated[
        list[RuntimeVariable],
        Field(
            max_length=32,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = []
    """Environment."""
    shared_memory: Quantity | None = None
    """Size of /dev/shm, in memory, that the server needs to join several devices."""

    @model_validator(mode="after")
    def _check_placeholders(self) -> Self:
        """Not in CEL: looking through this much text is beyond its cost budget."""
        texts = [*self.arguments, *(v.value for v in self.environment)]
        texts += [a for entry in self.variant_arguments for a in entry.arguments]
        unknown = sorted({n for t in texts for n in PLACEHOLDER.findall(t)} - PLACEHOLDERS)
        if unknown:
            known = ", ".join(f"{{{n}}}" for n in sorted(PLACEHOLDERS))
            message = f"unknown placeholder {{{unknown[0]}}}; write one of {known}"
            raise PydanticCustomError("rule", "{message}", {"message": message, "field": "arguments"})
        return self


class InferenceRuntimeSpec(Model):
    """A model server."""

    formats: Annotated[list[Name], Field(min_length=1, max_length=16)]
    """Formats of variants that it loads."""
    protocols: Annotated[
        list[ServedProtocol],
        Field(
            min_length=1,
            max_length=4,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ]
    """Protocols that it speaks."""
    preference: Annotated[int, Field(ge=0, le=1000)] = 100
    """Of runtimes that serve a variant on a pool equally well, that of the highest preference is taken."""
    loads: Annotated[list[Text], Field(max_length=8)] = []
    """Schemes of URIs that the server fetches itself, such as hf."""
    file_formats: Annotated[list[Name], Field(max_length=16)] = []
    """Of the formats those of which the server takes a single file, by its path: only those can be fetched as
    one file, without the folder that it is in."""
    supports: Annotated[
        list[Support],
        Field(
            min_length=1,
            max_length=24,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ]
    """How it runs on each kind of accelerator; the first that fits is taken."""
    reserved_arguments: Annotated[list[Text], Field(max_length=128)] = []
    """Arguments that application teams may not give, such as --port."""
    reserved_environment: Annotated[list[VariableGlob], Field(max_length=64)] = []
    """Variables that application teams may not set, in upper or lower case, such as those that stand for a
    reserved argument; VLLM_*_PATH means all that look so."""
    probes: Probes
    """How Kubernetes sees that the server is up."""
    sources: Annotated[list[Annotated[str, Field(max_length=512)]], Field(max_length=32)] = []
    """Where images and arguments were read."""


class InferenceRuntime(Resource):
    """A model server: formats, accelerators, precisions, protocols; image and arguments for each."""

    kind: Literal["InferenceRuntime"] = "InferenceRuntime"
    spec: InferenceRuntimeSpec
    """How it is started."""
