"""What our Deployments hold, kept up to date as they, their pods and decisions in flight change."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stowage.cluster.reflector import Key
from stowage.control.projections import Child
from stowage.control.usage import Group, Usage
from stowage.placement.snapshot import Holding, HoldingKey
from stowage.render.names import placement_hash


class Holdings:
    """Holdings by namespace and Deployment, computed anew for what changed alone."""

    def __init__(
        self, deployments: Mapping[Key, Child], usage: Usage, is_ours: Callable[[Key, Child], bool]
    ) -> None:
        """Args:
        is_ours: whether the Deployment's controller is an InferenceDeployment that exists. Our labels alone
            say nothing: who may create Deployments could take all room with one that makes no pod.
        """
        self._deployments = deployments
        self._usage = usage
        self._is_ours = is_ours
        self._in_flight: dict[Key, Holding] = {}
        self._known: dict[Key, Holding] = {}
        self._of_group: dict[Group, set[Key]] = {}
        self._of_owner: dict[str, set[Key]] = {}
        self._changed: set[Key] = set()

    def deployment_changed(self, key: Key, old: Child | None, new: Child | None) -> None:
        """Takes in that a Deployment came, changed or went."""
        if old is not None:
            _drop(self._of_group, _group(key, old), key)
            _drop(self._of_owner, old.owner_uid, key)
        if new is not None:
            self._of_group.setdefault(_group(key, new), set()).add(key)
            self._of_owner.setdefault(new.owner_uid, set()).add(key)
        self._changed.add(key)

    def pods_changed(self, group: Group) -> None:
        """Takes in that pods of a placement were bound or went."""
        self._changed |= self._of_group.get(group, set())

    def owner_changed(self, uid: str) -> None:
        """Takes in that the InferenceDeployment of this uid came or went."""
        self._changed |= self._of_owner.get(uid, set())

    def reserve(self, key: Key, holding: Holding) -> None:
        """Holds room for a decision that is being written."""
        self._in_flight[key] = holding
        self._changed.add(key)

    def release(self, key: Key) -> None:
        """The decision was written, or failed; from now on the Deployment itself counts."""
        if self._in_flight.pop(key, None) is not None:
            self._changed.add(key)

    def owned_by(self, uid: str) -> list[tuple[Key, Child]]:
        """The Deployments that the object of this uid controls, by name."""
        return [(key, self._deployments[key]) for key in sorted(self._of_owner.get(uid, ()))]

    def changes(self) -> dict[HoldingKey, Holding | None]:
        """The holdings that changed since the last call; None for those that are gone."""
        changed, self._changed = self._changed, set()
        found: dict[HoldingKey, Holding | None] = {}
        for key in sorted(changed):
            old, new = self._known.pop(key, None), self._holding(key)
            if new is not None:
                self._known[key] = new
            if old is not None and (new is None or new.key != old.key):
                found[old.key] = None
            if new is not None and new != old:
                found[new.key] = new
        return found

    def every(self) -> tuple[Holding, ...]:
        """All holdings, after ``changes``."""
        return tuple(self._known[key] for key in sorted(self._known))

    def _holding(self, key: Key) -> Holding | None:
        if key in self._in_flight:
            return self._in_flight[key]
        child = self._deployments.get(key)
        if child is None or child.placement is None or child.requests is None:
            return None
        if not self._is_ours(key, child):
            return None
        group = _group(key, child)
        requests = {k: v for k, v in child.requests.items() if k != "pods"}
        owner = group[0], group[1]
        ready = child.serves if child.observed else None
        bound = self._usage.bound(group)
        return Holding(owner, key[1], child.placement, requests, child.replicas, bound, ready)


def _group(key: Key, child: Child) -> Group:
    return key[0], child.labelled, placement_hash(child.placement) if child.placement is not None else ""


def _drop(index: dict[Group, set[Key]] | dict[str, set[Key]], name: Group | str, key: Key) -> None:
    members = index.get(name)  # type: ignore[arg-type]
    if members is not None:
        members.discard(key)
        if not members:
            del index[name]  # type: ignore[arg-type]
