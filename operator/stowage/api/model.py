"""The model that is served, whatever its variant."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stowage.api.meta import Model, Rule
from stowage.api.pod_text import ModelName, Task
from stowage.api.types import Count, Int64, Protocol, Quantity


class Attention(Model):
    """The attention of a language model: it sizes the KV cache."""

    layers: Count
    """Number of transformer layers."""
    kv_heads: Count
    """Number of key and value heads (fewer than attention heads with grouped-query attention)."""
    head_dimension: Count
    """Size of one head."""
    context_length: Annotated[int, Field(ge=1, le=100_000_000)]
    """Tokens of prompt and answer that one request may have."""


class Inference(Model):
    """The work of one inference of a classic (not autoregressive) model."""

    flops: Int64
    """Floating point operations of one inference."""
    activation_memory: Quantity | None = None
    """Peak memory of activations for one inference."""


class ModelInfo(Model):
    """The model that is served, whatever the variant."""

    name: ModelName
    """The name that clients ask for."""
    task: Task
    """What the model does, such as text-generation, embedding or image-classification."""
    protocol: Protocol | None = None
    """The protocol that clients speak: OpenAI, V2 (open inference protocol) or TensorFlowServing.
    A fallback never changes it. Default: OpenAI for text-generation, chat and embedding, else V2."""
    parameters: Int64 | None = None
    """Number of parameters."""
    attention: Attention | None = None
    """For language models."""
    inference: Inference | None = None
    """For classic models."""

    rules = (
        Rule(
            "!(has(self.attention) && has(self.inference))",
            "give attention for a language model or inference for a classic one, not both",
            lambda self: self.attention is None or self.inference is None,
        ),
        Rule(
            "!has(oldSelf.protocol) || (has(self.protocol) && self.protocol == oldSelf.protocol)",
            "protocol can't be changed, since clients speak it; put back the old one, "
            "or create another InferenceDeployment",
            field="protocol",
        ),
    )

    @property
    def wire_protocol(self) -> Protocol:
        """The protocol, defaulted by task."""
        if self.protocol is not None:
            return self.protocol
        return "OpenAI" if self.task in OPENAI_TASKS else "V2"


OPENAI_TASKS = frozenset({"text-generation", "chat", "embedding", "text-embedding"})
