"""What an application team adds to a server, and may not: arguments and variables of the runtime's own."""

from __future__ import annotations

import re

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_runtime import InferenceRuntime
from stowage.api.reasons import Code
from stowage.api.reserved import is_reserved_variable
from stowage.placement.decision import Decision
from stowage.placement.reasons import Reason
from stowage.render.memo import once

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


def refused_addition(decision: Decision) -> Reason | None:
    """Why what was decided can't be rendered: the team set an argument or a variable of the runtime's own."""
    for chosen in decision.placements:
        workload, runtime = chosen.candidate.demand.workload, chosen.candidate.runtime
        argument = reserved_argument(workload, runtime)
        if argument is not None:
            return Reason(
                Code.RESERVED_ARGUMENT,
                f"spec.template.extraArguments: {argument!r} is set by runtime {runtime.name} itself; "
                "leave it out",
            )
        variable = reserved_variable(workload, runtime)
        if variable is not None:
            return Reason(
                Code.RESERVED_VARIABLE,
                f"spec.template.env[{variable}]: runtime {runtime.name} reserves this variable; leave it out",
            )
    return None


def reserved_argument(workload: InferenceDeployment, runtime: InferenceRuntime) -> str | None:
    """The first extra argument that is the runtime's own, in any way that servers let one write it."""
    reserved = _reserved_flags(runtime) if workload.spec.template.extra_arguments else ()
    for argument in workload.spec.template.extra_arguments:
        if argument.startswith("-") and any(_means(_flag(argument), r) for r in reserved):
            return argument
    return None


@once
def _reserved_flags(runtime: InferenceRuntime) -> tuple[str, ...]:
    return tuple(_flag(r) for r in runtime.spec.reserved_arguments)


def reserved_variable(workload: InferenceDeployment, runtime: InferenceRuntime) -> str | None:
    """The first variable that is the runtime's own: many servers take a flag's value from the environment."""
    patterns = runtime.spec.reserved_environment
    if not patterns:
        return None
    names = (each.name for each in workload.spec.template.env)
    return next((name for name in names if is_reserved_variable(name, patterns)), None)


def _flag(argument: str) -> str:
    """The flag alone: ``--hf_overrides.x=1``, ``--hf-overrides+=1`` and ``--hf-overrides 1`` are one."""
    name = re.split(r"[=\s.+]", argument, maxsplit=1)[0]
    return name.replace("_", "-")


def _means(given: str, reserved: str) -> bool:
    """Whether a flag stands for a reserved one.

    argparse takes any beginning of a flag for the flag (``--trust`` for ``--trust-remote-code``, ``-t`` for
    ``-tp``), getopt_long does so for long ones, both take a value glued to a short one (``-qfp8``), and
    gflags takes one dash for two (``-port``). What isn't known to be a flag of its own and begins like that
    is refused too: that is safe, and the error names it.
    """
    if given == reserved or given in ("-", "--") or given in _WHOLE_FLAGS:
        return given == reserved
    short = len(reserved) == len("-x") and not given.startswith("--")
    glued = short and given.startswith(reserved)
    return glued or reserved.startswith(given) or f"-{given}" == reserved
