"""What is known from memory only is marked so, field by field."""

from __future__ import annotations

import pytest

from stowage.api.accelerator_class import AcceleratorClass
from stowage.catalog import load_catalog
from stowage.cli.catalog_entry import remarks, rows

CLASSES = load_catalog().classes


def known(accelerator: AcceleratorClass) -> dict[str, str]:
    return {row.field: row.known_from for row in rows(accelerator)}


def test_a_figure_is_marked_as_its_provenance_says() -> None:
    assert list(rows(CLASSES["nvidia-h200-nvl"]))[:6] == [
        ("resource name", "nvidia.com/gpu", "a source"),
        ("recognised by", "gfd, gfd-shared, gfd-renamed", "memory only"),
        ("memory", "141Gi", "a source"),
        ("memory bandwidth", "4800 GB/s", "a source"),
        ("fp32", "60 TFLOPS", "memory only"),
        ("tf32", "417.5 TFLOPS, 835 with 2:4 sparsity", "memory only"),
    ]
    said = list(remarks(CLASSES["nvidia-h200-nvl"]))
    assert said[0] == "From memory only: match: gfd product string; fp32; tf32; int8"


def test_sparsity_dialect_and_the_nodes_memory_are_said() -> None:
    values = {row.field: row.value for row in rows(CLASSES["nvidia-l4"])}
    assert values["fp8"] == "242 TFLOPS, 484 with 2:4 sparsity, ocp"
    assert {row.field: row.value for row in rows(CLASSES["hailo-8"])}["memory"] == "the node's"


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_no_field_of_the_catalog_that_is_recalled_is_shown_as_read(name: str) -> None:
    accelerator = CLASSES[name]
    assert accelerator.spec.provenance is not None
    shown = known(accelerator)
    texts = set(accelerator.spec.provenance.memory_fields)
    for text, field in (("bandwidth", "memory bandwidth"), ("memory", "memory"), ("powerWatts", "power")):
        if text in texts and field in shown:
            assert shown[field] in ("memory only", "the node")
    for precision in accelerator.spec.precisions:
        if texts & {precision.name, "precisions"}:
            assert shown[precision.name] == "memory only"


def test_a_class_of_ones_own_without_provenance_is_not_called_verified() -> None:
    plain = CLASSES["nvidia-l4"]
    own = plain.model_copy(update={"spec": plain.spec.model_copy(update={"provenance": None})})
    assert set(known(own).values()) == {"memory only"}
    assert list(remarks(own)) == []
