"""Reads objects as ``kubectl get -o json`` prints them, without a process for each question.

Tests ask the same thing several times a second until it is so, and each kubectl costs some 70 ms of a core.
"""

from __future__ import annotations

import http
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from devcluster.api import ApiProbe

DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
SELECTORS = ("--selector=", "-l=")


class UnreadableError(Exception):
    """The question is none that is understood here, or was answered with an error: ask kubectl."""


@dataclass(frozen=True)
class _Resource:
    """Where the objects of a kind are read."""

    root: str
    """Such as /apis/apps/v1."""
    plural: str
    namespaced: bool

    def path(self, namespace: str) -> str:
        within = f"/namespaces/{quote(namespace)}" if self.namespaced else ""
        return f"{self.root}{within}/{self.plural}"


class Reader:
    """Reads as the user of a kubeconfig that has its credentials embedded."""

    def __init__(self, kubeconfig: Path) -> None:
        self._probe = ApiProbe(kubeconfig)
        self._resources: dict[str, _Resource] = {}
        """By each name that kubectl knows them by."""

    def get(self, namespace: str, what: str, *more: str) -> Any:
        """The object, or a List of objects; None where none is there, as with ``--ignore-not-found``.

        `what` is one kind or several, in any of their names, or ``kind/name``; `more` is a name or a
        label selector. Raises UnreadableError.
        """
        kind, _, name = what.partition("/")
        query = ""
        for each in more:
            selector = next((each.removeprefix(s) for s in SELECTORS if each.startswith(s)), "")
            if selector:
                query = f"?labelSelector={quote(selector)}"
            elif name or each.startswith("-"):
                raise UnreadableError(each)
            else:
                name = each
        if not name:
            return self._list(namespace, kind.split(","), query)
        if query or "," in kind:
            raise UnreadableError(what)
        return self._one(namespace, kind, name)

    def _one(self, namespace: str, kind: str, name: str) -> Any:
        status, answer = self._probe.ask(f"{self._resource(kind).path(namespace)}/{quote(name)}")
        if status == http.HTTPStatus.NOT_FOUND and answer.get("details", {}).get("name") == name:
            return None
        return _shown(_checked(status, answer))

    def _list(self, namespace: str, kinds: Sequence[str], query: str) -> Any:
        items: list[Any] = []
        for kind in kinds:
            path = self._resource(kind).path(namespace)
            found = _checked(*self._probe.ask(path + query))
            type_of_each = {"apiVersion": found["apiVersion"], "kind": found["kind"].removesuffix("List")}
            items += [_shown({**type_of_each, **each}) for each in found["items"]]
        return {"apiVersion": "v1", "kind": "List", "items": items} if items else None

    def _resource(self, name: str) -> _Resource:
        if name not in self._resources:
            self._discover()  # kinds come with their CustomResourceDefinitions
        try:
            return self._resources[name]
        except KeyError:
            raise UnreadableError(name) from None

    def _discover(self) -> None:
        """Learns all names; of two kinds with one name, the first that the server lists has it."""
        for path in ("/api", "/apis"):
            for group in _checked(*self._probe.ask(path, DISCOVERY))["items"]:
                suffix = group["metadata"].get("name", "")
                version = group["versions"][0]
                root = f"{path}/{suffix}/{version['version']}" if suffix else f"{path}/{version['version']}"
                for each in version["resources"]:
                    plural = each["resource"]
                    made = _Resource(root, plural, each["scope"] == "Namespaced")
                    names = {plural, each.get("singularResource", plural), *each.get("shortNames", ())}
                    for name in names | {f"{plural}.{suffix}"} if suffix else names:
                        self._resources.setdefault(name, made)


def _checked(status: int, answer: Any) -> Any:
    if status != http.HTTPStatus.OK:
        raise UnreadableError(json.dumps(answer))
    return answer


def _shown(found: Any) -> Any:
    """Without what kubectl hides unless it is asked for."""
    found["metadata"].pop("managedFields", None)
    return found
