"""The builder as a process, in an environment of its own: its libraries are no part of the operator's."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devcluster.binaries import cache_root
from devcluster.locks import exclusive

ROOT = Path(__file__).parents[2]
BUILDER = ROOT / "images" / "builder"
DIGITS = Path(__file__).with_name("digits.py")


def ensure_environment() -> Path:
    """The Python that has the builder's locked libraries; installed once for a lock file."""
    lock = BUILDER / "requirements.lock"
    key = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = cache_root(os.environ) / "builder" / key
    python, complete = folder / "bin" / "python", folder / "complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(folder.with_name(f"{key}.lock"), lambda: None):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
            subprocess.run([str(python), *install, "-r", str(lock)], check=True)
            complete.touch()
    return python


@dataclass(frozen=True)
class Done:
    """How a run of the builder ended."""

    code: int
    report: dict[str, Any]
    errors: str


Build = Callable[..., Done]


@pytest.fixture(scope="session")
def python() -> Path:
    return ensure_environment()


@pytest.fixture(scope="session")
def digits(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained network and its data."""
    folder = tmp_path_factory.mktemp("digits")
    subprocess.run([str(python), str(DIGITS), str(folder)], check=True, env=_environment())
    return folder


@pytest.fixture
def build(python: Path, digits: Path, tmp_path: Path) -> Build:
    """Runs ``stowage_builder build`` with these options, on the digits unless another source is given."""

    def run(output: Path, method: str, **options: str | Path) -> Done:
        report = tmp_path / "report.json"
        report.unlink(missing_ok=True)
        given = {
            "from": digits / "model.onnx",
            "method": method,
            "output": output,
            "report": report,
            **options,
        }
        arguments = [part for name, v in given.items() for part in (f"--{name.replace('_', '-')}", str(v))]
        done = subprocess.run(
            [str(python), "-m", "stowage_builder", "build", *arguments],
            capture_output=True,
            text=True,
            env=_environment(),
            check=False,
        )
        return Done(done.returncode, json.loads(report.read_text()) if report.exists() else {}, done.stderr)

    return run


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(BUILDER), "OMP_NUM_THREADS": "1"}
