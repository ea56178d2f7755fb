"""Models in files of their own, and the application around one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.argv = sys.argv[:1]  # KServe reads the command line when it is imported
sys.path.insert(0, str(Path(__file__).parent))

import models  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from onnx_server.application import application  # noqa: E402
from onnx_server.drain import Draining  # noqa: E402
from onnx_server.engine import load  # noqa: E402
from onnx_server.find import Choice, library_of  # noqa: E402

Serve = Callable[..., TestClient]


@pytest.fixture
def draining() -> Draining:
    return Draining(60)


@pytest.fixture
def serve(draining: Draining) -> Serve:
    """Serve a model's file under the name m."""

    def client(
        file: Path, name: str = "m", max_bytes: int = 1024 * 1024, choice: Choice = "auto"
    ) -> TestClient:
        engine = load(file, library_of(file, choice), threads=2)
        app = application(name, engine, draining, workers=2, max_bytes=max_bytes)
        return TestClient(app, raise_server_exceptions=False)

    return client


@pytest.fixture
def linear(serve: Serve, tmp_path: Path) -> TestClient:
    return serve(models.linear(tmp_path / "linear.onnx"))
