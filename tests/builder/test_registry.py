"""Results go to a real registry and come back: once, whole, unchanged, and never over anything else."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.builder.conftest import BUILDER, Build, Done
from tests.builder.registries import Registry, running_registry

from devcluster.certificates import CertificateAuthority
from devcluster.ports import LOOPBACK, free_ports
from devcluster.registry import PASSWORD, docker_config

Transfer = Callable[..., Done]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as made:
        yield made


@pytest.fixture
def image(registry: Registry, request: pytest.FixtureRequest) -> str:
    """A tag that nobody else has."""
    return f"{registry.host}/team/models:{request.node.name.partition('[')[0][-60:]}"


@pytest.fixture
def transfer(registry: Registry, python: Path, tmp_path: Path) -> Transfer:
    """Runs ``stowage_builder pull`` or ``push``."""

    def run(command: str, folder: Path, image: str, access: list[str] | None = None) -> Done:
        report = tmp_path / "transfer.json"
        report.unlink(missing_ok=True)
        given = ["--image", image, "--folder", str(folder), "--report", str(report)]
        done = subprocess.run(
            [str(python), "-m", "stowage_builder", command, *given, *(access or registry.access)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(BUILDER)},
            check=False,
        )
        return Done(done.returncode, json.loads(report.read_text()) if report.exists() else {}, done.stderr)

    return run


def message(done: Done) -> str:
    """Why it was refused; never with the password."""
    assert done.code == 5, done.errors
    assert done.report["error"]["code"] == "StoreFailed"
    said = str(done.report["error"]["message"])
    assert PASSWORD not in said + done.errors
    return said


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "stowage-build.json"}


def test_a_result_is_pushed_once_and_comes_back_as_it_was(
    build: Build, transfer: Transfer, registry: Registry, image: str, digits: Path, tmp_path: Path
) -> None:
    result, data = tmp_path / "result", digits / "evaluation.npz"
    speed = {"benchmark_threads": "1", "benchmark_seconds": "0.1"}
    assert transfer("pull", result, image).report == {"found": False}
    built = build(result, "onnx-dynamic-int8", evaluation=data, **speed)

    pushed = transfer("push", result, image)

    assert pushed.code == 0, pushed.errors
    digest = pushed.report["image"]
    assert pushed.report == {**built.report, "image": digest}
    raw = registry.skopeo("inspect", "--raw", f"docker://{image}").encode()
    assert digest == f"sha256:{hashlib.sha256(raw).hexdigest()}"

    # Elsewhere, what is there is fetched and not built; its speed is measured anew, on that machine.
    elsewhere = tmp_path / "elsewhere"
    assert transfer("pull", elsewhere, image).report == {"found": True}
    assert files(elsewhere) == files(result)
    again = build(elsewhere, "onnx-dynamic-int8", evaluation=data, **speed)
    assert again.report["reused"] is True
    assert again.report["digest"] == built.report["digest"]
    assert [each["threads"] for each in again.report["benchmark"]["variant"]] == [1]
    assert transfer("push", elsewhere, image).report["image"] == digest
    tags = json.loads(registry.skopeo("list-tags", f"docker://{image.rpartition(':')[0]}"))["Tags"]
    assert image.rpartition(":")[2] in tags


def test_the_same_inputs_make_the_same_image_wherever_they_are_built(
    build: Build, transfer: Transfer, image: str, digits: Path, tmp_path: Path
) -> None:
    digests = set()
    for place in ("here", "there"):
        result = tmp_path / place
        build(
            result,
            "fp16",
            evaluation=digits / "evaluation.npz",
            benchmark_threads="1",
            benchmark_seconds="0.1",
        )
        digests.add(transfer("push", result, f"{image}-{place}").report["image"])
    assert len(digests) == 1


def test_the_image_is_one_that_every_runtime_mounts(
    build: Build, transfer: Transfer, registry: Registry, image: str, tmp_path: Path
) -> None:
    result = tmp_path / "result"
    build(result, "fp16")
    transfer("push", result, image)

    index = registry.index(image)
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert {m["platform"]["architecture"] for m in index["manifests"]} == {"amd64", "arm64"}
    assert json.loads(index["annotations"]["dev.stowage.build"])["method"] == "fp16"
    layers = set()
    for each in index["manifests"]:
        manifest = registry.index(f"{image.rpartition(':')[0]}@{each['digest']}")
        assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
        (layer,) = manifest["layers"]
        assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar"
        layers.add(layer["digest"])
    assert len(layers) == 1
    copied = tmp_path / "copied"
    subprocess.run(
        ["skopeo", "--insecure-policy", "copy", "--src-authfile", str(registry.auth_file),
         "--src-cert-dir", str(registry.trust), f"docker://{image}", f"dir:{copied}"],
        check=True, capture_output=True,
    )  # fmt: skip
    with tarfile.open(copied / layers.pop().removeprefix("sha256:")) as tar:
        found = [(m.name, m.mode, m.uid, m.gid, m.mtime, m.isfile()) for m in tar]
    names = ("model.onnx", "stowage-build.json")
    assert found == [(name, 0o644, 0, 0, 0, True) for name in names]


def test_a_tag_of_another_model_is_refused_and_stays(
    build: Build, transfer: Transfer, registry: Registry, image: str, tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    build(one, "fp16")
    build(other, "bf16")
    before = transfer("push", one, image).report["image"]

    said = message(transfer("push", other, image))

    assert said == (
        f"{image} is there and was made from other contents of the same names; remove it, or give what"
        " changed a new name"
    )
    raw = registry.skopeo("inspect", "--raw", f"docker://{image}").encode()
    assert before == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    # The builder sees it before it builds, too.
    pulled = tmp_path / "pulled"
    transfer("pull", pulled, image)
    assert "made from other contents" in build(pulled, "bf16").report["error"]["message"]


def test_a_tag_that_stowage_did_not_make_is_refused_and_stays(
    build: Build, transfer: Transfer, registry: Registry, image: str, tmp_path: Path
) -> None:
    result, foreign = tmp_path / "result", tmp_path / "foreign"
    build(result, "fp16")
    write_foreign(foreign)
    registry.skopeo("copy", f"dir:{foreign}", f"docker://{image}")
    before = registry.index(image)

    for command in ("pull", "push"):
        folder = tmp_path / "new" if command == "pull" else result
        assert message(transfer(command, folder, image)) == (
            f"{image} is there and was not built by Stowage; remove it, or name another repository"
        )
    assert registry.index(image) == before
    assert not (tmp_path / "new").exists()


def test_contents_that_are_not_those_that_were_built_are_refused(
    build: Build, transfer: Transfer, registry: Registry, image: str, tmp_path: Path
) -> None:
    """An image whose report says another digest than its files have: somebody put it together."""
    result = tmp_path / "result"
    build(result, "fp16")
    with (result / "model.onnx").open("ab") as file:
        file.write(b"\0")
    transfer("push", result, image)

    pulled = tmp_path / "pulled"
    assert transfer("pull", pulled, image).report == {"found": True}
    assert "aren't those that were built" in build(pulled, "fp16").report["error"]["message"]


def test_what_a_script_put_beside_the_result_is_not_pushed(
    build: Build, transfer: Transfer, registry: Registry, image: str, tmp_path: Path
) -> None:
    result = tmp_path / "result"
    build(result, "fp16")
    (result / "model.onnx").unlink()
    (result / "model.onnx").symlink_to(registry.auth_file)

    assert "'model.onnx', which is no file that a build makes" in message(transfer("push", result, image))


@pytest.mark.parametrize("linked", ["the folder", "the report"])
def test_no_link_leads_what_pushes_to_its_own_credentials(
    transfer: Transfer, registry: Registry, image: str, tmp_path: Path, linked: str
) -> None:
    """They are JSON, too: as a report they would stand in the image, and in the pod's last words."""
    secret, result = tmp_path / "secret", tmp_path / "result"
    secret.mkdir()
    (secret / "stowage-build.json").write_bytes(registry.auth_file.read_bytes())
    if linked == "the folder":
        result.symlink_to(secret)
    else:
        result.mkdir()
        (result / "stowage-build.json").symlink_to(secret / "stowage-build.json")

    done = transfer("push", result, image)

    assert "is reached by a link, which no build makes" in message(done)
    assert "auths" not in json.dumps(done.report) + done.errors


