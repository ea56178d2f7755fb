"""What the running operator exposes, compared with what it did."""

from __future__ import annotations

import re
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.cluster.harness import OperatorProcess, Stage, eventually

from devcluster.ports import LOOPBACK

pytestmark = pytest.mark.cluster

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(operator: OperatorProcess, path: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{LOOPBACK}:{operator.port}{path}", timeout=30) as answer:
        return str(answer.read().decode())


def scrape(operator: OperatorProcess) -> Samples:
    """All samples by name and labels."""
    families = text_string_to_metric_families(read(operator, "/metrics"))
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for each in families for s in each.samples}


def value(samples: Samples, family: str, **labels: str) -> float:
    return samples.get((family, tuple(sorted(labels.items()))), 0.0)


def test_a_deployment_that_comes_to_serve_is_counted(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy())
    before = scrape(stage.operator)
    stage.apply(stage.workload())
    stage.wait_ready()

    def more(family: str, **labels: str) -> float:
        return value(scrape(stage.operator), family, **labels) - value(before, family, **labels)

    eventually(lambda: more("stowage_apply_to_ready_seconds_count"), lambda found: found == 1)
    assert more("stowage_decisions_total", outcome="placed", reason="Placed") >= 1
    assert more("stowage_decision_duration_seconds_count") >= 1
    assert more("stowage_writes_total", verb="apply", resource="deployments.apps", result="ok") == 1
    status = {"verb": "apply", "resource": "inferencedeployments.stowage.dev/status", "result": "ok"}
    assert more("stowage_writes_total", **status) >= 1
    assert more("workqueue_adds_total", name="reconcile") >= 1
    assert more("workqueue_work_duration_seconds_count", name="reconcile") >= 1
    assert value(scrape(stage.operator), "stowage_leader") == 1
    assert value(scrape(stage.operator), "stowage_serves", served="*") == 1


def test_the_gauges_follow_the_fleet(stage: Stage) -> None:
    """Nodes of earlier tests may be on their way out: what is shown is compared with what is there."""
    label = ("accelerator_class", "nvidia-l4")

    def shown() -> float:
        found = scrape(stage.operator).items()
        return sum(value for (name, labels), value in found if name == "stowage_devices" and label in labels)

    def there() -> int:
        nodes = stage.items("nodes", "--selector=cloud.google.com/gke-accelerator=nvidia-l4")
        return sum(int(each["status"]["allocatable"]["nvidia.com/gpu"]) for each in nodes)

    stage.pool("l4-spot", 3)
    assert there() >= 3
    eventually(lambda: shown() - there(), lambda difference: difference == 0, 60)


def test_series_dont_grow_with_deployments(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload("one"))
    eventually(lambda: stage.condition("Placed", "one"))
    stage.apply(*(stage.workload(f"more-{number}") for number in range(5)))
    for number in range(5):
        eventually(lambda name=f"more-{number}": stage.condition("Placed", name))
    text = read(stage.operator, "/metrics")
    assert stage.namespace not in text
    assert "more-" not in text


def test_probes_say_what_they_checked(operator: OperatorProcess) -> None:
    lines = read(operator, "/readyz?verbose").splitlines()
    names = [re.sub(r"\[\+\](\S+) ok", r"\1", line) for line in lines[:-1]]
    watches = ["watch-nodes", "watch-pods", "watch-own-pods", "watch-namespaces"]
    assert names == ["event-loop", "workers", "caches", "resync", *watches]
    assert lines[-1] == "readyz check passed"
    assert read(operator, "/healthz") == "ok\n"
