"""A network is quantized by Jobs, its variants are gated by their quality, and what passes serves."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from devcluster.kubectl import Kubectl
from devcluster.workloads import Workload
from e2e.client import Client, Tally
from e2e.figures import Figures
from e2e.platform import DATA, address, built, pods, ready_on, variant_of, workload
from e2e.waiting import eventually

NAME = "digits-network"
GATE = Decimal("0.97")
"""requirements.minQuality of data/digits-network.yaml."""
PAUSE_SECONDS = 0.2
"""Between requests of a connection: the builds measure on the same processors."""


def test_a_variant_is_built_gated_and_served_without_a_failed_request(
    kubectl: Kubectl, network_client: Client, figures: Figures
) -> None:
    kubectl("apply", "-f", str(DATA / f"{NAME}.yaml"))
    ready_on(kubectl, NAME, "CPU")
    service = address(kubectl, NAME)

    with network_client.traffic(service, "clear", PAUSE_SECONDS) as traffic:
        int8, coarse = (built(kubectl, NAME, name) for name in ("int8", "coarse"))
        _serves(kubectl, "int8")
        by_int8 = network_client.ask(service, "unseen")
        found = workload(kubectl, NAME)
        assert found.placements[0]["estimate"]["basis"] == "measured"
        assert _reason(found, "coarse") == _too_low(coarse, str(GATE))
        jobs = _jobs(kubectl)

        # More quality is asked than the variant has: the reference takes over.
        asked = {"spec": {"requirements": {"minQuality": "1.0"}}}
        kubectl("-n", "e2e", "patch", "infd", NAME, "--type=merge", "-p", json.dumps(asked))
        _serves(kubectl, "fp32")
        by_fp32 = network_client.ask(service, "unseen")
        assert _reason(workload(kubectl, NAME), "int8") == _too_low(int8, "1.0")

    assert traffic.tally is not None
    assert traffic.tally.requests > 0
    assert (traffic.tally.failed, traffic.tally.wrong) == (0, 0), traffic.tally
    assert GATE <= Decimal(int8["quality"]) < 1
    assert Decimal(coarse["quality"]) < GATE
    assert int(int8["size"]) < 0.35 * _size(kubectl)
    assert (by_fp32.failed, by_int8.failed) == (0, 0)
    assert by_fp32.right > 0.95 * by_fp32.requests
    assert by_int8.right >= GATE * by_fp32.right
    # One Job for each, whatever was asked afterwards.
    assert len(jobs) == 2
    assert _jobs(kubectl) == jobs
    _report(kubectl, figures, traffic.tally, {"fp32": by_fp32, "int8": by_int8})
    kubectl("-n", "e2e", "delete", "infd", NAME)


def _serves(kubectl: Kubectl, variant: str) -> None:
    """Wait until an object is Ready by one variant, and no pod of another is left."""

    def look() -> tuple[bool, list[str], set[str]]:
        found = workload(kubectl, NAME)
        models = {
            mount["mountPath"]
            for pod in pods(kubectl, NAME)
            for container in pod["spec"]["containers"]
            for mount in container["volumeMounts"]
            if mount["mountPath"].startswith("/models/")
        }
        return found.settled, [each["variant"] for each in found.placements], models

    wanted = (True, [variant], {f"/models/{variant}"})
    eventually(look, lambda seen: seen == wanted, f"{variant} alone serves")


def _reason(found: Workload, variant: str) -> tuple[str, str]:
    """The first reason against a variant on the real node."""
    reasons = [r for c in found.candidates if c["variant"] == variant for r in c.get("reasons") or ()]
    return next(((r["code"], r["message"]) for r in reasons if r["code"] == "QualityTooLow"), ("", ""))


def _too_low(variant: dict[str, Any], asked: str) -> tuple[str, str]:
    """The reason that a variant of this quality must have."""
    return (
        "QualityTooLow",
        f"quality of {variant['name']} is {variant['quality']} "
        f"(top-1 agreement with the reference, 1620 examples), at least {asked} is asked",
    )


def _jobs(kubectl: Kubectl) -> set[str]:
    """The Jobs of the builds."""
    items = kubectl.json("-n", "e2e", "get", "jobs")["items"]
    return {each["metadata"]["uid"] for each in items}


def _size(kubectl: Kubectl) -> int:
    """Bytes of the reference, as the object says."""
    return int(workload(kubectl, NAME).manifest["spec"]["variants"][0]["size"])


def _report(kubectl: Kubectl, figures: Figures, traffic: Tally, answered: dict[str, Tally]) -> None:
    """What was measured of each variant."""
    rows = []
    for name in ("fp32", "int8", "coarse"):
        found, tally = variant_of(workload(kubectl, NAME), name), answered.get(name)
        latency = float(found["profiles"][0]["latencySeconds"]) * 1e6
        rows.append(
            (
                name,
                f"{int(found.get('size') or _size(kubectl)):,}",
                found.get("quality") or "1",
                f"{tally.right / tally.requests:.4f}" if tally else "refused",
                f"{latency:.0f} µs",
                f"{tally.median * 1000:.1f} ms" if tally else "",
            )
        )
    header = (
        "variant",
        "bytes",
        "agreement with fp32",
        "accuracy as served",
        "p50, one core",
        "p50 over HTTP",
    )
    title = f"variants; meanwhile {traffic.requests} requests, {traffic.failed} failed, {traffic.wrong} wrong"
    figures.add(title, header, rows)
