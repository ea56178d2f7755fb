"""How good a variant is, relative to its reference: measured on data, or by the user's own script.

With labels it is the share of the reference's top-1 accuracy that the variant keeps, at most 1, as MLPerf's
rules for closed divisions have it (99% and 99.9% of the reference). Without, it is the share of examples
for which both say the same.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stowage_builder.data import DataSet, Input
from stowage_builder.engine import open_model, outputs
from stowage_builder.errors import EvaluationFailed

RELATIVE_ACCURACY = "top-1 accuracy relative to the reference"
AGREEMENT = "top-1 agreement with the reference"
SCRIPT_SECONDS = 3600


@dataclass(frozen=True)
class Quality:
    """A measured quality from 0 to 1, and what it is."""

    value: str
    """A decimal, rounded down: a variant is never called better than it is."""
    metric: str
    examples: int | None = None
    accuracy: str | None = None
    """Of the variant, where there are labels."""
    reference_accuracy: str | None = None
    agreement: str | None = None

    def to_wire(self) -> dict[str, Any]:
        names = {"reference_accuracy": "referenceAccuracy"}
        return {names.get(k, k): v for k, v in asdict(self).items() if v is not None}


def decimal(value: float) -> str:
    """Up to six digits, rounded down."""
    text = f"{math.floor(round(value * 1e6, 3)) / 1e6:.6f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text


def measure(reference: Path, variant: Path, data: DataSet, inputs: list[Input]) -> Quality:
    """Runs both models over the data.

    Raises:
        EvaluationFailed: the outputs are no scores of classes.
    """
    try:
        expected = outputs(open_model(reference), data, inputs)
        found = outputs(open_model(variant), data, inputs)
    except (RuntimeError, ValueError, TypeError) as error:
        raise EvaluationFailed(f"a model can't be run on {data.name}: {error}") from error
    best, chosen = _classes(expected, data), _classes(found, data)
    agreement = float(np.mean(best == chosen))
    if data.labels is None:
        return Quality(decimal(agreement), AGREEMENT, data.count)
    before, after = float(np.mean(best == data.labels)), float(np.mean(chosen == data.labels))
    if before == 0:
        raise EvaluationFailed(
            f"the reference is never right on {data.name}; its labels are of another model"
        )
    return Quality(
        value=decimal(min(1.0, after / before)),
        metric=RELATIVE_ACCURACY,
        examples=data.count,
        accuracy=decimal(after),
        reference_accuracy=decimal(before),
        agreement=decimal(agreement),
    )


def _classes(scores: np.ndarray[Any, Any], data: DataSet) -> np.ndarray[Any, Any]:
    """The class of each example."""
    if len(scores) != data.count:
        raise EvaluationFailed(f"the model's first output has {len(scores)} rows for {data.count} examples")
    if np.issubdtype(scores.dtype, np.floating):
        if not np.isfinite(scores).all():
            raise EvaluationFailed("the model's first output isn't finite on the evaluation data")
        if scores.ndim >= 2:
            classes: np.ndarray[Any, Any] = np.argmax(scores, axis=-1)
            return classes
    elif scores.ndim == 1:
        return scores  # the model says the class itself
    raise EvaluationFailed(
        "the model's first output are no scores of classes; give a script that measures it"
    )


def by_script(script: Path, reference: Path, variant: Path, data: Path | None) -> Quality:
    """Runs ``python SCRIPT REFERENCE VARIANT [DATA]``, whose last line must be a quality from 0 to 1, or
    a JSON object with ``quality`` and ``metric``.

    Raises:
        EvaluationFailed: it fails, takes too long, or says something else.
    """
    command = [sys.executable, str(script), str(reference), str(variant), *([str(data)] if data else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SCRIPT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EvaluationFailed(f"{script.name}: {error}") from error
    sys.stderr.write(done.stderr)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise EvaluationFailed(f"{script.name} ended with {done.returncode}: {last[:300]}")
    line = (done.stdout.strip().splitlines() or [""])[-1]
    value, metric = _said(line, script.name)
    if not 0 <= value <= 1:
        raise EvaluationFailed(
            f"{script.name} printed {line[:80]!r}; the last line must be a number from 0 to 1"
        )
    return Quality(decimal(value), metric)


def _said(line: str, script: str) -> tuple[float, str]:
    try:
        parsed = json.loads(line)
        if isinstance(parsed, dict):
            return float(parsed["quality"]), str(parsed.get("metric", script))[:63]
        return float(parsed), script[:63]
    except (ValueError, KeyError, TypeError):
        return math.nan, script
