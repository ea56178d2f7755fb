"""The scalar types of the API, with their schema and the sentence shown when a value is refused.

Text is checked by a CEL rule and not by ``pattern``: a pattern's own error shows the expression and
doesn't say what to write instead. The Python side checks the same pattern, and ``parse`` takes the
sentence from the schema, so that both refuse the same values with the same words.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from stowage.api.quantity import parse_duration, parse_quantity

Schema = dict[str, Any]


def rule(cel: str, message: str, **extra: str) -> Schema:
    """One entry of ``x-kubernetes-validations``."""
    return {"rule": cel, "message": message, **extra}


def sentence(pattern: str, message: str, max_length: int) -> WithJsonSchema:
    """The schema of a string whose refusal is a sentence."""
    return WithJsonSchema(
        {
            "type": "string",
            "maxLength": max_length,
            "x-kubernetes-validations": [rule(f"self.matches('{pattern}')", message)],
        }
    )


def _int_or_string(cel: str, message: str, max_length: int) -> WithJsonSchema:
    """The schema of text that people also write as a bare whole number."""
    return WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": max_length,
            "x-kubernetes-validations": [rule(cel, message)],
        }
    )


def _integer_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_quantity(value: str) -> str:
    if parse_quantity(value) <= 0:
        raise ValueError(QUANTITY_MESSAGE)
    return value


def _check_duration(value: str) -> str:
    parse_duration(value)
    return value


QUANTITY_PATTERN = (
    r"^[+]?(([0-9]{1,18}([.][0-9]{0,9})?)|([.][0-9]{1,9}))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]{1,2}))?$"
)
"""The standard pattern with bounded digits: an exponent of nine digits would be a number of a
billion digits for whoever computes with it."""
QUANTITY_MESSAGE = "write a quantity above zero, such as 15Gi, 8500Mi or 500m"

Quantity = Annotated[
    str,
    BeforeValidator(_integer_text),
    Field(pattern=QUANTITY_PATTERN),
    AfterValidator(_check_quantity),
    _int_or_string(
        f"type(self) == int ? int(self) > 0 : self.matches('{QUANTITY_PATTERN}')"
        " && isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))",
        QUANTITY_MESSAGE,
        max_length=32,
    ),
]
"""A Kubernetes Quantity above zero, kept as it was written."""

DURATION_PATTERN = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
Duration = Annotated[
    str,
    Field(pattern=DURATION_PATTERN),
    AfterValidator(_check_duration),
    sentence(
        DURATION_PATTERN,
        "write a duration such as 500ms, 90s, 10m or 1h30m; the units are h, m, s and ms",
        max_length=28,
    ),
]
"""A duration as Kubernetes writes it, such as ``90s`` or ``1h30m``."""

DECIMAL_PATTERN = r"^[0-9]{1,12}([.][0-9]{1,6})?$"
Amount = Annotated[
    str,
    Field(pattern=DECIMAL_PATTERN),
    sentence(
        DECIMAL_PATTERN, 'write a plain decimal of zero or more in quotes, such as "2.02"', max_length=20
    ),
]
"""A decimal of zero or more, as a string: prices, rates, peaks. The API has no floats."""

FRACTION_PATTERN = r"^(0([.][0-9]{1,6})?|1([.]0{1,6})?)$"
Fraction = Annotated[
    str,
    Field(pattern=FRACTION_PATTERN),
    sentence(
        FRACTION_PATTERN, 'write a plain decimal from "0" to "1" in quotes, such as "0.99"', max_length=20
    ),
]
"""A decimal from 0 to 1, as a string: quality and gain."""

SHARE_PATTERN = r"^([0-9]{1,5}|[0-9]{1,2}%|100%)$"
CountOrShare = Annotated[
    str,
    BeforeValidator(_integer_text),
    Field(pattern=SHARE_PATTERN),
    _int_or_string(
        f"type(self) == int ? int(self) >= 0 && int(self) < 100000 : self.matches('{SHARE_PATTERN}')",
        "write a count such as 5 or a share such as 10%",
        max_length=8,
    ),
]
"""A count or a share of all, written as Kubernetes' maxUnavailable."""

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
Name = Annotated[
    str,
    Field(max_length=63, pattern=NAME_PATTERN),
    sentence(
        NAME_PATTERN,
        'write lower-case letters, digits, "-" and ".", beginning and ending with a letter or digit,'
        " such as llama-3.1-fp8",
        max_length=63,
    ),
]
"""A lower-case name, at most 63 characters."""

