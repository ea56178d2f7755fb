"""The URLs of resources."""

from __future__ import annotations

import pytest

from stowage.cluster import ports
from stowage.cluster.ports import ResourceType


@pytest.mark.parametrize(
    ("resource", "where", "path"),
    [
        (ports.NODES, (), "/api/v1/nodes"),
        (ports.NODES, ("", "n1"), "/api/v1/nodes/n1"),
        (ports.PODS, (), "/api/v1/pods"),
        (ports.PODS, ("shop",), "/api/v1/namespaces/shop/pods"),
        (ports.NAMESPACES, ("", "shop"), "/api/v1/namespaces/shop"),
        (ports.DEPLOYMENTS, ("shop", "chat"), "/apis/apps/v1/namespaces/shop/deployments/chat"),
        (
            ports.INFERENCE_DEPLOYMENTS,
            ("shop", "chat", "status"),
            "/apis/stowage.dev/v1alpha1/namespaces/shop/inferencedeployments/chat/status",
        ),
        (
            ports.ACCELERATOR_CLASSES,
            ("", "a/../b"),
            "/apis/stowage.dev/v1alpha1/acceleratorclasses/a%2F..%2Fb",
        ),
    ],
)
def test_path(resource: ResourceType, where: tuple[str, ...], path: str) -> None:
    assert resource.path(*where) == path


def test_a_name_without_its_namespace_is_refused_here() -> None:
    with pytest.raises(ValueError, match=r"deployments\.apps 'chat' needs a namespace"):
        ports.DEPLOYMENTS.path("", "chat")
    with pytest.raises(ValueError, match="nodes are cluster-scoped"):
        ports.NODES.path("shop", "n1")
