"""What people may do with Stowage's kinds: the source of the roles that the installations offer.

A team says what it wants, the platform what there is. So who edits a namespace writes InferenceDeployments,
and neither their status, which is the operator's word, nor the cluster's kinds.
"""

from __future__ import annotations

from collections.abc import Mapping

from stowage.cluster import ports
from stowage.cluster.permissions import CLUSTER_KINDS, Permission, Scope

_READ = ("get", "list", "watch")
_WRITE = ("create", "update", "patch", "delete", "deletecollection")
_READSCLUSTER_KINDS = Permission(
    Scope.CLUSTER, CLUSTER_KINDS, _READ, "Policies, pools, classes and runtimes, where bound in the cluster."
)

PEOPLE: Mapping[str, tuple[Permission, ...]] = {
    "view": (
        Permission(Scope.WORKLOAD, (ports.INFERENCE_DEPLOYMENTS,), _READ, "What is placed, where, and why."),
        _READSCLUSTER_KINDS,
    ),
    "edit": (
        Permission(Scope.WORKLOAD, (ports.INFERENCE_DEPLOYMENTS,), _WRITE, "What is to be placed."),
        Permission(
            Scope.WORKLOAD,
            (ports.INFERENCE_DEPLOYMENTS,),
            ("get", "update", "patch"),
            "Autoscalers and kubectl scale.",
            subresource="scale",
        ),
    ),
    "platform": (
        Permission(Scope.CLUSTER, CLUSTER_KINDS, (*_READ, *_WRITE), "What may be used, and for which goal."),
        Permission(Scope.WORKLOAD, (ports.INFERENCE_DEPLOYMENTS,), _READ, "What came of it."),
    ),
    "reader": (_READSCLUSTER_KINDS,),
}
"""Rows by role. ``view`` joins the cluster's role of that name, ``edit`` edit and admin, the others none."""
