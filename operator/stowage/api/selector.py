"""How a tier, a variant or a runtime names the accelerators it means."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stowage.api.meta import Labels, LabelSelector, Model
from stowage.api.types import AcceleratorType, CapacityType, Name, Quantity, Text


class AcceleratorSelector(Model):
    """Selects accelerators. Every field that is given must hold; within a list, one entry must.

    A selector that doesn't name types means every type but CPU.
    """

    types: Annotated[list[AcceleratorType], Field(max_length=7)] = []
    """Kinds of device. Absent: all but CPU."""
    vendors: Annotated[list[Text], Field(max_length=16)] = []
    """Vendors as the accelerator classes name them, such as NVIDIA."""
    classes: Annotated[list[Name], Field(max_length=64)] = []
    """Names of AcceleratorClasses."""
    exclude_classes: Annotated[list[Name], Field(max_length=64)] = []
    """Names of AcceleratorClasses that are not meant."""
    capacity_types: Annotated[list[CapacityType], Field(max_length=3)] = []
    """Spot, on-demand or reserved capacity."""
    min_memory: Quantity | None = None
    """The least nominal memory of one device."""
    selector: LabelSelector | None = None
    """Over the labels of the AcceleratorClass."""
    node_selector: Labels = {}
    """Labels that all nodes of the pool have."""
