"""The command line of a model server: the runtime's arguments, the variant's pins, the user's last."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_runtime import (
    PLACEHOLDER,
    PLACEHOLDERS,
    InferenceRuntime,
    Support,
    VariantArguments,
)
from stowage.api.reasons import Code
from stowage.api.variant import Variant
from stowage.placement.decision import Decision
from stowage.placement.reasons import Reason

_VLLM = {"--reasoning-parser"}
_LLAMA_CPP = (
    {"--api-key", "--ui", "--webui", "-n"}
    | {"-cb", "-cl", "-cmoe", "-ctk", "-ctkd", "-ctv", "-ctvd"}
    | {"-mg", "-mm", "-mmdev", "-mmu"}
    | {"-tb", "-tbd", "-td", "-to", "-ts"}
)
_WHOLE_FLAGS = frozenset(_VLLM | _LLAMA_CPP)
"""Flags of the catalog's servers that only begin like a reserved one: a whole flag is never an abbreviation.

Sources: vllm-project/vllm vllm/engine/arg_utils.py; ggml-org/llama.cpp tools/server/README.md.
"""


def placeholder_values(workload: InferenceDeployment, model_path: str, devices: int) -> dict[str, str | None]:
    """Values of the placeholders that arguments may hold; None where the model has none."""
    attention = workload.spec.model.attention
    return {
        "modelPath": model_path,
        "modelName": workload.spec.model.name,
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


def reserved_argument(workload: InferenceDeployment, runtime: InferenceRuntime) -> str | None:
    """The first extra argument that is the runtime's own, in any way that servers let one write it."""
    reserved = [_flag(r) for r in runtime.spec.reserved_arguments]
    for argument in workload.spec.template.extra_arguments:
        if argument.startswith("-") and any(_means(_flag(argument), r) for r in reserved):
            return argument
    return None


def refused_argument(decision: Decision) -> Reason | None:
    """Why what was decided can't be rendered: an extra argument is the runtime's own."""
    for chosen in decision.placements:
        workload, runtime = chosen.candidate.demand.workload, chosen.candidate.runtime
        argument = reserved_argument(workload, runtime)
        if argument is not None:
            return Reason(
                Code.RESERVED_ARGUMENT,
                f"spec.template.extraArguments: {argument!r} is set by runtime {runtime.name} itself; "
                "leave it out",
            )
    return None


def _flag(argument: str) -> str:
    """The flag alone: ``--hf_overrides.x=1``, ``--hf-overrides+=1`` and ``--hf-overrides 1`` are one."""
    name = re.split(r"[=\s.+]", argument, maxsplit=1)[0]
    return name.replace("_", "-")


def _means(given: str, reserved: str) -> bool:
    """Whether a flag stands for a reserved one.

    argparse takes any beginning of a flag for the flag (``--trust`` for ``--trust-remote-code``, ``-t`` for
    ``-tp``), getopt_long does so for long ones, and both take a value glued to a short one (``-qfp8``).
    What isn't known to be a flag of its own and begins like that is refused too: that is safe, and the
    error names it.
    """
    if given == reserved or given in ("-", "--") or given in _WHOLE_FLAGS:
        return given == reserved
    glued = len(reserved) == len("-x") and not given.startswith("--") and given.startswith(reserved)
    return glued or reserved.startswith(given)
