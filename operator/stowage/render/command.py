"""The command line of a model server: the runtime's arguments, the variant's pins, the user's last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_runtime import (
    PLACEHOLDER,
    PLACEHOLDERS,
    Support,
    VariantArguments,
)
from stowage.api.variant import Variant


def placeholder_values(
    workload: InferenceDeployment, variant: Variant, model_path: str, devices: int
) -> dict[str, str | None]:
    """Values of the placeholders that arguments may hold; None where model or variant has none."""
    attention = workload.spec.model.attention
    return {
        "modelPath": model_path,
        "modelName": workload.spec.model.name,
        "digest": variant.digest,
        "devices": str(devices),
        "contextLength": str(attention.context_length) if attention else None,
    }


def fill(arguments: Iterable[str], values: Mapping[str, str | None]) -> list[str]:
    """The arguments with their placeholders replaced. One whose placeholder has no value is left out.

    Raises:
        ValueError: an argument holds an unknown placeholder.
    """
    filled = []
    for argument in arguments:
        names = PLACEHOLDER.findall(argument)
        unknown = [n for n in names if n not in PLACEHOLDERS]
        if unknown:
            known = ", ".join(sorted(PLACEHOLDERS))
            raise ValueError(f"argument {argument!r}: unknown placeholder {unknown[0]!r}; known are {known}")
        if all(values.get(n) is not None for n in names):
            filled.append(PLACEHOLDER.sub(lambda m: str(values[m[1]]), argument))
    return filled


def server_arguments(
    workload: InferenceDeployment, variant: Variant, support: Support, values: Mapping[str, str | None]
) -> list[str]:
    """All arguments of the server: the runtime's, then those that pin the variant, then the user's."""
    pins = [a for entry in support.variant_arguments if _applies(entry, variant) for a in entry.arguments]
    return [
        *fill(support.arguments, values),
        *fill(pins, values),
        *workload.spec.template.extra_arguments,
    ]


def _applies(entry: VariantArguments, variant: Variant) -> bool:
    if entry.precisions and variant.precision not in entry.precisions:
        return False
    return variant.scheme in entry.schemes if entry.schemes else not variant.scheme