Text = Annotated[str, Field(min_length=1, max_length=253)]
LongText = Annotated[str, Field(max_length=1024)]

LABEL_KEY_PATTERN = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
LABEL_KEY_MESSAGE = "write the key of a label or taint, such as team or nvidia.com/gpu.product"
LabelKey = Annotated[
    str,
    Field(max_length=317, pattern=LABEL_KEY_PATTERN),
    sentence(LABEL_KEY_PATTERN, LABEL_KEY_MESSAGE, max_length=317),
]

LABEL_KEYS = rule(f"self.all(key, key.matches('{LABEL_KEY_PATTERN}'))", LABEL_KEY_MESSAGE)
"""For maps: the schema of a CustomResourceDefinition can't say what keys are like."""

LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
LabelValue = Annotated[
    str,
    Field(max_length=63, pattern=LABEL_VALUE_PATTERN),
    sentence(
        LABEL_VALUE_PATTERN,
        'write letters, digits, "-", "_" and ".", beginning and ending with a letter or digit',
        max_length=63,
    ),
]

ResourceName = Annotated[str, Field(min_length=1, max_length=317)]
"""The name of a resource of nodes, such as ``nvidia.com/gpu``."""

_ATOM = r"([A-Za-z0-9/_.-]|\\[.d]|\[(a-z|A-Z|0-9|[A-Za-z0-9_.])+-?\])[*+?]?"
RESOURCE_PATTERN = rf"^\^({_ATOM}|\(({_ATOM})+(\|({_ATOM})+)*\))+\$$"
"""What RE2 and Python read alike and in bounded time: characters, ``\\.``, ``\\d``, sets, ``*``, ``+``,
``?`` and alternatives in parentheses that aren't nested or repeated."""
RESOURCE_PATTERN_MESSAGE = (
    "write a regular expression from ^ to $ of characters, \\., \\d, [sets], *, +, ? and (one|other), such as"
    " ^amd\\.com/xilinx_u250_.+-\\d+$"
)


def _check_resource_pattern(value: str) -> str:
    try:
        re.compile(value, re.ASCII)
    except re.error as error:
        raise ValueError(RESOURCE_PATTERN_MESSAGE) from error
    return value


ResourcePattern = Annotated[
    str,
    Field(max_length=253, pattern=RESOURCE_PATTERN),
    AfterValidator(_check_resource_pattern),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 253,
            "x-kubernetes-validations": [
                rule(f"self.matches(r'{RESOURCE_PATTERN}')", RESOURCE_PATTERN_MESSAGE)
            ],
        }
    ),
]
"""An anchored regular expression over resource names."""

Argument = Annotated[str, Field(max_length=512)]
Count = Annotated[int, Field(ge=1, le=65536)]
Int64 = Annotated[int, Field(ge=1, le=9_000_000_000_000_000_000)]
"""A large whole number: parameters, operations, bytes."""

AcceleratorType = Literal["GPU", "TPU", "FPGA", "NPU", "IPU", "CPU", "Other"]
CapacityType = Literal["spot", "on-demand", "reserved"]
Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp8", "int8", "int4", "fp4"]
Protocol = Literal["OpenAI", "V2", "TensorFlowServing"]
Dialect = Literal["ocp", "fnuz"]
Architecture = Literal["amd64", "arm64"]
Goal = Literal[
    "Cheapest",
    "LowestLatency",
    "HighestThroughput",
    "LowestEnergy",
    "BestFit",
    "MostCapable",
    "FirstAvailable",
]
