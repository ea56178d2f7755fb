"""Calibration and evaluation data: ``.npz`` files with an array for each input, and labels or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stowage_builder.errors import BadInput

LABELS = "labels"
"""The name of the array with the index of the right class of each example."""
Feed = dict[str, np.ndarray[Any, Any]]
"""Arrays by input."""


@dataclass(frozen=True)
class DataSet:
    """Examples along the first axis of every array."""

    name: str
    inputs: Mapping[str, np.ndarray[Any, Any]]
    labels: np.ndarray[Any, Any] | None
    count: int

    def batches(self, size: int) -> Iterator[Feed]:
        """All examples, in order; the last batch may be smaller."""
        for start in range(0, self.count, size):
            yield {name: array[start : start + size] for name, array in self.inputs.items()}


@dataclass(frozen=True)
class Input:
    """An input of a model."""

    name: str
    type: type[np.generic]
    batch: int | None
    """Examples that each call takes; None where it takes any number."""


def load(path: Path, inputs: Sequence[Input]) -> DataSet:
    """Reads a data set for a model with these inputs. A model with one input takes the only array, whatever
    its name.

    Raises:
        BadInput: it can't be read, or its arrays are not those of the inputs.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(f"{path.name} can't be read as .npz: {error}") from error
    labels = arrays.pop(LABELS, None)
    if len(inputs) == 1 and len(arrays) == 1:
        arrays = {inputs[0].name: next(iter(arrays.values()))}
    missing = [each.name for each in inputs if each.name not in arrays]
    if missing:
        known = ", ".join(sorted(arrays)) or "none"
        raise BadInput(f"{path.name} has no array for the input {missing[0]!r}; its arrays are {known}")
    found = {each.name: arrays[each.name].astype(each.type, copy=False) for each in inputs}
    counts = {len(array) if array.ndim else 0 for array in found.values()}
    if labels is not None:
        counts.add(len(labels))
    if len(counts) != 1 or 0 in counts:
        raise BadInput(f"{path.name}: every array needs as many examples as the others, and at least one")
    return DataSet(path.name, found, labels, counts.pop())
