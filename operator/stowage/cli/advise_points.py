"""Which offers a plot draws, and the line of its Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from stowage.cli.advise_labels import XY
from stowage.placement.advise import Advice, Offer

GAP = 30
"""A point that is so many times slower than the next is left out of the drawing."""


def plotted(advice: Advice) -> list[Offer]:
    """The offers that have a place in the plot."""
    return [o for o in advice.serving if o.standing != "NotCompared"]


def near(offers: list[Offer]) -> tuple[list[Offer], list[Offer]]:
    """The offers that are drawn, and the few that are so much slower that they would press the others
    together: those beyond the first gap of ``GAP`` times, where they are fewer than a third."""
    ordered = sorted(offers, key=lambda o: o.candidate.estimate.latency or 0.0)
    for i, (one, after) in enumerate(pairwise(ordered), start=1):
        quick, slow = one.candidate.estimate.latency or 0.0, after.candidate.estimate.latency or 0.0
        if slow > quick * GAP and len(ordered) - i < len(ordered) / 3:
            drawn = {o.key for o in ordered[:i]}
            return [o for o in offers if o.key in drawn], ordered[i:]
    return offers, []


def stairs(front: Sequence[XY]) -> list[XY]:
    """The border of what the front leaves behind: between two points it's the corner that both dominate."""
    corners: list[XY] = [front[0]]
    for (_, before), after in pairwise(front):
        corners += [(after[0], before), after]
    return corners
