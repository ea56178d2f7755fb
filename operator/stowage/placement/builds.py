"""Variants that are built: what stands for one before and after, and which are worth building.

A build's result depends on the reference's uri, the method and the data. Eight characters stand for these: a
result is used as long as they are the same, and named by them, so that nothing is built twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import MeasuredProfile, VariantStatus
from stowage.api.placement_policy import PlacementPolicy
from stowage.api.variant import Build, Profile, Variant
from stowage.placement.fit import BYTES

UNMEASURED = "0"
"""The quality by which a variant is ordered that nobody measured: the last."""
STORE_FOLDER = "stowage"
"""In the claim of the policy."""


@dataclass(frozen=True, slots=True)
class BuildState:
    """How far a variant is that is to be built."""

    found: VariantStatus | None
    """What status says of it; None where that is of other inputs, or nothing."""

    @property
    def built(self) -> bool:
        return self.found is not None and self.found.state == "Built"


def source_of(workload: InferenceDeployment, build: Build) -> Variant:
    """The variant that another one is built from; the API makes sure that it is there."""
    return next(v for v in workload.spec.variants if v.name == build.source)


def build_inputs(workload: InferenceDeployment, variant: Variant) -> str:
    """Eight characters that stand for all that the variant's build depends on.

    Raises:
        ValueError: the variant isn't built.
    """
    if variant.build is None:
        raise ValueError(f"variant {variant.name} has a uri")
    said = [
        source_of(workload, variant.build).uri,
        variant.build.model_dump(by_alias=True, exclude_defaults=True, mode="json"),
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]


def build_states(workload: InferenceDeployment) -> dict[str, BuildState]:
    """The states of all variants that are built."""
    told = _told(workload)
    states = {}
    for variant in workload.spec.variants:
        if variant.build is not None:
            found = told.get(variant.name)
            same = found is not None and found.inputs == build_inputs(workload, variant)
            states[variant.name] = BuildState(found if same else None)
    return states


def _told(workload: InferenceDeployment) -> dict[str, VariantStatus]:
    return {v.name: v for v in workload.status.variants} if workload.status else {}


def effective_variants(
    workload: InferenceDeployment, policy: PlacementPolicy, builds: Mapping[str, BuildState]
) -> tuple[Variant, ...]:
    """The variants with what was measured; one that isn't built yet with what can be said before."""
    told = _told(workload)
    return tuple(
        _effective(v, builds.get(v.name), policy, workload, told.get(v.name)) for v in workload.spec.variants
    )


def _effective(
    variant: Variant,
    state: BuildState | None,
    policy: PlacementPolicy,
    workload: InferenceDeployment,
    told: VariantStatus | None,
) -> Variant:
    if state is None or variant.build is None:
        return _with_profiles(variant, told)
    if state.built and state.found is not None:
        found = state.found
        update = {
            "uri": found.uri,
            "size": found.size,
            "digest": found.digest or None,
            "quality": found.quality or UNMEASURED,
        }
        return _with_profiles(variant.model_copy(update=update), found)
    size = variant.size or _expected_size(variant, source_of(workload, variant.build))
    store = policy.spec.builds.store if policy.spec.builds else "pvc://none"
    return variant.model_copy(update={"uri": result_uri(workload, variant, store), "size": size})


def _with_profiles(variant: Variant, told: VariantStatus | None) -> Variant:
    """What the spec says of a class and so many devices goes before what was measured of them."""
    if told is None or not told.profiles:
        return variant
    said = {(p.accelerator_class, p.devices) for p in variant.profiles}
    more = [_profile(p) for p in told.profiles if (p.accelerator_class, p.devices) not in said]
    return variant.model_copy(update={"profiles": [*variant.profiles, *more]})


class BuiltProfile(Profile):
    """A measured profile in the terms of the engine: durations of the API end at milliseconds."""

    latency_seconds: float | None = None


def _profile(measured: MeasuredProfile) -> BuiltProfile:
    return BuiltProfile(
        accelerator_class=measured.accelerator_class,
        devices=measured.devices,
        requests_per_second=measured.requests_per_second,
        latency_seconds=float(measured.latency_seconds),
    )


def _expected_size(variant: Variant, source: Variant) -> str:
    """The reference's size by the bytes of a weight: an estimate until it is built."""
    return str(max(1, int(source.stored_bytes * BYTES[variant.weights] / BYTES[source.weights])))


def result_folder(workload: InferenceDeployment, variant: Variant) -> str:
    """The folder of the result within the claim."""
    name = f"{variant.name}-{build_inputs(workload, variant)}"
    return f"{STORE_FOLDER}/{workload.name}/{name}"


def result_tag(workload: InferenceDeployment, variant: Variant) -> str:
    """The tag of the result within the repository: at most 123 of the 128 characters that a tag has.

    Namespaces may have other contents on claims of the same name, so it holds the namespace. Neither that nor
    a name has a dot, so that no two objects have the same tag.
    """
    return f"{workload.metadata.namespace}.{workload.name}.{build_inputs(workload, variant)}"


def result_uri(
    workload: InferenceDeployment, variant: Variant, store: str, file: str = "", image: str = ""
) -> str:
    """Where the result is: on a claim the file that a server loads, in a registry the image.

    Args:
        store: pvc://claim or oci://repository.
        file: its name. Empty: that of the format.
        image: its digest, which stands for the same content for ever. Empty: the tag is named.
    """
    if store.startswith("oci://"):
        return f"{store}@{image}" if image else f"{store}:{result_tag(workload, variant)}"
    return f"{store}/{result_folder(workload, variant)}/{file or result_file(variant)}"


def result_file(variant: Variant) -> str:
    """The name of the result's file that a server loads, by its format."""
    return "model.xml" if variant.format == "openvino" else "model.onnx"
