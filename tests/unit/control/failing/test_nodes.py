"""A node that isn't ready is lost, unless most of them are at once."""

from __future__ import annotations

import pytest

from stowage.control.failing.nodes import COUNT_SECONDS, Nodes
from stowage.placement.snapshot import Node


def nodes(ready: int, lost: int) -> dict[tuple[str, str], Node]:
    states = [True] * ready + [False] * lost
    return {("", f"n{i}"): Node(f"n{i}", {}, (), {}, {}, ready=state) for i, state in enumerate(states)}


@pytest.mark.parametrize(
    ("ready", "lost", "alive"),
    [
        (0, 1, False),
        (0, 2, False),
        (0, 3, True),
        (2, 3, True),
        (3, 3, False),
        (45, 55, True),
        (46, 54, False),
    ],
)
def test_the_last_node_which_is_not_ready(ready: int, lost: int, alive: bool) -> None:
    assert Nodes(nodes(ready, lost)).alive(f"n{ready + lost - 1}") is alive


def test_nodes_that_are_ready_or_gone() -> None:
    found = Nodes(nodes(1, 9))
    assert (found.alive("n0"), found.alive("other")) == (True, None)


def test_the_count_is_renewed() -> None:
    now, stored = 0.0, nodes(0, 3)
    found = Nodes(stored, lambda: now)
    assert found.alive("n0") is True
    stored.update({key: node for key, node in nodes(3, 0).items() if key != ("", "n0")})
    assert found.alive("n0") is True
    now += COUNT_SECONDS
    assert found.alive("n0") is False
