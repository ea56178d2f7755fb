"""The base that images are built on where no registry is in reach: Debian with Python, from its packages.

``mmdebstrap`` makes it once; it is kept as a tar file. Delete it to get Debian's security updates.
"""

from __future__ import annotations

from pathlib import Path

from devcluster.children import run
from devcluster.errors import LOG_LINES_SHOWN, BuildError
from images.cache import publish
from images.recipes import digest_of

SUITE = "bookworm"
PYTHON = "3.11"
"""Of that suite. The wheels are those of this version."""

# usr-is-merged takes the place of usrmerge, which brings all of Perl.
_PACKAGES = ("ca-certificates", "python3", "usr-is-merged")
_NEEDLESS = (
    "usrmerge libfile-find-rule-perl libnumber-compare-perl libtext-glob-perl "
    "perl perl-modules-5.36 libperl5.36"
)
_OPTIONS = (
    "--variant=essential",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    f'--customize-hook=chroot "$1" dpkg --purge {_NEEDLESS}',
    # Byte code of the whole library is 20 MB; an image compiles what it imports.
    '--customize-hook=find "$1"/usr -name __pycache__ -prune -exec rm -rf {} +',
    '--customize-hook=rm -rf "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old "$1"/var/log/*',
)


def base_path(folder: Path, packages: tuple[str, ...]) -> Path:
    """Where the base with these packages lies."""
    parts = [SUITE, *_OPTIONS, *sorted({*_PACKAGES, *packages})]
    return folder / f"base-{SUITE}-{digest_of((part, b'') for part in parts)}.tar"


def ensure_base(folder: Path, packages: tuple[str, ...]) -> Path:
    """Return a tar file of the base's root file system, and make it first when it is not there."""
    path = base_path(folder, packages)
    include = ",".join(sorted({*_PACKAGES, *packages}))
    return publish(path, lambda draft: _bootstrap(draft, include))


def _bootstrap(draft: Path, include: str) -> Path:
    tar = draft / "base.tar"
    answer = run(["mmdebstrap", *_OPTIONS, f"--include={include}", SUITE, str(tar)])
    if answer.returncode != 0:
        raise BuildError("the base image", answer.stderr.splitlines()[-LOG_LINES_SHOWN:])
    return tar