def test_a_wrong_password_is_said_and_not_shown(
    build: Build, transfer: Transfer, registry: Registry, image: str, tmp_path: Path
) -> None:
    result, wrong = tmp_path / "result", tmp_path / "wrong.json"
    build(result, "fp16")
    wrong.write_text(docker_config(registry.host, password=f"not-{PASSWORD}"))
    access = ["--auth-file", str(wrong), "--trust", str(registry.trust)]
    nobody = ["--trust", str(registry.trust)]

    for command, given in (("push", access), ("pull", access), ("push", nobody)):
        folder = result if command == "push" else tmp_path / "new"
        said = message(transfer(command, folder, image, given))
        assert said.startswith(
            f"{image} can't be looked up: {registry.host}: it doesn't accept the credentials"
        )
        assert "builds.registry.secretName" in said
        assert said.endswith(" (unauthorized: authentication required)")


def test_a_missing_secret_or_config_map_is_said(
    transfer: Transfer, registry: Registry, image: str, tmp_path: Path
) -> None:
    """Kubernetes mounts an empty folder then."""
    empty = tmp_path / "empty"
    empty.mkdir()
    no_secret = ["--auth-file", str(empty / "config.json"), "--trust", str(registry.trust)]
    no_trust = ["--auth-file", str(registry.auth_file), "--trust", str(empty)]

    said = message(transfer("pull", tmp_path / "new", image, no_secret))
    assert f"{registry.host}: there are no credentials; make the Secret" in said
    said = message(transfer("pull", tmp_path / "new", image, no_trust))
    assert f"{registry.host}: there is no certificate of its authority; make the ConfigMap" in said


