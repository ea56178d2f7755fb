"""Which namespaces the operator serves: all, or those that it was told.

Told some, it lists, watches and writes namespaced objects in those alone, so that a Role in each is enough.
What decides over room stays as it is, for the whole cluster and read only: nodes, pods, namespaces.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Scope:
    """The namespaces told, and what is known of them."""

    only: frozenset[str] = frozenset()
    """Empty: all of them."""
    there: dict[str, str] = field(default_factory=dict)
    """Those of ``only`` that exist, also while they are going, with their uid."""
    readable: set[str] = field(default_factory=set)
    """Those of which everything was listed, and of which nothing was refused since. In any other nothing is
    decided: what serves there isn't known."""
    watched: set[str] = field(default_factory=set)
    """Those of which watches tell what changes."""

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """The scope of these namespaces; of none, all."""
        return cls(frozenset(names))

    def includes(self, namespace: str) -> bool:
        """Whether objects of the namespace are ours to look at."""
        return not self.only or namespace in self.only

    def serves(self, namespace: str) -> bool:
        """Whether decisions can be made in the namespace."""
        return not self.only or namespace in self.readable

    def places(self) -> tuple[str, ...]:
        """Where to list at the start: the cluster, written as ``""``, then each namespace that is there."""
        return "", *sorted(self.there)

    def watched_places(self) -> tuple[str, ...]:
        """Where to list again."""
        return "", *sorted(self.watched)
