"""Installed with Helm, as its notes say."""

from __future__ import annotations

from devcluster.kubectl import Kubectl
from e2e.images import OPERATOR, reference
from e2e.installation import NAMESPACE, Installation


def test_both_replicas_run_the_built_image_as_an_account_of_their_own(installation: Installation) -> None:
    pods = installation.pods()

    assert len(pods) == 2
    for pod in pods:
        assert [each["image"] for each in pod["spec"]["containers"]] == [reference(OPERATOR)]
        assert pod["spec"]["serviceAccountName"] == "stowage"
        conditions = {each["type"]: each["status"] for each in pod["status"]["conditions"]}
        assert conditions["Ready"] == "True"


def test_one_of_them_leads(installation: Installation) -> None:
    assert installation.leader()


def test_the_pods_keep_to_the_restricted_standard(kubectl: Kubectl, installation: Installation) -> None:
    label = "pod-security.kubernetes.io/enforce=restricted"
    answer = kubectl("label", "--dry-run=server", "--overwrite", "namespace", NAMESPACE, label)

    assert "violate" not in answer.stderr, answer.stderr
