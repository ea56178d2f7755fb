"""Builds the pinned Go programs once, into a cache outside the tree.

The Go module beside this package pins the control plane; each module in ``go/`` pins a tool of its own,
so that their dependencies don't pull at each other.

The cache's key covers everything that the result depends on, so a changed pin builds anew and an
unchanged one costs milliseconds. A folder appears under its final name only when it is complete.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from devcluster.children import run
from devcluster.errors import LOG_LINES_SHOWN, BuildError, ToolError
from devcluster.locks import exclusive
from devcluster.progress import Progress

MODULE = Path(__file__).resolve().parent.parent
"""The folder of the Go module that pins the control plane."""

TOOLS = MODULE / "go"
"""Holds a Go module for every other tool, in a folder of its name."""

BUILD_ENVIRONMENT = {"CGO_ENABLED": "0"}
# -buildvcs=false: the stamp would be of this repository, which says nothing about these programs.
BUILD_FLAGS = ("-trimpath", "-buildvcs=false")

# Programs whose Go package is not called like the program.
_RENAMED = {"go.etcd.io/etcd/server/v3": "etcd"}


@dataclass(frozen=True)
class Pins:
    """What go.mod says: the programs, their version, and the Go that they need."""

    packages: Mapping[str, str]
    """Program name to Go package, in go.mod's order."""
    kubernetes: str | None
    """Such as v1.36.3. The API server reports v0.0.0 unless it is linked in. None: not built from it."""
    go: tuple[int, int]
    tags: str = ""
    """Build tags, separated by commas, of a line ``// stowage:tags a,b`` in go.mod."""

    @classmethod
    def read(cls, module: Path) -> Pins:
        """Read go.mod."""
        content = (module / "go.mod").read_text()
        # go mod tidy writes a block of one line as a line.
        tools = re.search(r"^tool (?:\(\n(.*?)^\)|(\S+/\S+)$)", content, re.MULTILINE | re.DOTALL)
        kubernetes = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", content, re.MULTILINE)
        go = re.search(r"^go (\d+)\.(\d+)", content, re.MULTILINE)
        tags = re.search(r"^// stowage:tags (\S+)$", content, re.MULTILINE)
        if not (tools and go):
            raise ToolError(f"{module}/go.mod has no tool or no go version")
        packages = [line.strip() for line in (tools[1] or tools[2]).splitlines() if line.strip()]
        return cls(
            packages={_RENAMED.get(each, each.rsplit("/", 1)[-1]): each for each in packages},
            kubernetes=kubernetes[1] if kubernetes else None,
            go=(int(go[1]), int(go[2])),
            tags=tags[1] if tags else "",
        )

    def build_flags(self) -> tuple[str, ...]:
        """Return what `go build` gets besides the linker's flags."""
        return (*BUILD_FLAGS, "-tags", self.tags) if self.tags else BUILD_FLAGS

    def link_flags(self) -> str:
        """Return the linker's flags: no debug data, and the version that Kubernetes' clients ask for."""
        if self.kubernetes is None:
            return "-s -w"
        return f"-s -w -X k8s.io/component-base/version.gitVersion={self.kubernetes}"


@dataclass(frozen=True)
class GoTool:
    """The installed Go."""

    version: str
    system: str
    architecture: str


def cache_root(environment: Mapping[str, str]) -> Path:
    """Return the folder that all our caches lie in."""
    if chosen := environment.get("STOWAGE_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    base = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "stowage"


def find_go(needed: tuple[int, int], folder: Path) -> GoTool:
    """Ask the installed Go for its version.

    Raises ToolError when there is none, or it is older than `needed`.
    """
    advice = f"install Go {needed[0]}.{needed[1]} or newer from https://go.dev/dl/ and put it on PATH"
    try:
        answer = run(["go", "env", "GOVERSION", "GOOS", "GOARCH"], folder=folder)
    except FileNotFoundError:
        raise ToolError(f"go is not on PATH; {advice}") from None
    if answer.returncode != 0:
        raise ToolError(f"go does not work: {answer.stderr.strip()}; {advice}")
    version, system, architecture = answer.stdout.split()
    found = re.match(r"go(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) < needed:
        raise ToolError(f"{version} is too old; {advice}")
    return GoTool(version, system, architecture)


def cache_key(module: Path, pins: Pins, go: GoTool) -> str:
    """Return a hash of everything that the programs depend on."""
    digest = hashlib.sha256()
    for part in (
        (module / "go.mod").read_bytes(),
        (module / "go.sum").read_bytes(),
        repr((sorted(BUILD_ENVIRONMENT.items()), pins.build_flags(), pins.link_flags())).encode(),
        repr(go).encode(),
        *(each.read_bytes() for each in sorted(module.glob("*.go"))),
    ):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


@cache
def ensure_binaries(tool: str | None = None) -> Path:
    """Return the folder of the programs, building them first when they are not there.

    `tool` is a folder of ``TOOLS``; None stands for the control plane.
    Raises ToolError for Go or an unknown tool, BuildError for a program. Two at once: the second one waits.
    """
    module = MODULE if tool is None else TOOLS / tool
    if not (module / "go.mod").is_file():
        raise ToolError(f"no tool {tool!r}: {module}/go.mod does not exist")
    pins = Pins.read(module)
    go = find_go(pins.go, module)
    key = cache_key(module, pins, go)
    folder = cache_root(os.environ) / "tools" / (key if tool is None else f"{tool}-{key}")
    if not folder.is_dir():
        with exclusive(folder.with_name(f"{folder.name}.lock"), _say_waiting):
            if not folder.is_dir():
                _build_all(module, pins, folder)
    return folder


def _say_waiting() -> None:
    print("another run builds the binaries; waiting for it", flush=True)


def _build_all(module: Path, pins: Pins, folder: Path) -> None:
    """Build into a draft that gets its name at the end; drafts found are of interrupted runs."""
    for leftover in folder.parent.glob(f"{folder.name}.draft-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}.draft-", dir=folder.parent))
    title = f"programs of Kubernetes {pins.kubernetes}" if pins.kubernetes else ", ".join(pins.packages)
    print(f"building {title} into {folder} (once)", flush=True)
    try:
        with Progress(len(pins.packages)) as progress:
            for name, package in pins.packages.items():
                with progress.step(f"building {name}"):
                    _build(name, package, module, pins, draft)
        draft.chmod(0o755)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _build(name: str, package: str, module: Path, pins: Pins, draft: Path) -> None:
    """Build one program; its output is kept for the error only."""
    log = draft / "build.log"
    flags = [*pins.build_flags(), "-ldflags", pins.link_flags(), "-o", str(draft / name)]
    environment = {**os.environ, **BUILD_ENVIRONMENT}
    with log.open("wb") as output:
        result = run(["go", "build", *flags, package], environment=environment, folder=module, output=output)
    if result.returncode != 0:
        raise BuildError(name, log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])
    log.unlink()
