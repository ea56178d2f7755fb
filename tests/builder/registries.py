"""A real registry as a process on this machine, and what the builder needs to get at it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.binaries import ensure_binaries
from devcluster.certificates import CertificateAuthority
from devcluster.ports import LOOPBACK, free_ports
from devcluster.registry import HTPASSWD, PROGRAM, docker_config, registry_config
from images.system import ensure_programs


@dataclass(frozen=True)
class Registry:
    """The registry, and the files that let one push to it."""

    host: str
    """Its address, with the port."""
    auth_file: Path
    trust: Path

    @property
    def access(self) -> list[str]:
        """The builder's options for it."""
        return ["--auth-file", str(self.auth_file), "--trust", str(self.trust)]

    def skopeo(self, command: str, *arguments: str) -> str:
        """What skopeo says when it is asked as a user would."""
        side = "dest-" if command == "copy" else ""
        given = [f"--{side}authfile", str(self.auth_file), f"--{side}cert-dir", str(self.trust)]
        done = subprocess.run(
            ["skopeo", "--insecure-policy", command, *given, *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def index(self, image: str) -> dict[str, Any]:
        """What a tag stands for."""
        found: dict[str, Any] = json.loads(self.skopeo("inspect", "--raw", f"docker://{image}"))
        return found


@contextmanager
def running_registry(folder: Path) -> Iterator[Registry]:
    """A registry over TLS, with an authority and a user of its own; it ends with the block."""
    ensure_programs({"skopeo": "skopeo"})
    program = ensure_binaries(PROGRAM) / PROGRAM
    host = f"{LOOPBACK}:{free_ports(1)[0]}"
    authority = CertificateAuthority(folder / "authority")
    pair = authority.serving("registry", [LOOPBACK])
    trust, auth_file, htpasswd = folder / "trust", folder / "auth.json", folder / "htpasswd"
    trust.mkdir()
    (trust / "ca.crt").write_bytes(authority.pair.certificate.read_bytes())
    auth_file.write_text(docker_config(host))
    htpasswd.write_text(HTPASSWD)
    config = folder / "config.json"
    config.write_text(
        registry_config(host, str(folder / "images"), str(pair.certificate), str(pair.key), str(htpasswd))
    )
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([str(program), "serve", str(config)], stdout=log, stderr=log)
    try:
        made = Registry(host, auth_file, trust)
        _wait(made, process, folder / "registry.log")
        yield made
    finally:
        process.terminate()
        process.wait(30)


def _wait(registry: Registry, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            registry.skopeo("inspect", "--raw", f"docker://{registry.host}/none/such:tag")
        except subprocess.CalledProcessError as error:
            if "manifest unknown" in error.stderr:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the registry doesn't answer: {log.read_text()[-2000:]}")
        time.sleep(0.05)
