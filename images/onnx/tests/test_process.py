"""The server as a process: what it prints, when it is ready, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import models
import pytest

ROOT = Path(__file__).parents[1]
PATIENCE = 60
"""Seconds: far more than anything here takes."""
X = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(path: Path, port: int, *more: str) -> list[str]:
    fixed = [f"--model-path={path}", "--model-name=m", "--threads=1", "--host=127.0.0.1", f"--port={port}"]
    return [sys.executable, "-m", "onnx_server", *fixed, *more]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "onnx_server", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def ready(port: int) -> bool:
    try:
        return ask(port, "GET", "/v2/health/ready")[0] == 200
    except OSError:
        return False


@contextmanager
def running(path: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    with subprocess.Popen(
        command(path, port, *more), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            eventually(lambda: process.poll() is not None or ready(port))
            assert process.poll() is None, process.stdout and process.stdout.read()
            yield process, port
        finally:
            process.kill()


def served_once(path: Path) -> str:
    """What a server of the linear model says, that answers a request rightly and is then told to end."""
    with running(path, "--drain-seconds=0") as (process, port):
        status, body = ask(port, "POST", "/v2/models/m/infer", json.dumps({"inputs": [X]}))
        assert (status, json.loads(body)["outputs"][0]["data"]) == (200, [32.0, 48.0])
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    return str(output)


def test_it_serves_and_ends_with_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models.linear(tmp_path / "m.onnx")
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    output = served_once(tmp_path)
    assert f"serving {tmp_path}/m.onnx as 'm' by onnxruntime on 1 threads, requests of up to" in output
    assert output.index("warmed up: the first run took") < output.index("serving")
    assert "Traceback" not in output
    assert not home.exists(), "ONNX Runtime writes there when it means to tell about us"


class Client(threading.Thread):
    """Asks again and again, on one connection where the server lets it, until it is told to stop."""

    def __init__(self, port: int, rows: int) -> None:
        super().__init__(daemon=True)
        given = {"name": "x", "shape": [rows, 256], "datatype": "FP32", "data": [1] * (rows * 256)}
        self.port = port
        self.body = json.dumps({"inputs": [given]})
        self.stop = threading.Event()
        self.answers: list[int | str] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        while not self.stop.is_set():
            try:
                connection.request("POST", "/v2/models/m/infer", self.body)
                response = connection.getresponse()
                response.read()
                self.answers.append(response.status)
            except (OSError, http.client.HTTPException) as error:
                self.answers.append(repr(error))
                connection.close()
        connection.close()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_requests_are_answered_until_clients_have_gone_elsewhere(tmp_path: Path) -> None:
    models.slow(tmp_path / "m.onnx")
    with running(tmp_path, "--drain-seconds=3600") as (process, port):
        clients = [Client(port, rows=8) for _ in range(4)]
        for each in clients:
            each.start()
        eventually(lambda: all(len(each.answers) > 2 for each in clients))
        process.send_signal(signal.SIGTERM)
        eventually(lambda: not ready(port))
        before = [len(each.answers) for each in clients]
        eventually(lambda: all(len(c.answers) > b + 2 for c, b in zip(clients, before, strict=True)))
        for each in clients:
            each.stop.set()
        for each in clients:
            each.join(PATIENCE)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert {answer for each in clients for answer in each.answers} == {200}


def test_what_is_in_flight_is_finished(tmp_path: Path) -> None:
    models.slow(tmp_path / "m.onnx", steps=100)
    with running(tmp_path, "--drain-seconds=0") as (process, port):
        client = Client(port, rows=2048)
        asking = threading.Thread(target=_once, args=(client,))
        asking.start()
        eventually(
            lambda: b"requests_in_flight 1.0" in ask(port, "GET", "/metrics")[1] or bool(client.answers)
        )
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE)
        asking.join(PATIENCE)
    assert process.returncode == 0, output
    assert client.answers == [200]


def _once(client: Client) -> None:
    client.answers.append(ask(client.port, "POST", "/v2/models/m/infer", client.body)[0])


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    models.linear(tmp_path / "m.onnx")
    with running(tmp_path, "--drain-seconds=3600") as (process, port):
        process.send_signal(signal.SIGTERM)
        eventually(lambda: not ready(port))
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def test_a_folder_without_a_model_ends_it_with_a_sentence(tmp_path: Path) -> None:
    answer = run(f"--model-path={tmp_path}", "--model-name=m")
    assert (answer.returncode, answer.stderr) == (
        1,
        f"onnx-server: there is no .onnx or .xml file in {tmp_path}, which holds nothing\n",
    )


def test_a_corrupt_model_ends_it_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(os.urandom(4096))
    answer = run(f"--model-path={tmp_path}", "--model-name=m")
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith(f"onnx-server: {tmp_path}/m.onnx can't be loaded: ")
    assert "Traceback" not in answer.stderr


def test_another_model_than_is_meant_is_never_served(tmp_path: Path) -> None:
    models.linear(tmp_path / "model" / "m.onnx")
    words = tmp_path / "termination-log"
    words.touch()
    given = (f"--model-path={tmp_path}/model", f"--termination-log={words}")
    found = run(*given, "--print-digest").stdout.strip()
    meant = f"sha256:{'0' * 64}"

    answer = run(*given, "--model-name=m", f"--digest={meant}")

    sentence = f"digest is {found}, expected {meant}"
    assert (answer.returncode, answer.stderr, words.read_text()) == (
        3,
        f"onnx-server: {sentence}\n",
        sentence,
    )
    assert f"the files at {tmp_path}/model have the digest {found}; expected is {meant}" in answer.stdout


def test_the_model_that_is_meant_is_served(tmp_path: Path) -> None:
    models.linear(tmp_path / "m.onnx")
    found = run(f"--model-path={tmp_path}", "--print-digest").stdout.strip()
    with running(tmp_path, f"--digest={found}", "--drain-seconds=0") as (process, port):
        assert ask(port, "POST", "/v2/models/m/infer", json.dumps({"inputs": [X]}))[0] == 200
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE)
    assert f"the digest is the expected one, {found}" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model-name=m"], "the following arguments are required: --model-path"),
        (["--model-path=/m"], "the following arguments are required: --model-name"),
        (
            ["--model-path=/m", "--model-name=m", "--digest=sha256:0"],
            "argument --digest: must be sha256: and 64 lower-case hexadecimal digits",
        ),
        (["--model-path=/m", "--model-name=m", "--threads=0"], "argument --threads: must be at least 1"),
        (
            ["--model-path=/m", "--model-name=m", "--port=70000"],
            "argument --port: must be between 0 and 65535",
        ),
        (
            ["--model-path=/m", "--model-name=m", "--drain-seconds=-1"],
            "argument --drain-seconds: must be at least 0",
        ),
        (["--model-path=/m", "--model-name=m", "--model=x"], "unrecognized arguments: --model=x"),
    ],
)
def test_wrong_arguments(arguments: list[str], message: str) -> None:
    answer = run(*arguments)
    assert answer.returncode == 2
    assert message in answer.stderr
