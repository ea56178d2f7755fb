"""One build: make the variant, measure it, store both at once. What is there already isn't made again."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stowage_builder import __version__
from stowage_builder.benchmark import Measured, benchmark, processor
from stowage_builder.data import DataSet, load
from stowage_builder.engine import inputs_of
from stowage_builder.errors import BadInput, BuildError, MethodFailed, StoreFailed
from stowage_builder.files import REPORT_NAME, digest_of, model_file, put, size_of, workplace
from stowage_builder.methods import METHODS, Method, Task
from stowage_builder.quality import Quality, by_script, measure

Report = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """What is to be built."""

    source: Path
    method: str
    output: Path
    """The folder of the result. It comes into being whole, or not at all."""
    calibration: Path | None = None
    evaluation: Path | None = None
    """Absent: the calibration data."""
    script: Path | None = None
    threads: Sequence[int] = ()
    """To benchmark on; none: no benchmark."""
    seconds: float = 3.0
    """How long each benchmark runs."""


@dataclass(frozen=True)
class _Job:
    """An order whose inputs were read."""

    order: Order
    method: Method
    source: Path
    inputs: list[Any] = field(default_factory=list)
    calibration: DataSet | None = None
    evaluation: DataSet | None = None

    def made_from(self) -> Report:
        """All that the result depends on."""
        order = self.order
        found: Report = {
            "method": order.method,
            "source": {
                "file": self.source.name,
                "digest": digest_of(self.source),
                "size": size_of(self.source),
            },
        }
        for name, path in (("calibration", order.calibration), ("evaluation", order.evaluation)):
            if path is not None:
                found[name] = {"file": path.name, "digest": digest_of(path)}
        if order.script is not None:
            found["script"] = {"file": order.script.name, "digest": digest_of(order.script)}
        return found


def build(order: Order) -> Report:
    """Builds, or finds that it was built. Returns the report.

    Raises:
        BuildError: see ``errors``.
    """
    job = _read(order)
    made_from = job.made_from()
    there = _there(order.output, made_from)
    if there is not None:
        return _with_benchmark(job, there)
    start = time.monotonic()
    with workplace(order.output) as place:
        folder, scratch = place / "result", place / "scratch"
        folder.mkdir()
        scratch.mkdir()
        model = _make(job, folder, scratch)
        quality, measured = _quality(job, model), _benchmarks(job, model)
        report: Report = {
            **made_from,
            "model": model.name,
            "size": size_of(folder),
            "digest": digest_of(folder),
            **({"quality": quality.to_wire()} if quality else {}),
            **({"benchmark": measured} if measured else {}),
            "libraries": {name: version(name) for name in job.method.libraries},
            "builder": __version__,
            "seconds": round(time.monotonic() - start, 1),
        }
        (folder / REPORT_NAME).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        if put(folder, order.output):
            return report
    there = _there(order.output, made_from)
    assert there is not None  # it was there a moment ago, or _there says what is wrong with it
    return there


def _read(order: Order) -> _Job:
    method = METHODS[order.method]
    source = model_file(order.source)
    if method.calibrated and order.calibration is None:
        raise BadInput(
            f"{order.method} needs calibration data; give a .npz file with an array for each input"
        )
    inputs = inputs_of(source)
    calibration = load(order.calibration, inputs) if order.calibration else None
    evaluation = load(order.evaluation, inputs) if order.evaluation else calibration
    return _Job(order, method, source, inputs, calibration, evaluation)


def _there(output: Path, made_from: Report) -> Report | None:
    """The report of the result that is there; None where there is none.

    Raises:
        StoreFailed: it is of something else, or isn't what was built.
    """
    if not output.exists():
        return None
    try:
        report: Report = json.loads((output / REPORT_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreFailed(f"{output} is there and has no report of a build; remove it") from error
    if {k: v for k, v in report.items() if k in made_from} != made_from:
        raise StoreFailed(
            f"{output} was made from other contents of the same names; remove it, "
            "or give what changed a new name"
        )
    if report.get("digest") != digest_of(output):
        raise StoreFailed(f"the files of {output} aren't those that were built; remove it")
    return {**report, "reused": True}


def _with_benchmark(job: _Job, there: Report) -> Report:
    """Measures the speed where what is there doesn't say it: an image holds nothing that is of one node."""
    if "benchmark" in there or (measured := _benchmarks(job, job.order.output / there["model"])) is None:
        return there
    report = {**there, "benchmark": measured}
    (job.order.output / REPORT_NAME).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _make(job: _Job, folder: Path, scratch: Path) -> Path:
    task = Task(job.source, folder, scratch, job.calibration, job.inputs)
    try:
        return job.method.run(task)
    except (BuildError, MemoryError):
        raise
    except OSError as error:
        raise StoreFailed(f"the variant can't be written: {error}") from error
    except Exception as error:
        # The libraries raise anything; all of it means that this model can't be made in this way.
        raise MethodFailed(f"{job.order.method}: {type(error).__name__}: {error}") from error


def _quality(job: _Job, model: Path) -> Quality | None:
    """None where there is nothing to measure it on: then it is unknown."""
    order = job.order
    if order.script is not None:
        return by_script(order.script, job.source, model, order.evaluation or order.calibration)
    return measure(job.source, model, job.evaluation, job.inputs) if job.evaluation is not None else None


def _benchmarks(job: _Job, model: Path) -> Report | None:
    """Of the variant, and of its reference on the same machine, to which it compares."""
    order, data = job.order, job.evaluation
    if not order.threads or data is None:
        return None
    return {
        "processor": processor(),
        "variant": _results(benchmark(model, data, job.inputs, order.threads, order.seconds)),
        "reference": _results(benchmark(job.source, data, job.inputs, order.threads, order.seconds)),
    }


def _results(measured: Sequence[Measured]) -> list[Report]:
    return [each.to_wire() for each in measured]