def test_an_unknown_authority_is_said(
    build: Build, transfer: Transfer, registry: Registry, image: str, tmp_path: Path
) -> None:
    stranger = CertificateAuthority(tmp_path / "stranger")
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "ca.crt").write_bytes(stranger.pair.certificate.read_bytes())
    access = ["--auth-file", str(registry.auth_file), "--trust", str(trust)]

    said = message(transfer("pull", tmp_path / "new", image, access))

    assert f"{registry.host}: its certificate is of no authority that is trusted" in said
    assert "builds.registry.trust" in said


def test_a_registry_that_is_away_is_said(transfer: Transfer, tmp_path: Path) -> None:
    host = f"{LOOPBACK}:{free_ports(1)[0]}"

    said = message(transfer("pull", tmp_path / "new", f"{host}/team/models:x"))

    assert said.startswith(f"{host}/team/models:x can't be looked up: {host}: it can't be reached")
    assert "connection refused" in said


def write_foreign(folder: Path) -> None:
    """An image without a report, in skopeo's own layout."""
    folder.mkdir()
    digests: dict[str, Any] = {}
    for name, content in (
        ("config", b'{"rootfs": {"type": "layers", "diff_ids": []}}'),
        ("layer", b"\0" * 10240),
    ):
        digest = hashlib.sha256(content).hexdigest()
        (folder / digest).write_bytes(content)
        digests[name] = {"digest": f"sha256:{digest}", "size": len(content)}
    media = "application/vnd.oci.image."
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{media}manifest.v1+json",
        "config": {"mediaType": f"{media}config.v1+json", **digests["config"]},
        "layers": [{"mediaType": f"{media}layer.v1.tar", **digests["layer"]}],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
