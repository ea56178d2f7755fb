"""Two runtimes' commands, as the catalog renders them, run real servers with a real model."""

from __future__ import annotations

import pytest
import yaml

from devcluster.kubectl import Kubectl
from e2e.client import Client, Tally
from e2e.platform import CATALOG, DATA, address, deployments, ready_on


@pytest.mark.parametrize("name", ["digits-onnx", "digits-sklearn"])
def test_a_real_model_on_a_processor_answers_rightly(kubectl: Kubectl, client: Client, name: str) -> None:
    kubectl("apply", "-f", str(DATA / f"{name}.yaml"))
    ready_on(kubectl, name, "CPU")

    tally = client.ask(address(kubectl, name))
    assert tally == Tally(requests=50, failed=0, wrong=0, slowest=tally.slowest, errors=())


def test_mlserver_is_started_as_the_catalog_says(kubectl: Kubectl, client: Client) -> None:
    support = yaml.safe_load((CATALOG / "mlserver.yaml").read_text())["spec"]["supports"][0]

    (found,) = deployments(kubectl, "digits-sklearn")

    (server,) = found["spec"]["template"]["spec"]["containers"]
    assert server["command"] == support["command"]
    assert server["args"] == ["/models/sklearn"]
    kubectl("-n", "e2e", "delete", "infd", "digits-sklearn")
