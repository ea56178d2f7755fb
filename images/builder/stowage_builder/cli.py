"""The command line, and the report for whoever started it."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from stowage_builder import __version__
from stowage_builder.build import Order, build
from stowage_builder.errors import BuildError
from stowage_builder.methods import METHODS
from stowage_builder.registry import Image
from stowage_builder.transfer import pull, push

TERMINATION_LOG = Path("/dev/termination-log")
"""What a container writes here, the kubelet puts into the pod's status."""
MOST_BYTES = 4096
"""Of a termination message; the kubelet cuts what is longer, which would be no JSON any more."""
MESSAGE_LENGTH = 1000

Run = Callable[[argparse.Namespace], dict[str, Any]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 built or there already, else see ``errors``."""
    signal.signal(signal.SIGTERM, _end)
    given = _parser().parse_args(arguments)
    try:
        report = given.run(given)
    except BuildError as error:
        failed = {"error": {"code": type(error).__name__, "message": _clipped(str(error))}}
        _tell(given.report, failed)
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    _tell(given.report, report)
    print(json.dumps(report, indent=2))
    return 0


def _build(given: argparse.Namespace) -> dict[str, Any]:
    order = Order(
        source=given.source,
        method=given.method,
        output=given.output,
        calibration=given.calibration,
        evaluation=given.evaluation,
        script=given.script,
        threads=given.benchmark_threads,
        seconds=given.benchmark_seconds,
    )
    return build(order)


def _pull(given: argparse.Namespace) -> dict[str, Any]:
    return {"found": pull(_image(given), given.folder)}


def _push(given: argparse.Namespace) -> dict[str, Any]:
    return push(given.folder, _image(given))


def _image(given: argparse.Namespace) -> Image:
    return Image(given.image, given.auth_file, given.trust)


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal wants it
    """Leaves by way of all that cleans up. A container's first process has no handler but those it sets."""
    sys.exit(128 + number)


def _tell(path: Path | None, report: dict[str, Any]) -> None:
    """Writes the report where it is wanted, else where the kubelet reads it."""
    target = path or (TERMINATION_LOG if TERMINATION_LOG.exists() else None)
    if target is None:
        return
    text = json.dumps(report, separators=(",", ":"))
    assert len(text.encode()) <= MOST_BYTES, "the report is too long for a termination message"
    target.write_text(text, encoding="utf-8")


def _clipped(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= MESSAGE_LENGTH else f"{one_line[: MESSAGE_LENGTH - 1]}…"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stowage-builder", description="Builds and measures variants.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    _build_options(commands.add_parser("build", help="build one variant, measure it, and write a report"))
    _transfer_options(
        commands.add_parser("pull", help="fetch a result from a registry, if it is there"), _pull
    )
    _transfer_options(
        commands.add_parser("push", help="push a result to a registry, unless it is there"), _push
    )
    return parser


def _build_options(one: argparse.ArgumentParser) -> None:
    one.set_defaults(run=_build)
    one.add_argument(
        "--from", dest="source", type=Path, required=True, help="the fp32 ONNX model, or its folder"
    )
    one.add_argument("--method", choices=sorted(METHODS), required=True)
    one.add_argument("--output", type=Path, required=True, help="the folder of the result")
    one.add_argument(
        "--calibration", type=Path, help=".npz: an array for each input, labels if there are any"
    )
    one.add_argument(
        "--evaluation", type=Path, help="the same, to measure the quality on; the calibration data"
    )
    one.add_argument("--script", type=Path, help="measures the quality instead: REFERENCE VARIANT [DATA]")
    one.add_argument(
        "--benchmark-threads",
        type=_threads,
        default=(),
        help="numbers of threads to measure on, such as 1,2,4",
    )
    one.add_argument("--benchmark-seconds", type=float, default=3.0, help="how long each of them runs")
    _report_option(one)


def _transfer_options(one: argparse.ArgumentParser, run: Run) -> None:
    one.set_defaults(run=run)
    one.add_argument("--image", required=True, help="where it is in the registry: host/path:tag")
    one.add_argument("--folder", type=Path, required=True, help="the folder of the result")
    one.add_argument("--auth-file", type=Path, help="credentials, as docker login writes them")
    one.add_argument("--trust", type=Path, help="a folder of certificate authorities beside the public ones")
    _report_option(one)


def _report_option(one: argparse.ArgumentParser) -> None:
    one.add_argument("--report", type=Path, help="a file for the report; the termination log")


def _threads(text: str) -> tuple[int, ...]:
    try:
        counts = tuple(int(each) for each in text.split(","))
    except ValueError:
        counts = ()
    if not counts or any(count < 1 for count in counts) or len(counts) > 8:
        raise argparse.ArgumentTypeError(f"{text!r}: write at most eight numbers of threads, such as 1,2,4")
    return counts
