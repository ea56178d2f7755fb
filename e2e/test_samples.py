"""The samples of manifests/samples on simulated accelerators, by kubectl."""

from __future__ import annotations

from devcluster.binaries import MODULE
from devcluster.kubectl import Kubectl
from devcluster.settle import wait_until_settled
from devcluster.workloads import Workload
from e2e.waiting import PATIENCE_SECONDS

SAMPLES = MODULE.parent / "manifests" / "samples"


def test_every_sample_is_where_it_says(kubectl: Kubectl, fleet: None) -> None:
    source = ("-k",) if (SAMPLES / "kustomization.yaml").exists() else ("--recursive", "-f")
    applied = kubectl.json("apply", *source, str(SAMPLES))["items"]
    names = [Workload(each).name for each in applied if each["kind"] == "InferenceDeployment"]
    try:
        settled = wait_until_settled(kubectl, names, PATIENCE_SECONDS, lambda: None)
        types = {placement["acceleratorType"] for each in settled for placement in each.placements}
        assert {"GPU", "TPU", "NPU", "FPGA"} <= types
    finally:
        kubectl("delete", *source, str(SAMPLES), "--ignore-not-found")
