"""An operator that serves some namespaces only, with no more rights than that takes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator

import pytest
import yaml
from tests.cluster.foreign import foreign_pod
from tests.cluster.harness import Object, OperatorProcess, Stage, eventually, kubeconfig_of
from tests.cluster.test_metrics import scrape, value

from devcluster.audit import AuditLog
from devcluster.cluster import LocalCluster
from stowage.cli.permissions import manifests
from stowage.cluster.client import KubernetesCluster
from stowage.cluster.errors import Forbidden
from stowage.cluster.ports import INFERENCE_DEPLOYMENTS

pytestmark = pytest.mark.cluster

HOME = "limited-system"
"""Where the limited operators run."""
NORTH = ("north", "later", "anew", "revoked", "west")
"""The namespaces of the one; each test makes those that it needs."""
SOUTH = ("south",)
"""Of the other."""

MakeStage = Callable[[str], Stage]


def user(name: str) -> str:
    """The identity of a limited operator, as the audit log has it."""
    return f"system:serviceaccount:{HOME}:{name}"


def give(cluster: LocalCluster, name: str, watched: tuple[str, ...], *where: str) -> None:
    """Applies what ``stowage permissions`` prints, as far as it lies in these places; "" is the cluster."""
    documents = yaml.safe_load_all(manifests(name, HOME, watched))
    chosen = [each for each in documents if each["metadata"].get("namespace", "") in where]
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(chosen))


@pytest.fixture(scope="module")
def limited(
    cluster: LocalCluster, shared_operator: OperatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """Two operators, limited to ``NORTH`` and to ``SOUTH``, while the one that serves all namespaces rests;
    returns the first."""
    folder = tmp_path_factory.mktemp("limited")
    made: list[OperatorProcess] = []
    cluster.kubectl("create", "namespace", HOME)
    if shared_operator.running:
        shared_operator.stop()
    for name, namespaces in (("north", NORTH), ("south", SOUTH)):
        give(cluster, name, namespaces, "", HOME)
        token = cluster.kubectl("-n", HOME, "create", "token", name).stdout.strip()
        kubeconfig = kubeconfig_of(cluster, folder / f"{name}.kubeconfig", {"token": token})
        election = ("--leader-elect", f"--lease-name={name}", f"--lease-namespace={HOME}")
        options = [f"--namespace={each}" for each in namespaces]
        made.append(OperatorProcess(kubeconfig, folder / f"{name}.log", "--resync=3", *election, *options))
        made[-1].start()
    yield made[0]
    for each in made:
        each.send(signal.SIGTERM)
    shared_operator.start()
    for each in made:
        each.wait()
        print(f"--- the log of {each.log.stem}\n{each.text()}")
        assert "Traceback" not in each.text()
    cluster.kubectl("delete", "clusterrole,clusterrolebinding", "north", "south")
    cluster.kubectl("delete", "namespace", HOME, "--wait=false")


@pytest.fixture
def stage_of(cluster: LocalCluster, shared_operator: OperatorProcess) -> Iterator[MakeStage]:
    """Makes namespaces."""
    made: list[Stage] = []

    def make(name: str) -> Stage:
        cluster.kubectl("create", "namespace", name)
        made.append(Stage(cluster, shared_operator, name))
        return made[-1]

    yield make
    for each in made:
        each.close()


def same_in(there: Stage, stage: Stage) -> Object:
    """The workload of a stage, in another's namespace, under the same policy."""
    return {**stage.workload(), "metadata": {"name": "chat", "namespace": there.namespace}}


