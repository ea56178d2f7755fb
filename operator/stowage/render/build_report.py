"""What the builder reports, as the status has it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import MeasuredProfile, Provenance, VariantStatus
from stowage.api.reasons import Code
from stowage.api.types import FRACTION_PATTERN
from stowage.api.variant import Variant
from stowage.placement.builds import build_inputs, result_uri, source_of
from stowage.render.names import build_name, clip

MESSAGE_LENGTH = 253
MOST_PROFILES = 8
_FRACTION = re.compile(FRACTION_PATTERN)
_DECIMAL = re.compile(r"[0-9]{1,12}([.][0-9]{1,6})?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Ended:
    """How the pod of a build ended."""

    message: str
    """What the container left: the report, or last words."""
    succeeded: bool = False
    node: str = ""
    accelerator_class: str = ""
    """The class of the node's CPU; empty where it isn't known."""
    finished: str = ""


def plain(workload: InferenceDeployment, variant: Variant, code: Code | None, message: str) -> VariantStatus:
    """The status of a variant without a result.

    Args:
        code: why it isn't there; None while it is being built.
    """
    states = {None: "Building", Code.VARIANT_NOT_BUILT: "NotBuilt", Code.BUILD_NOT_ALLOWED: "NotBuilt"}
    return VariantStatus.model_validate(
        {
            "name": variant.name,
            "state": states.get(code, "Failed"),
            "inputs": build_inputs(workload, variant),
            "reason": code.value if code else Code.VARIANT_BUILDING.value,
            "message": clip(message, MESSAGE_LENGTH),
        }
    )


def result(
    workload: InferenceDeployment, variant: Variant, store: str, ended: Ended
) -> tuple[VariantStatus, ...]:
    """The variant's status after its Job; and the reference's, where that was measured, too.

    Args:
        store: where the Job stored the result: pvc://claim or oci://repository.
    """
    try:
        report: dict[str, Any] = json.loads(ended.message)
        if not ended.succeeded:
            return (failed(workload, variant, str(report["error"]["message"]), ended.finished),)
        return tuple(_built(workload, variant, store, report, ended))
    except (ValueError, KeyError, TypeError, AttributeError):
        if ended.succeeded:
            message = f"Job {build_name(workload, variant)} ended well but left no report that can be read"
        else:
            message = " ".join(ended.message.split()) or "the builder left no word"
        return (failed(workload, variant, message, ended.finished),)


def failed(workload: InferenceDeployment, variant: Variant, message: str, finished: str) -> VariantStatus:
    """The status of a variant whose Job failed."""
    assert variant.build is not None
    provenance = Provenance(
        source=clip(source_of(workload, variant.build).location, MESSAGE_LENGTH),
        method=variant.build.method,
        job=build_name(workload, variant),
        finished=finished or None,
    )
    found = plain(workload, variant, Code.BUILD_FAILED, message)
    return found.model_copy(update={"provenance": provenance})


def _built(
    workload: InferenceDeployment, variant: Variant, store: str, report: Mapping[str, Any], ended: Ended
) -> list[VariantStatus]:
    assert variant.build is not None
    source = source_of(workload, variant.build)
    quality: Mapping[str, Any] = report.get("quality") or {}
    benchmark: Mapping[str, Any] = report.get("benchmark") or {}
    data: Mapping[str, Any] = report.get("evaluation") or report.get("calibration") or {}
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(report["libraries"].items()))
    provenance = Provenance(
        source=clip(source.location, MESSAGE_LENGTH),
        source_digest=_matching(_DIGEST, report["source"]["digest"]),
        method=variant.build.method,
        data=_matching(_DIGEST, data["digest"]) if data else "",
        libraries=clip(libraries, MESSAGE_LENGTH),
        builder=clip(str(report["builder"]), 63),
        node=clip(ended.node, MESSAGE_LENGTH),
        job=build_name(workload, variant),
        finished=ended.finished or None,
    )
    inputs = build_inputs(workload, variant)
    found = [
        VariantStatus(
            name=variant.name,
            state="Built",
            inputs=inputs,
            uri=_uri(workload, variant, store, report),
            digest=_matching(_DIGEST, report["digest"]),
            size=_size(report["size"]),
            quality=_matching(_FRACTION, quality["value"]) if quality else "",
            metric=clip(str(quality.get("metric", "")), 63),
            examples=min(int(quality.get("examples", 0)), 2_000_000_000),
            profiles=_profiles(benchmark.get("variant"), ended),
            provenance=provenance,
        )
    ]
    if reference := _profiles(benchmark.get("reference"), ended):
        found.append(VariantStatus(name=source.name, state="Measured", inputs=inputs, profiles=reference))
    return found


def _uri(workload: InferenceDeployment, variant: Variant, store: str, report: Mapping[str, Any]) -> str:
    file = _file_name(report["model"])
    if store.startswith("oci://"):
        return result_uri(workload, variant, store, image=_matching(_DIGEST, report["image"]))
    return result_uri(workload, variant, store, file=file)


def _profiles(results: Any, ended: Ended) -> list[MeasuredProfile]:
    """One for each number of cores; none where nobody knows the class of the node."""
    if not results or not ended.accelerator_class:
        return []
    return [
        MeasuredProfile(
            accelerator_class=ended.accelerator_class,
            devices=int(each["threads"]),
            requests_per_second=_matching(_DECIMAL, each["requestsPerSecond"]),
            latency_seconds=_matching(_DECIMAL, each["p50Seconds"]),
            latency99_seconds=_matching(_DECIMAL, each["p99Seconds"]),
        )
        for each in results[:MOST_PROFILES]
    ]


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise ValueError(f"{value!r} isn't what a report has there")
    return value


def _size(value: Any) -> str:
    if not isinstance(value, int) or not 0 < value < 2**63:
        raise ValueError(f"{value!r} is no size")
    return str(value)


def _file_name(value: Any) -> str:
    if value not in ("model.onnx", "model.xml"):
        raise ValueError(f"{value!r} is no file that a build makes")
    return str(value)
