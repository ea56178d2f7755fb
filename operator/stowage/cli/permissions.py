"""``stowage permissions``: the roles that the operator needs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stowage.cluster.permissions import Permission

NAME = "stowage-operator"
LABELS = "{app.kubernetes.io/name: stowage}"
API = "rbac.authorization.k8s.io"


def permissions(
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the ServiceAccount, the roles and the bindings.")
    ] = NAME,
    namespace: Annotated[
        str, typer.Option(metavar="NAME", help="Namespace that the operator runs in.")
    ] = "stowage-system",
    watched: Annotated[
        list[str] | None,
        typer.Option(
            "--watch-namespace",
            metavar="NAME",
            help="Namespace that the operator is limited to. Repeatable. Absent: all namespaces.",
        ),
    ] = None,
) -> None:
    """Print the ServiceAccount of the operator and the least that it must be allowed, as YAML.

    Limited to namespaces, the operator writes by Roles in these, and its ClusterRole only reads.

    Exits with 0.

    Example:

    \b
    stowage permissions --namespace stowage-system | kubectl apply -f -
    """
    typer.echo(manifests(name, namespace, watched or ()), nl=False)


def manifests(name: str, namespace: str, watched: Iterable[str] = ()) -> str:
    """The ServiceAccount ``name`` of ``namespace``, its roles and their bindings: a YAML stream.

    Args:
        watched: the namespaces that the operator is limited to; none means all. Limited, it says nothing in
            the status of policies, so that its ClusterRole only reads.
    """
    from stowage.cluster.permissions import Scope
    from stowage.cluster.permissions import permissions as rows

    limited = sorted(set(watched))
    cluster = rows(Scope.CLUSTER, reads_only=True) if limited else rows(Scope.CLUSTER, Scope.WORKLOAD)
    subject = f"{{kind: ServiceAccount, name: {name}, namespace: {namespace}}}"
    documents = [_object("v1", "ServiceAccount", name, namespace)]
    documents += _role("ClusterRole", name, "", cluster, subject)
    for each in limited:
        documents += _role("Role", name, each, rows(Scope.WORKLOAD), subject)
    # A name of its own: the operator may run in one of the namespaces that it is limited to.
    documents += _role("Role", f"{name}-leader", namespace, rows(Scope.OWN), subject)
    return "---\n".join(documents)


def rules(rows: Iterable[Permission]) -> str:
    """Rules of a role as YAML, each below the sentence that says what for."""
    return "".join(
        f"{_comment(row.why)}\n"
        f"- apiGroups: [{_word(row.group)}]\n"
        f"  resources: [{', '.join(row.names)}]\n"
        f"  verbs: [{', '.join(row.verbs)}]\n"
        for row in rows
    )


def _comment(text: str) -> str:
    lines = textwrap.wrap(text, 100, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return "\n".join(lines)


def _word(text: str) -> str:
    return text or '""'


def _object(api_version: str, kind: str, name: str, namespace: str) -> str:
    where = f", namespace: {namespace}" if namespace else ""
    metadata = f"{{name: {name}{where}, labels: {LABELS}}}"
    return f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {metadata}\n"


def _role(kind: str, name: str, namespace: str, rows: Iterable[Permission], subject: str) -> list[str]:
    role = _object(f"{API}/v1", kind, name, namespace)
    binding = _object(f"{API}/v1", f"{kind}Binding", name, namespace)
    reference = f"roleRef: {{apiGroup: {API}, kind: {kind}, name: {name}}}\n"
    return [f"{role}rules:\n{rules(rows)}", f"{binding}{reference}subjects:\n- {subject}\n"]
