"""An image in a registry, by way of skopeo, which knows how registries differ and where they want to be asked
again. What goes wrong becomes a sentence that says what to do."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stowage_builder.errors import StoreFailed

SKOPEO = "skopeo"
RETRIES = 3
"""After 1, 2 and 4 seconds, and of what may pass."""
_ABSENT = re.compile(r"manifest unknown|name unknown|(artifact|repository|manifest|tag)\b.* not found", re.I)
_FATAL = re.compile(r'level=fatal msg=("(?:[^"\\]|\\.)*")')
_DOING = re.compile(r'^.*parsing image name "[^"]*": |reading manifest \S+ in \S+: ', re.I)
"""What skopeo was doing, before what went wrong: names of images are in it that could be taken for words."""
_QUERY = re.compile(r"\?[^\s\"']*")
"""Of addresses; it may hold signatures."""
_ADVICE = (
    (
        r"x509|certificate|tls: ",
        "its certificate is of no authority that is trusted; see builds.registry.trust of the policy",
    ),
    (
        r"unauthorized|authentication required|\b401\b",
        "it doesn't accept the credentials; see builds.registry.secretName of the policy, and the Secret's "
        "entry for this registry",
    ),
    (
        r"denied|forbidden|\b403\b",
        "these credentials may not do that there, or there is no such repository; give them the right, or "
        "create it",
    ),
    (_ABSENT.pattern, "it has no such repository, and makes none by itself; create it"),
    (
        r"dial tcp|no such host|connection re|timeout|unreachable|EOF|\b50[234]\b",
        "it can't be reached; it is tried again",
    ),
)
"""What skopeo's words mean, the first that fits."""


@dataclass(frozen=True)
class Image:
    """A tag of a repository."""

    name: str
    """host/path:tag."""
    auth_file: Path | None = None
    """Credentials, as docker login writes them. Absent: none are sent."""
    trust: Path | None = None
    """A folder of certificate authorities, in files that end in .crt."""

    @property
    def registry(self) -> str:
        """Its host, with the port."""
        return self.name.partition("/")[0]

    @property
    def repository(self) -> str:
        """The name without the tag."""
        return self.name.rpartition(":")[0]

    def manifest(self) -> bytes | None:
        """What the tag stands for, byte for byte; None where there is no such tag.

        Raises:
            StoreFailed: the registry doesn't say.
        """
        self._check()
        done = self._run("inspect", "--raw", *self._access(""), f"docker://{self.name}")
        if done.returncode == 0:
            return done.stdout
        why = _last_words(done.stderr)
        if _ABSENT.search(why):
            return None
        raise self._failed("looked up", why)

    def fetch(self, digest: str, folder: Path) -> None:
        """Fetches the image of a digest, in skopeo's own layout: manifest.json, and blobs by their digests.

        Raises:
            StoreFailed: it can't be had, or isn't whole.
        """
        source = f"docker://{self.repository}@{digest}"
        # Of an index, whichever platform: they differ in their names only.
        platform = ("--override-os", "linux", "--override-arch", "amd64")
        done = self._run(*platform, "copy", *self._access("src-"), source, f"dir:{folder}")
        if done.returncode:
            raise self._failed("fetched", _last_words(done.stderr))

    def push(self, layout: Path) -> None:
        """Pushes the image of an OCI layout, as it is.

        Raises:
            StoreFailed: the registry doesn't take it.
        """
        options = ("--all", "--preserve-digests", *self._access("dest-"))
        done = self._run("copy", *options, f"oci:{layout}", f"docker://{self.name}")
        if done.returncode:
            raise self._failed("pushed", _last_words(done.stderr))

    def _check(self) -> None:
        """Whether what was given is there: skopeo would go on without it, and fail as if it were wrong."""
        missing = ""
        if self.auth_file is not None and not self.auth_file.is_file():
            missing = (
                "there are no credentials; make the Secret that builds.registry.secretName of the policy"
                " names, of type kubernetes.io/dockerconfigjson"
            )
        elif self.trust is not None and not any(self.trust.glob("*.crt")):
            missing = (
                "there is no certificate of its authority; make the ConfigMap that builds.registry.trust of"
                " the policy names, with its key"
            )
        if missing:
            raise StoreFailed(f"{self.name} can't be looked up: {self.registry}: {missing}")

    def _access(self, side: str) -> list[str]:
        """The options by which skopeo gets at the registry; a copy has two sides."""
        given = ["--retry-times", str(RETRIES)]
        # Without the option skopeo looks for credentials in places of its own.
        given += [f"--{side}authfile", str(self.auth_file)] if self.auth_file else [f"--{side}no-creds"]
        return given + ([f"--{side}cert-dir", str(self.trust)] if self.trust else [])

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        # Signatures of images are no matter here: what is fetched is compared by its digest.
        command = [SKOPEO, "--insecure-policy", *arguments]
        try:
            return subprocess.run(command, capture_output=True, check=False)
        except OSError as error:
            raise StoreFailed(f"{SKOPEO} can't be run: {error.strerror}; it belongs to the image") from error

    def _failed(self, what: str, why: str) -> StoreFailed:
        means = next((advice for pattern, advice in _ADVICE if re.search(pattern, why, re.I)), "")
        beginning = f"{self.name} can't be {what}: {self.registry}: {means}" if means else ""
        return StoreFailed(f"{beginning} ({why})" if means else f"{self.name} can't be {what}: {why}")


def _last_words(errors: bytes) -> str:
    """Why skopeo gave up: what follows its own remarks on what it was doing, without queries of addresses."""
    text = errors.decode(errors="replace")
    found = _FATAL.findall(text)
    try:
        said = json.loads(found[-1]) if found else text
    except ValueError:  # quoted as Go does, not quite as JSON
        said = found[-1].strip('"')
    said = _DOING.sub("", " ".join(said.split()))
    return _QUERY.sub("", said)[-600:] or "skopeo said nothing"
