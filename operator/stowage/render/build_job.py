"""The Job that builds a variant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stowage.api.builds import Builds
from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.placement_policy import PlacementPolicy
from stowage.api.quantity import parse_duration, parse_millis
from stowage.api.variant import Build, Variant
from stowage.placement.builds import build_inputs, result_folder, result_tag, source_of
from stowage.placement.snapshot import Pool
from stowage.render.build_push import PULL, PUSH, RESULT, result_mount, transfer, transfer_volumes
from stowage.render.confined import USER, confined
from stowage.render.names import (
    BUILD_INPUTS,
    BUILD_LABEL,
    MANAGED_BY,
    VARIANT,
    Object,
    build_name,
    owner_labels,
    owner_reference,
)
from stowage.render.pool_nodes import node_affinity, tolerations

CONTAINER = "builder"
CLAIMS = "/claims"
"""Where claims are mounted, each in a folder of its name."""
KEPT_SECONDS = 3600
"""How long a finished Job stays. What failed is tried anew when its Job is gone."""
FINAL_EXIT_CODES = [2, 3, 4, 6]
"""Of the builder: trying again can't help. See docs/variants.md."""
MOST_THREADS = 64


def build_job(
    workload: InferenceDeployment,
    variant: Variant,
    policy: PlacementPolicy,
    image: str,
    pools: Sequence[Pool] = (),
) -> Object:
    """The Job of one variant. Its name stands for what the result depends on: the same is never built twice.

    Args:
        image: the builder's, where the policy names none.
        pools: whose nodes may build, where the policy says so by their class.

    Raises:
        ValueError: the variant isn't built, or the policy doesn't let it be.
    """
    build, builds = variant.build, policy.spec.builds
    if build is None or builds is None:
        raise ValueError(f"variant {variant.name} isn't to be built")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": build_name(workload, variant),
            "namespace": workload.metadata.namespace,
            "labels": owner_labels(workload),
            "annotations": {VARIANT: variant.name, BUILD_INPUTS: build_inputs(workload, variant)},
            "ownerReferences": [owner_reference(workload)],
        },
        "spec": {
            "backoffLimit": builds.retries,
            "activeDeadlineSeconds": max(1, int(parse_duration(builds.deadline))),
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": CONTAINER,
                            "operator": "In",
                            "values": FINAL_EXIT_CODES,
                        },
                    }
                ]
            },
            "template": _pod(workload, variant, build, _with_image(builds, image), policy, pools),
        },
    }


def _with_image(builds: Builds, image: str) -> Builds:
    return builds if builds.image else builds.model_copy(update={"image": image})


def _pod(
    workload: InferenceDeployment,
    variant: Variant,
    build: Build,
    builds: Builds,
    policy: PlacementPolicy,
    pools: Sequence[Pool],
) -> Object:
    """The pod. It hasn't the labels of pods that serve: the Service must not send it requests."""
    template = workload.spec.template
    stored_on = {builds.claim_name} if builds.claim_name is not None else set()
    claims = sorted({_claim(uri) for uri in _given(workload, build)} | stored_on)
    spec: Object = {
        "restartPolicy": "Never",  # a pod failure policy asks for it
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **_containers(workload, variant, build, builds, claims),
        "volumes": [
            *(
                {"name": f"claim-{index}", "persistentVolumeClaim": {"claimName": claim}}
                for index, claim in enumerate(claims)
            ),
            {"name": "scratch", "emptyDir": {}},
            *(transfer_volumes(builds.registry) if builds.registry else ()),
        ],
    }
    if builds.node_selector:
        spec["nodeSelector"] = dict(builds.node_selector)
    if pools:
        spec["affinity"] = {"nodeAffinity": node_affinity(pools)}
    if tolerated := tolerations(pools, policy):
        spec["tolerations"] = tolerated
    if template.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": s.name} for s in template.image_pull_secrets]
    metadata: Object = {"labels": {MANAGED_BY: "stowage", BUILD_LABEL: workload.name}}
    if template.annotations:
        metadata["annotations"] = dict(template.annotations)
    return {"metadata": metadata, "spec": spec}


def _containers(
    workload: InferenceDeployment, variant: Variant, build: Build, builds: Builds, claims: list[str]
) -> Object:
    """The builder, which writes onto the claim itself; or between the two that know the registry."""
    builder = _container(workload, variant, build, builds, claims)
    if builds.registry is None:
        return {"containers": [builder]}
    reference = f"{builds.registry.repository}:{result_tag(workload, variant)}"
    pull, push = (
        transfer(command, reference, builds.registry, builder["image"], builder["resources"])
        for command in (PULL, PUSH)
    )
    builder["volumeMounts"].append(result_mount())
    return {"initContainers": [pull, builder], "containers": [push]}


def _container(
    workload: InferenceDeployment, variant: Variant, build: Build, builds: Builds, claims: list[str]
) -> Object:
    resources = {"cpu": builds.cpu, "memory": builds.memory}
    mounts = [
        {
            "name": f"claim-{index}",
            "mountPath": f"{CLAIMS}/{claim}",
            **({} if claim == builds.claim_name else {"readOnly": True}),
        }
        for index, claim in enumerate(claims)
    ]
    cores = str(_cores(builds))
    return {
        "name": CONTAINER,
        "image": builds.image,
        "args": list(_arguments(workload, variant, build, builds)),
        "env": [
            {"name": "HOME", "value": "/tmp"},
            {"name": "OMP_NUM_THREADS", "value": cores},
        ],
        "resources": {"requests": resources, "limits": dict(resources)},
        "volumeMounts": [*mounts, {"name": "scratch", "mountPath": "/tmp"}],
        # The report is how the operator learns of the result; a crash says its last words there, too.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": confined(),
    }


def _arguments(
    workload: InferenceDeployment, variant: Variant, build: Build, builds: Builds
) -> Iterator[str]:
    yield "build"
    yield from ("--from", _path(source_of(workload, build).location))
    yield from ("--method", build.method)
    yield from ("--output", _output(workload, variant, builds))
    if build.calibration is not None:
        yield from ("--calibration", _path(build.calibration))
    if build.evaluation is not None:
        yield from ("--evaluation", _path(build.evaluation))
    if build.script is not None:
        yield from ("--script", _path(build.script))
    if build.benchmark:
        yield from ("--benchmark-threads", ",".join(str(n) for n in benchmark_threads(builds)))
    yield from ("--report", "/dev/termination-log")


def _output(workload: InferenceDeployment, variant: Variant, builds: Builds) -> str:
    if builds.registry is not None:
        return RESULT
    return f"{CLAIMS}/{builds.claim_name}/{result_folder(workload, variant)}"


def benchmark_threads(builds: Builds) -> list[int]:
    """One, two, four and so on up to the CPU that a build has: the cores that replicas are given."""
    cores = _cores(builds)
    return [n for n in (1, 2, 4, 8, 16, 32, MOST_THREADS) if n <= cores]


def _cores(builds: Builds) -> int:
    return max(1, parse_millis(builds.cpu) // 1000)


def _given(workload: InferenceDeployment, build: Build) -> Iterator[str]:
    """The uris that a build reads."""
    yield source_of(workload, build).location
    yield from (uri for uri in (build.calibration, build.evaluation, build.script) if uri is not None)


def _claim(uri: str) -> str:
    return uri.partition("://")[2].partition("/")[0]


def _path(uri: str) -> str:
    """Where a file of a claim is in the builder's container."""
    claim, _, path = uri.partition("://")[2].partition("/")
    return f"{CLAIMS}/{claim}/{path.strip('/')}"
