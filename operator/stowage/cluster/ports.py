"""What the rest of the program sees of a cluster: resources as data, and one small Protocol.

Bodies are plain dictionaries, as JSON has them: the program reads few fields of each object, and
generated models would cost more memory than everything else that it does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar
from urllib.parse import quote

from stowage.api.meta import GROUP, VERSION

Body = dict[str, Any]
"""An object as JSON has it."""

T = TypeVar("T")

PAGE_SIZE = 500


@dataclass(frozen=True)
class ResourceType:
    """One resource of the API, as discovery would describe it."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As ``apiVersion`` has it: ``v1``, ``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As RBAC and kubectl write it: ``pods``, ``deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of an object, or of a collection when there is no name.

        Raises:
            ValueError: a namespaced object without its namespace, or a namespace where none belongs. Sent
                anyway, the first would be a 404, which reads as "the object is gone".
        """
        if namespace and not self.namespaced:
            raise ValueError(f"{self.qualified} are cluster-scoped: {namespace!r} can't be their namespace")
        if name and self.namespaced and not namespace:
            raise ValueError(f"{self.qualified} {name!r} needs a namespace")
        parts = [f"/apis/{self.group}" if self.group else "/api", self.version]
        parts += ["namespaces", quote(namespace, safe="")] if namespace else []
        parts += [self.plural]
        parts += [quote(name, safe="")] if name else []
        parts += [subresource] if subresource else []
        return "/".join(parts)


NODES = ResourceType("", "v1", "nodes", "Node", namespaced=False)
NAMESPACES = ResourceType("", "v1", "namespaces", "Namespace", namespaced=False)
PODS = ResourceType("", "v1", "pods", "Pod")
SERVICES = ResourceType("", "v1", "services", "Service")
EVENTS = ResourceType("events.k8s.io", "v1", "events", "Event")
DEPLOYMENTS = ResourceType("apps", "v1", "deployments", "Deployment")
JOBS = ResourceType("batch", "v1", "jobs", "Job")
POD_DISRUPTION_BUDGETS = ResourceType("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
LEASES = ResourceType("coordination.k8s.io", "v1", "leases", "Lease")
RESOURCE_SLICES = ResourceType("resource.k8s.io", "v1", "resourceslices", "ResourceSlice", namespaced=False)
DEVICE_CLASSES = ResourceType("resource.k8s.io", "v1", "deviceclasses", "DeviceClass", namespaced=False)
NODE_CLAIMS = ResourceType("karpenter.sh", "v1", "nodeclaims", "NodeClaim", namespaced=False)

INFERENCE_DEPLOYMENTS = ResourceType(GROUP, VERSION, "inferencedeployments", "InferenceDeployment")
PLACEMENT_POLICIES = ResourceType(GROUP, VERSION, "placementpolicies", "PlacementPolicy", namespaced=False)
ACCELERATOR_CLASSES = ResourceType(GROUP, VERSION, "acceleratorclasses", "AcceleratorClass", namespaced=False)
INFERENCE_RUNTIMES = ResourceType(GROUP, VERSION, "inferenceruntimes", "InferenceRuntime", namespaced=False)
ACCELERATOR_POOLS = ResourceType(GROUP, VERSION, "acceleratorpools", "AcceleratorPool", namespaced=False)


@dataclass(frozen=True)
class Listing(Generic[T]):
    """What a list saw, and the point in time from which a watch goes on without a gap."""

    items: Sequence[T]
    resource_version: str


@dataclass(frozen=True)
class WatchEvent:
    """One line of a watch. A bookmark's body has nothing but a new resourceVersion."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    body: Body

    @property
    def resource_version(self) -> str:
        """Where a watch that ends after this event goes on."""
        return str(self.body.get("metadata", {}).get("resourceVersion", ""))


class Cluster(Protocol):
    """A Kubernetes API server. Every method raises ``stowage.cluster.errors``, and nothing else."""

    before_write: Callable[[], None]
    """Called before each write, and again right before its bytes go; what it raises, the write raises. The
    Lease's deadline hangs here."""

    async def get(self, resource: ResourceType, name: str, namespace: str = "") -> Body | None:
        """The object, or None where there is none."""

    async def list(
        self,
        resource: ResourceType,
        *,
        decode: Callable[[Body], T],
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        limit: int = PAGE_SIZE,
    ) -> Listing[T]:
        """All objects, read in pages of ``limit`` and decoded page by page, so that no bodies pile up.

        Items of a list carry no ``apiVersion`` and ``kind`` of their own. No namespace means all of them.

        Raises:
            Gone: reading took so long that the list's resourceVersion was compacted; start again.
        """

    def watch(
        self,
        resource: ResourceType,
        *,
        resource_version: str,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        """What changes after ``resource_version``, with bookmarks. Close it (``contextlib.aclosing``).

        It ends when the server ends it in good order, or when nothing came for so long that the connection
        may be dead. In both cases the last event's resourceVersion goes on without a gap.

        Raises:
            Gone: the resourceVersion is too old; list again.
            Retry: the connection broke, or there was no answer at all.
        """

    async def apply(
        self, resource: ResourceType, body: Body, *, force: bool = True, subresource: str = ""
    ) -> Body:
        """Server-side apply as field manager ``stowage``; returns the object as stored.

        Raises:
            Conflict: ``metadata.resourceVersion`` or ``uid`` is given and isn't the live one; or, without
                ``force``, another manager owns a field.
        """

    async def merge(self, resource: ResourceType, body: Body, *, subresource: str = "") -> Body:
        """JSON merge patch: lists are replaced as wholes, null takes a field away; returns the object as
        stored.

        Raises:
            Conflict: ``metadata.resourceVersion`` is given and isn't the live one.
        """

    async def create(self, resource: ResourceType, body: Body) -> Body:
        """Create the object; returns it as stored.

        Raises:
            Conflict: it exists already.
        """

    async def delete(self, resource: ResourceType, name: str, namespace: str = "", *, uid: str) -> bool:
        """Delete this very object, its dependents in the background; one that is gone is success.

        Returns whether it is gone now; else a finalizer of somebody's keeps it for a while.

        Raises:
            Conflict: an object of that name has another uid.
        """
