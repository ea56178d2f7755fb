"""Text that ends up in pods: in arguments, variables and paths, where some characters mean something."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from stowage.api.types import rule, sentence

MODEL_NAME_PATTERN = r"^[A-Za-z0-9][-A-Za-z0-9_.:@+]*(/[A-Za-z0-9][-A-Za-z0-9_.:@+]*)*$"
ModelName = Annotated[
    str,
    Field(max_length=253, pattern=MODEL_NAME_PATTERN),
    sentence(
        MODEL_NAME_PATTERN,
        'write letters, digits and "-_.:@+", parts separated by "/", such as llama-3.1-8b or org/llama-8b',
        max_length=253,
    ),
]
"""It stands in arguments and in paths of probes: no spaces, no beginning like a flag's, nothing to expand."""

TASK_PATTERN = r"^[A-Za-z0-9][-A-Za-z0-9_./ ]*$"
Task = Annotated[
    str,
    Field(max_length=253, pattern=TASK_PATTERN),
    sentence(TASK_PATTERN, "write what the model does, such as text-generation", max_length=253),
]

VARIABLE_NAME_PATTERN = r"^[A-Za-z_][-A-Za-z0-9_.]*$"
VariableName = Annotated[
    str,
    Field(max_length=253, pattern=VARIABLE_NAME_PATTERN),
    sentence(
        VARIABLE_NAME_PATTERN,
        'write letters, digits, "-", "_" and ".", not beginning with a digit, such as VLLM_LOGGING_LEVEL',
        max_length=253,
    ),
]

SECRET_KEY_PATTERN = r"^[A-Za-z0-9_][-A-Za-z0-9_.]*$"
SecretKey = Annotated[
    str,
    Field(max_length=253, pattern=SECRET_KEY_PATTERN),
    sentence(
        SECRET_KEY_PATTERN, 'write a key of the Secret: letters, digits, "-", "_" and "."', max_length=253
    ),
]

VARIABLE_GLOB_PATTERN = r"^[A-Za-z_*][A-Za-z0-9_*]*$"
VariableGlob = Annotated[
    str,
    Field(max_length=128, pattern=VARIABLE_GLOB_PATTERN),
    sentence(
        VARIABLE_GLOB_PATTERN,
        "write a variable's name, with * for any characters, such as VLLM_*_PATH",
        max_length=128,
    ),
]
_CONTROL_CHARACTERS = r"[\x00-\x08\x0b-\x1f\x7f]"
_EXPANDED_VALUE = r"^-[^$=]*="
GIVEN_ARGUMENT_MESSAGE = (
    "write plain text; $(NAME), which is replaced by a variable, stands only in a flag's value, as in"
    " --api-key=$(API_KEY)"
)


def _check_argument(value: str) -> str:
    expands = "$(" in value and not re.match(_EXPANDED_VALUE, value)
    if expands or re.search(_CONTROL_CHARACTERS, value):
        raise ValueError(GIVEN_ARGUMENT_MESSAGE)
    return value


GivenArgument = Annotated[
    str,
    Field(max_length=512),
    AfterValidator(_check_argument),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 512,
            "x-kubernetes-validations": [
                rule(
                    f"!self.matches(r'{_CONTROL_CHARACTERS}')"
                    f" && (!self.contains('$(') || self.matches('{_EXPANDED_VALUE}'))",
                    GIVEN_ARGUMENT_MESSAGE,
                )
            ],
        }
    ),
]
"""An argument of an application team. The kubelet replaces $(NAME) in arguments: one that is nothing else
would be whatever the variable says, a reserved flag for example."""
