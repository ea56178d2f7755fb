"""A real network is quantized by each method, measured, and stored whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.builder.conftest import BUILDER, Build

CALIBRATED = {"onnx-static-int8", "openvino-int8"}
METHODS = {
    # Bytes of the result, at most, as a share of the fp32 model's; quality, at least.
    "onnx-dynamic-int8": (0.35, "0.98"),
    "onnx-static-int8": (0.35, "0.98"),
    "onnx-int4-weight-only": (0.35, "0.90"),
    "fp16": (0.55, "0.99"),
    "bf16": (0.55, "0.99"),
    "openvino-int8": (0.50, "0.98"),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_variant_is_smaller_and_as_good(
    build: Build, digits: Path, tmp_path: Path, method: str, record_property: Any
) -> None:
    share, least = METHODS[method]
    data = {"calibration": digits / "calibration.npz"} if method in CALIBRATED else {}
    output = tmp_path / "result"

    done = build(
        output, method, evaluation=digits / "evaluation.npz",
        benchmark_threads="1,2", benchmark_seconds="0.2", **data,
    )  # fmt: skip

    assert done.code == 0, done.errors
    report = done.report
    size = sum(f.stat().st_size for f in output.iterdir() if f.name != "stowage-build.json")
    assert report["size"] == size
    assert size < share * (digits / "model.onnx").stat().st_size
    assert report["model"] == ("model.xml" if method.startswith("openvino") else "model.onnx")
    assert (output / report["model"]).is_file()
    assert Decimal(report["quality"]["value"]) >= Decimal(least)
    assert report["quality"]["metric"] == "top-1 accuracy relative to the reference"
    assert report["quality"]["examples"] == 540
    assert Decimal(report["quality"]["referenceAccuracy"]) > Decimal("0.9")
    for who in ("variant", "reference"):
        assert [each["threads"] for each in report["benchmark"][who]] == [1, 2]
        assert all(
            Decimal(each["p50Seconds"]) <= Decimal(each["p99Seconds"]) for each in report["benchmark"][who]
        )
    source = hashlib.sha256((digits / "model.onnx").read_bytes()).hexdigest()
    assert report["source"]["digest"] == f"sha256:{source}"
    assert report["libraries"]
    assert json.loads((output / "stowage-build.json").read_text()) == report
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    p50, before = (report["benchmark"][who][0]["p50Seconds"] for who in ("variant", "reference"))
    accuracy = f"{report['quality']['accuracy']} of {report['quality']['referenceAccuracy']}"
    record_property(
        method, f"{size} bytes of {report['source']['size']}, accuracy {accuracy}, p50 {p50} s of {before} s"
    )


def test_calibration_on_nothing_like_the_data_shows_as_low_quality(
    build: Build, digits: Path, tmp_path: Path
) -> None:
    done = build(
        tmp_path / "coarse", "onnx-static-int8",
        calibration=digits / "darkness.npz", evaluation=digits / "evaluation.npz",
    )  # fmt: skip

    assert done.code == 0, done.errors
    assert Decimal(done.report["quality"]["value"]) < Decimal("0.9")


def test_without_labels_quality_is_agreement(build: Build, digits: Path, tmp_path: Path) -> None:
    done = build(tmp_path / "fp16", "fp16", evaluation=digits / "unlabelled.npz")

    assert done.report["quality"]["metric"] == "top-1 agreement with the reference"
    assert Decimal(done.report["quality"]["value"]) >= Decimal("0.99")


def test_without_data_quality_is_unknown(build: Build, tmp_path: Path) -> None:
    done = build(tmp_path / "fp16", "fp16")

    assert done.code == 0
    assert "quality" not in done.report


def test_a_script_measures_what_it_likes(build: Build, digits: Path, tmp_path: Path) -> None:
    script = tmp_path / "measure.py"
    script.write_text(
        "import json, pathlib, sys\n"
        "reference, variant, data = map(pathlib.Path, sys.argv[1:])\n"
        "assert reference.exists() and variant.exists() and data.exists()\n"
        "print('thinking')\n"
        "print(json.dumps({'quality': 0.875, 'metric': 'digits that my grandmother reads'}))\n"
    )
    done = build(tmp_path / "fp16", "fp16", script=script, evaluation=digits / "evaluation.npz")

    assert done.report["quality"] == {"value": "0.875", "metric": "digits that my grandmother reads"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("print(7)", "the last line must be a number from 0 to 1"),
        ("print('good')", "the last line must be a number from 0 to 1"),
        ("raise SystemExit('no such metric')", "measure.py ended with 1: no such metric"),
    ],
)
def test_a_script_that_says_nothing_useful_fails_the_build(
    build: Build, tmp_path: Path, text: str, says: str
) -> None:
    script = tmp_path / "measure.py"
    script.write_text(text)

    done = build(tmp_path / "fp16", "fp16", script=script)

    assert done.code == 6
    assert done.report["error"]["code"] == "EvaluationFailed"
    assert says in done.report["error"]["message"]
    assert not (tmp_path / "fp16").exists()


def test_what_is_there_is_not_built_again(build: Build, digits: Path, tmp_path: Path) -> None:
    output, data = tmp_path / "result", digits / "evaluation.npz"
    first = build(output, "fp16", evaluation=data)
    before = {path: path.stat().st_mtime_ns for path in output.iterdir()}

    again = build(output, "fp16", evaluation=data)

    assert again.code == 0
    assert again.report == {**first.report, "reused": True}
    assert {path: path.stat().st_mtime_ns for path in output.iterdir()} == before


def test_a_result_that_was_tampered_with_is_refused(build: Build, digits: Path, tmp_path: Path) -> None:
    output, data = tmp_path / "result", digits / "evaluation.npz"
    build(output, "fp16", evaluation=data)
    with (output / "model.onnx").open("ab") as file:
        file.write(b"\0")

    done = build(output, "fp16", evaluation=data)

    assert done.code == 5
    assert "aren't those that were built" in done.report["error"]["message"]


def test_a_result_of_another_source_is_refused(build: Build, digits: Path, tmp_path: Path) -> None:
    output = tmp_path / "result"
    build(output, "fp16")

    done = build(output, "fp16", **{"from": output / "model.onnx"})

    assert done.code == 5
    assert "made from other contents of the same names" in done.report["error"]["message"]


@pytest.mark.parametrize(
    ("method", "options", "code", "says"),
    [
        ("onnx-static-int8", {}, 3, "onnx-static-int8 needs calibration data"),
        ("fp16", {"from": "nowhere.onnx"}, 3, "doesn't exist"),
        ("fp16", {"from": "."}, 3, "must hold exactly one .onnx file, and has none"),
        ("fp16", {"from": "evaluation.npz"}, 3, "ONNX Runtime can't load evaluation.npz"),
        ("fp16", {"evaluation": "model.onnx"}, 3, "model.onnx can't be read as .npz"),
        (
            "fp16",
            {"evaluation": "wrong.npz"},
            3,
            "has no array for the input 'image'; its arrays are mask, x",
        ),
        ("fp16", {"output": "model.onnx/result"}, 5, "nothing can be written to"),
    ],
)
def test_a_wrong_order_says_what_is_wrong(
    build: Build, digits: Path, tmp_path: Path, method: str, options: dict[str, str], code: int, says: str
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    place = folder if options.get("from") == "." else digits
    given = {name: place / value for name, value in options.items()}
    output = given.pop("output", tmp_path / "result")

    done = build(output, method, **given)

    assert done.code == code, done.errors
    assert says in done.report["error"]["message"]
    assert not output.exists()


def test_one_that_is_told_to_end_leaves_nothing(python: Path, digits: Path, tmp_path: Path) -> None:
    output = tmp_path / "store" / "result"
    options = {
        "from": digits / "model.onnx", "method": "fp16", "output": output,
        "evaluation": digits / "evaluation.npz", "benchmark-threads": 1, "benchmark-seconds": 300,
    }  # fmt: skip
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [str(python), "-m", "stowage_builder", "build", *arguments]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(BUILDER)}) as process:
        deadline = time.monotonic() + 60
        while not (output.parent.is_dir() and any(output.parent.iterdir())) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert list(output.parent.iterdir()) == []
