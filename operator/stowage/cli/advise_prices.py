"""The prices of ``stowage advise --prices``: what one device costs per hour, by class."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated

import yaml
from pydantic import Field, ValidationError

from stowage.api.meta import Model
from stowage.api.refusal import advice, path_of, show
from stowage.api.schema import structural_schema
from stowage.api.types import Amount, Name
from stowage.cli.errors import UsageError
from stowage.cli.manifests import Manifest, read_mapping


class ClassPrice(Model):
    """What is paid for one kind of accelerator."""

    cost_per_device_hour: Amount
    """Price of one device per hour, with its share of the node; of a CPU, of one core."""


class PriceList(Model):
    """Prices by AcceleratorClass, all in one currency."""

    currency: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    """Shown beside costs, such as USD. Nothing is converted."""
    classes: dict[Name, ClassPrice]
    """Prices by name of the AcceleratorClass. A class that isn't here has no known price."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What ``advise`` needs of a price list."""

    of_device: Mapping[str, Decimal] = field(default_factory=dict)
    """Per hour, by class."""
    currency: str | None = None


def read_prices(source: str, classes: Collection[str]) -> Prices:
    """The prices of a YAML or JSON file.

    Args:
        classes: names of the AcceleratorClasses that there are.

    Raises:
        UsageError: one line that names file, line and field, and says what would be right.
    """
    manifest = read_mapping(source)
    try:
        listed = PriceList.model_validate(manifest.body, strict=True)
    except ValidationError as error:
        # A mistyped field is also a missing one; what was written says more.
        found = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
        first, *others = found
        text = f"{path_of(first)}: {advice(first, structural_schema(PriceList))}"
        more = f" (and {len(others)} more)" if others else ""
        raise _at(manifest, path_of(first), text + more) from None
    for name, line in _repeated(manifest.node):
        raise UsageError(f"{manifest.place}:{line}: classes.{name}: found twice; write one price")
    for name, price in listed.classes.items():
        if name not in classes:
            close = get_close_matches(name, classes, 1)
            hint = f"did you mean {close[0]}?" if close else "see stowage catalog"
            raise _at(
                manifest, f"classes[{name}]", f"classes.{name}: no AcceleratorClass has this name; {hint}"
            )
        if Decimal(price.cost_per_device_hour) == 0:
            path, zero = f"classes[{name}].costPerDeviceHour", show(price.cost_per_device_hour)
            hint = "write a price above zero, or leave the class out where it isn't known"
            raise _at(manifest, path, f"classes.{name}.costPerDeviceHour: found {zero}; {hint}")
    priced = {name: Decimal(price.cost_per_device_hour) for name, price in listed.classes.items()}
    return Prices(priced, listed.currency)


def _at(manifest: Manifest, path: str, text: str) -> UsageError:
    return UsageError(f"{manifest.place}:{manifest.line_of(path)}: {text}")


def _repeated(node: yaml.Node) -> Iterator[tuple[str, int]]:
    """Classes that are named again, and on which line: YAML readers silently take the last."""
    entries = node.value if isinstance(node, yaml.MappingNode) else []
    listed = next((v for k, v in entries if k.value == "classes"), None)
    seen: set[str] = set()
    for key, _ in listed.value if isinstance(listed, yaml.MappingNode) else []:
        if key.value in seen:
            yield key.value, key.start_mark.line + 1
        seen.add(key.value)
