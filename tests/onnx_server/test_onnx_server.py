"""The ONNX server's own checks, in an environment of its own: its libraries are no part of the operator's."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from devcluster.binaries import cache_root
from devcluster.locks import exclusive

SERVER = Path(__file__).parents[2] / "images" / "onnx"


@pytest.fixture(scope="module")
def python() -> Path:
    """The Python that has the server's locked libraries; installed once for a lock file."""
    lock = SERVER / "requirements-test.lock"
    key = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = cache_root(os.environ) / "onnx-server" / key
    program, complete = folder / "bin" / "python", folder / "complete"
    with exclusive(folder.with_name(f"{key}.lock"), lambda: None):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
            subprocess.run([str(program), *install, "-r", str(lock)], check=True)
            complete.touch()
    return program


@pytest.mark.parametrize("tool", ["mypy", "pytest"])
def test_the_server_passes_its_own(tool: str, python: Path, tmp_path: Path) -> None:
    arguments = ["-p", "no:cacheprovider", "--basetemp", str(tmp_path / "own")] if tool == "pytest" else []
    answer = subprocess.run(
        [str(python), "-m", tool, *arguments],
        cwd=SERVER,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert re.search(r"Success: no issues found in \d\d|\d{3} passed", answer.stdout)


def test_its_locks_agree() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^\S+==\S+", (SERVER / name).read_text(), re.MULTILINE))

    served, tested = pins("requirements.lock"), pins("requirements-test.lock")
    assert served
    assert served <= tested, "run make lock"


@pytest.mark.parametrize("name", ["", "model.onnx", "model.xml"])
@pytest.mark.parametrize("built", [False, True])
def test_it_computes_the_builders_digest(
    name: str, built: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (SERVER, SERVER.with_name("builder")):
        monkeypatch.syspath_prepend(str(folder))
    theirs, ours = import_module("stowage_builder.files"), import_module("onnx_server.digest")
    for file in ("model.onnx", "model.onnx.data", "model.xml", "model.bin", "a-b/x", "a/x"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(file)
    if built:
        (tmp_path / theirs.REPORT_NAME).write_text("{}")
    # The report holds the folder's digest, and the uri of a result names a file in it.
    assert ours.digest_of(tmp_path / name) == theirs.digest_of(tmp_path if built else tmp_path / name)
