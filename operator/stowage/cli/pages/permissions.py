"""The page of what the operator may do, made of the table that its roles are made of."""

from __future__ import annotations

from stowage.cli.pages.markdown import code, escape, page, table
from stowage.cluster.permissions import PERMISSIONS, Permission, Scope, grants

ABOUT = """\
The least that the operator's ServiceAccount must be allowed. The roles of the chart and of `manifests/` are
made of the same table, and so is what `stowage permissions` prints. Tests compare it with the API server's
audit log: nothing that the operator asks for is refused, and nothing is granted that it never asks for.

It never reads a Secret or a ConfigMap, never creates a pod itself, and grants no right to anybody.
"""
WHERE = {
    Scope.CLUSTER: (
        "In the whole cluster",
        "A ClusterRole. Where the operator is limited to namespaces, only what reads is left of it.",
    ),
    Scope.WORKLOAD: (
        "Where InferenceDeployments are",
        "In the same ClusterRole; or a Role in each namespace that the operator is limited to.",
    ),
    Scope.OWN: ("In the operator's own namespace", "A Role."),
}


def permissions_page() -> str:
    """The page of all rows, by where they hold."""
    lines = [ABOUT]
    for scope, (title, form) in WHERE.items():
        rows = [_row(row) for row in PERMISSIONS if row.scope is scope]
        lines += [f"## {title}", "", form, ""]
        lines += table(("API group", "Resources", "Verbs", "What for"), rows)
    lines += [f"{len(PERMISSIONS)} rules, which grant {len(grants())} pairs of a resource and a verb."]
    return page("Permissions", lines)


def _row(row: Permission) -> tuple[str, str, str, str]:
    names = ", ".join(code(name) for name in row.names)
    return code(row.group) if row.group else "core", names, ", ".join(row.verbs), escape(row.why)