def test_it_serves_its_namespaces_and_writes_nowhere_else(
    cluster: LocalCluster, limited: OperatorProcess, stage_of: MakeStage, audit: AuditLog
) -> None:
    assert "waiting for namespaces that aren't there yet: anew, later, north, revoked, west" in limited.text()
    stage, stranger = stage_of("north"), stage_of("elsewhere")
    give(cluster, "north", NORTH, "north")
    stage.pool("l4-spot", 2)
    stage.apply(stage.policy(), stage.workload())
    stranger.apply(same_in(stranger, stage))
    stage.wait_ready()
    samples = scrape(limited)
    assert [value(samples, "stowage_serves", served=name) for name in ("north", "*")] == [1, 0]

    # One that comes later, and may be read later still.
    later = stage_of("later")
    later.apply(same_in(later, stage))
    eventually(lambda: "nothing is decided in namespace later: " in limited.text())
    stage.kubectl("scale", "infd", "chat", "--replicas=2")
    stage.wait_ready()
    give(cluster, "north", NORTH, "later")
    later.wait_ready()

    assert stranger.infd()["status"]["observedGeneration"] == -1  # as the schema has it: nobody wrote it
    assert "conditions" not in stranger.infd()["status"]
    assert stranger.deployments() == []
    requests = audit.requests(user=user("north"))
    assert {each.namespace for each in requests if each.is_write} == {"north", "later", HOME}
    assert {each.namespace for each in requests if each.code == 403} == {"north", "later"}
    assert {each.resource for each in requests if not each.namespace and each.resource} <= {
        *("nodes", "namespaces", "pods", "resourceslices", "deviceclasses"),
        *("placementpolicies", "acceleratorclasses", "inferenceruntimes", "acceleratorpools"),
    }


def test_a_namespace_that_goes_is_forgotten_and_served_again_when_it_is_made_anew(
    cluster: LocalCluster, limited: OperatorProcess, stage_of: MakeStage
) -> None:
    stage = stage_of("anew")
    stage.pool("l4-spot", 1)
    give(cluster, "north", NORTH, "anew")
    stage.apply(stage.policy(), stage.workload(replicas=2))
    stage.wait_ready()
    first = stage.infd()["metadata"]["uid"]
    cluster.kubectl("delete", "namespace", "anew", "--wait=true", "--timeout=120s")
    eventually(lambda: "namespace anew is gone" in limited.text())
    cluster.kubectl("create", "namespace", "anew")
    give(cluster, "north", NORTH, "anew")
    stage.apply(stage.workload(replicas=2))  # nothing of what was before holds one of the two devices
    stage.wait_ready()
    assert stage.infd()["metadata"]["uid"] != first


def test_rights_that_are_taken_away_stop_decisions_there_alone_and_what_serves_stays(
    cluster: LocalCluster, limited: OperatorProcess, stage_of: MakeStage
) -> None:
    stage = stage_of("revoked")
    stage.pool("l4-spot", 1)
    give(cluster, "north", NORTH, "revoked")
    stage.apply(stage.policy(), stage.workload())
    stage.wait_ready()
    serving, start = stage.pod_names(), limited.size()
    stage.kubectl("delete", "rolebinding", "north")
    eventually(lambda: "nothing is decided in namespace revoked: " in limited.text(start))
    stage.kubectl("scale", "infd", "chat", "--replicas=2")
    assert limited.answers()
    assert stage.pod_names() == serving
    give(cluster, "north", NORTH, "revoked")
    stage.wait_ready()
    assert set(serving) < set(stage.pod_names())


def test_two_operators_see_each_others_pods_and_those_of_strangers(
    cluster: LocalCluster,
    limited: OperatorProcess,
    stage_of: MakeStage,
) -> None:
    assert limited.running
    one, two, other = stage_of("west"), stage_of("south"), stage_of("strangers")
    pool = one.pool("l4-spot", 1)  # two devices
    give(cluster, "north", NORTH, "west")
    give(cluster, "south", SOUTH, "south")
    one.apply(one.policy(), one.workload())
    one.wait_ready()
    foreign_pod(other, "taken", f"{pool}-1", gpu="1")
    two.apply(same_in(two, one))
    two.wait_for("Placed", "NoCapacity")
    assert two.deployments() == []
    other.kubectl("delete", "pod", "taken", "--wait=true")
    two.wait_ready()
    assert {each["status"].get("phase") for each in [*one.pods(), *two.pods()]} == {"Running"}
    # A policy is the cluster's: neither of them writes to it.
    assert one.get("plp", "west").get("status") is None


def test_whether_the_api_server_is_away_can_be_asked_with_the_rights_that_there_are(
    limited: OperatorProcess,
) -> None:
    async def ask() -> None:
        async with KubernetesCluster.connect(kubeconfig=limited.kubeconfig) as client:
            await client._probe()
            with pytest.raises(Forbidden):
                await client.list(INFERENCE_DEPLOYMENTS, decode=dict)

    asyncio.run(ask())
