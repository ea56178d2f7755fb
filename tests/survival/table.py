"""What was measured of each fault, as a table."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SURVIVED = "survived"
"""The property of a test that holds what it measured; it comes along from another process, too."""
HEADING = ("fault", "tries", "own s", "max", "all s", "max", "writes", "requests", "edits", "lost")
FORM = "{:<46} {:>5} {:>6} {:>6} {:>6} {:>6} {:>7} {:>8} {:>6} {:>5}"


def table(measures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line a fault, over all tries; nothing where nothing was measured. Each is a town.Measure."""
    tries: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in measures:
        tries[each["fault"]].append(each)
    if tries:
        yield FORM.format(*HEADING)
    for fault, found in tries.items():
        numbers: list[str] = []
        for name in ("own", "seconds"):
            seconds = [each[name] for each in found]
            numbers += (f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}")
        most = [max(each[name] for each in found) for name in ("writes", "requests", "edits")]
        yield FORM.format(fault, len(found), *numbers, *most, 0)
