"""Files that are made once: each appears under its name only when it is complete."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from devcluster.binaries import cache_root
from devcluster.errors import BuildError
from devcluster.locks import exclusive


def images_folder() -> Path:
    """The folder of the archives and of what they are made from."""
    return cache_root(os.environ) / "images"


def publish(path: Path, make: Callable[[Path], Path]) -> Path:
    """Return `path`, and make it first when it is not there.

    `make` gets an empty folder and returns the file in it that becomes `path`. Two at once: the second
    one waits, and takes what the first one made. What a killed run left is removed by the next.
    """
    if path.is_file():
        return path
    with exclusive(path.with_suffix(".lock"), lambda: _say_waiting(path)):
        if not path.is_file():
            _make(path, make)
    return path


def _make(path: Path, make: Callable[[Path], Path]) -> None:
    for leftover in path.parent.glob(f"{path.name}.draft-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{path.name}.draft-", dir=path.parent))
    draft.chmod(0o755)
    try:
        make(draft).replace(path)
    except (BuildError, OSError) as error:
        if _is_full(error):
            advice = (
                f"no space is left in {path.parent}; free some, or set STOWAGE_CACHE_DIR to another folder"
            )
            raise BuildError(path.name, [advice]) from error
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _is_full(error: BuildError | OSError) -> bool:
    """Whether space was short, for us or for a program that we ran."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(os.strerror(errno.ENOSPC) in line for line in error.output)


def _say_waiting(path: Path) -> None:
    print(f"another run makes {path.name}; waiting for it", flush=True)
