"""The pod of a placement: where it may run, what it asks for, what is mounted, how it is looked after."""

from __future__ import annotations

from typing import Any

import pytest

from stowage.placement.candidates import Candidate, enumerate_candidates
from stowage.placement.snapshot import Demand, Pool, Snapshot
from stowage.render.model_source import model_source
from stowage.render.pod import pod_template

from .builders import (
    ARCH,
    BF16,
    CATALOG,
    CLASSIC,
    FETCHER,
    any_type,
    candidate,
    declared_pool,
    pool,
    runtime,
    workload,
)

L4, T4, TPU = "nvidia-l4", "nvidia-t4", "google-tpu-v5e"
GKE_POOL = "cloud.google.com/gke-nodepool"
FP16 = {**BF16, "name": "fp16", "precision": "fp16"}
INT8 = {**BF16, "name": "int8", "precision": "int8", "format": "openvino", "size": "26Mi"}


def template(one: Candidate) -> dict[str, Any]:
    return pod_template(one, one.placement, FETCHER)


def spec(one: Candidate) -> dict[str, Any]:
    return dict(template(one)["spec"])


def server(one: Candidate) -> dict[str, Any]:
    (found,) = spec(one)["containers"]
    return dict(found)


def on_l4(**given: Any) -> Candidate:
    return candidate(workload(**given), pool(L4))


def on_cpu(**given: Any) -> Candidate:
    return candidate(workload([INT8], model=CLASSIC, **given), pool("cpu-x86-amx-int8", 64))


def test_the_whole_pod() -> None:
    probe = {"path": "/health", "port": 8000}
    one = on_l4()
    assert template(one) == {
        "metadata": {
            "labels": {
                "app.kubernetes.io/managed-by": "stowage",
                "app.kubernetes.io/instance": "chat",
                "stowage.dev/inference-deployment": "chat",
                "stowage.dev/placement": "33646f77",
            }
        },
        "spec": {
            "containers": [
                {
                    "name": "server",
                    "image": "vllm/vllm-openai:v0.25.1",
                    "command": ["vllm", "serve"],
                    "args": [
                        "/models/bf16",
                        "--host=0.0.0.0",
                        "--port=8000",
                        "--served-model-name=llama",
                        "--tensor-parallel-size=1",
                        "--max-model-len=8192",
                        "--dtype=bfloat16",
                    ],
                    "env": [
                        {"name": "HOME", "value": "/tmp"},
                        {"name": "USER", "value": "vllm"},
                        {"name": "VLLM_WORKER_MULTIPROC_METHOD", "value": "spawn"},
                        {"name": "VLLM_NO_USAGE_STATS", "value": "1"},
                    ],
                    "ports": [{"name": "serve", "containerPort": 8000, "protocol": "TCP"}],
                    "resources": {
                        "requests": {
                            "cpu": "4",
                            "memory": "24064Mi",
                            "ephemeral-storage": "16896Mi",
                            "nvidia.com/gpu": "1",
                        },
                        "limits": {"cpu": "4", "memory": "24064Mi", "nvidia.com/gpu": "1"},
                    },
                    "volumeMounts": [
                        {"name": "model", "mountPath": "/models/bf16", "readOnly": True},
                        {"name": "shared-memory", "mountPath": "/dev/shm"},
                    ],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "startupProbe": {
                        "httpGet": probe,
                        "periodSeconds": 10,
                        "timeoutSeconds": 5,
                        "failureThreshold": 181,
                    },
                    "readinessProbe": {"httpGet": probe, "periodSeconds": 10, "timeoutSeconds": 5},
                    "livenessProbe": {
                        "httpGet": probe,
                        "periodSeconds": 10,
                        "timeoutSeconds": 10,
                        "failureThreshold": 6,
                    },
                    "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                }
            ],
            "volumes": [
                {
                    "name": "model",
                    "image": {"reference": "example.com/llama:1", "pullPolicy": "IfNotPresent"},
                },
                {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}},
            ],
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {
                                "matchExpressions": [
                                    {"key": GKE_POOL, "operator": "In", "values": ["l4"]},
                                    {"key": ARCH, "operator": "In", "values": ["amd64", "arm64"]},
                                ]
                            }
                        ]
                    }
                }
            },
            "terminationGracePeriodSeconds": 60,
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        },
    }


def test_a_candidate_that_cant_run_is_never_rendered() -> None:
    demand = Demand(workload(), any_type())
    where = pool("amd-alveo-u250", 2)
    found = enumerate_candidates(Snapshot((where,), (CATALOG.runtimes["vllm"],), used={}), demand)
    with pytest.raises(ValueError, match="was never feasible"):
        template(next(iter(found)))


# Resources

NATIVE = {
    "amd-mi300x": BF16,
    "aws-inferentia2": BF16,
    "google-tpu-v5e": BF16,
    "intel-gaudi3": BF16,
    "nvidia-a100-80gb": BF16,
    "nvidia-h100-80gb-sxm": BF16,
    "nvidia-l4": BF16,
    "nvidia-t4": {**FP16, "size": "9Gi"},
}
CORES = {"cpu", "memory", "ephemeral-storage"}


@pytest.mark.parametrize("accelerator", NATIVE)
def test_exactly_one_accelerator_in_requests_and_limits(accelerator: str) -> None:
    where = pool(accelerator, 4 if accelerator == TPU else 6)
    one = candidate(workload([NATIVE[accelerator]]), where)
    resources = server(one)["resources"]
    name = CATALOG.classes[accelerator].spec.resource_name
    for kind in ("requests", "limits"):
        assert {k: v for k, v in resources[kind].items() if k not in CORES} == {name: str(one.devices)}


def test_a_cpu_class_has_no_device() -> None:
    assert server(on_cpu())["resources"] == {
        "requests": {"cpu": "1", "memory": "4130Mi", "ephemeral-storage": "29Mi"},
        "limits": {"cpu": "1", "memory": "4130Mi"},
    }


@pytest.mark.parametrize(
    ("given", "requests"),
    [
        ({"cpu": "2500m"}, {"cpu": "2500m", "memory": "24064Mi", "ephemeral-storage": "16896Mi"}),
        ({"cpu": "0.5"}, {"cpu": "500m", "memory": "24064Mi", "ephemeral-storage": "16896Mi"}),
        ({"memory": "48Gi"}, {"cpu": "4", "memory": "48Gi", "ephemeral-storage": "16896Mi"}),
        ({"memory": "50G"}, {"cpu": "4", "memory": "47684Mi", "ephemeral-storage": "16896Mi"}),
        ({"ephemeralStorage": "1Gi"}, {"cpu": "4", "memory": "24064Mi", "ephemeral-storage": "1Gi"}),
    ],
)
def test_resources_that_the_team_gives(given: dict[str, str], requests: dict[str, str]) -> None:
    rendered = server(on_l4(template={"resources": given}))["resources"]
    assert rendered["requests"] == {**requests, "nvidia.com/gpu": "1"}
    del requests["ephemeral-storage"]
    assert rendered["limits"] == {**requests, "nvidia.com/gpu": "1"}


# Where it may run


def terms(one: Candidate) -> list[dict[str, list[str]]]:
    """Each nodeSelectorTerm as key -> operator and values."""
    affinity = spec(one)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return [
        {e["key"]: [e["operator"], *e.get("values", [])] for e in term["matchExpressions"]}
        for term in affinity["nodeSelectorTerms"]
    ]


def test_on_gke_the_pool_alone_says_it() -> None:
    assert terms(on_l4()) == [{GKE_POOL: ["In", "l4"], ARCH: ["In", "amd64", "arm64"]}]


def test_on_premises_the_class_says_it_in_each_of_its_ways() -> None:
    found = terms(candidate(workload([FP16]), pool(T4)))
    match = [m for m in CATALOG.classes[T4].spec.match if m.resource_name is None and not m.shared]
    assert len(found) == len(match)
    assert found[0] == {
        ARCH: ["In", "amd64", "arm64"],
        "nvidia.com/gpu.product": ["In", "Tesla-T4"],
    }
    assert found[1] == {
        ARCH: ["In", "amd64", "arm64"],
        "cloud.google.com/gke-accelerator": ["In", "nvidia-tesla-t4"],
    }


def test_pods_that_want_whole_devices_select_no_shared_ones() -> None:
    labels = {"nvidia.com/gpu.product": "Tesla-T4-SHARED", "nvidia.com/gpu.replicas": "4"}
    shared = pool(T4, labels={**labels, "nvidia.com/gpu.memory": "131072"})
    assert shared.shared
    products = {"nvidia.com/gpu.product": ["In", "Tesla-T4-SHARED"]}
    assert not any(products.items() <= term.items() for term in terms(candidate(workload([FP16]), pool(T4))))
    assert any(
        {**products, "nvidia.com/gpu.replicas": ["In", "4"]}.items() <= term.items()
        for term in terms(candidate(workload([FP16]), shared, rules=any_type(sharedDevices=True)))
    )


def test_an_instance_type_parts_a_pool_without_a_name() -> None:
    labels = {"nvidia.com/gpu.product": "Tesla-T4", "node.kubernetes.io/instance-type": "dgx"}
    (first, *_) = terms(candidate(workload([FP16]), pool(T4, labels=labels)))
    assert first["node.kubernetes.io/instance-type"] == ["In", "dgx"]


def test_what_must_not_be_there_is_said_too() -> None:
    one = candidate(workload(), pool("nvidia-a100-80gb"))
    assert terms(one)[1]["cloud.google.com/gke-gpu-partition-size"] == ["DoesNotExist"]
    required = spec(one)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    expressions = [e for term in required["nodeSelectorTerms"] for e in term["matchExpressions"]]
    assert all(e.get("values") != [] for e in expressions), "the API server would leave it out"


def test_a_class_without_labels_is_told_by_its_resource() -> None:
    variant = {**INT8, "format": "xmodel"}
    one = candidate(workload([variant], model=CLASSIC), pool("amd-alveo-u250", 2))
    assert terms(one) == [{ARCH: ["In", "amd64"]}]


def test_a_tpu_names_accelerator_and_topology() -> None:
    assert terms(candidate(workload(), pool(TPU, 4))) == [
        {
            GKE_POOL: ["In", "tpus"],
            "cloud.google.com/gke-tpu-accelerator": ["In", "tpu-v5-lite-podslice"],
            "cloud.google.com/gke-tpu-topology": ["In", "2x2"],
            ARCH: ["In", "amd64"],
        }
    ]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (
            {GKE_POOL: "l4-spot"},
            [{GKE_POOL: ["In", "l4-spot"], ARCH: ["In", "amd64", "arm64"]}],
        ),
        (
            {"rack": "7"},
            [
                {"rack": ["In", "7"], "nvidia.com/gpu.product": ["In", "NVIDIA-L4"]},
                {"rack": ["In", "7"], "cloud.google.com/gke-accelerator": ["In", "nvidia-l4"]},
            ],
        ),
    ],
)
def test_a_declared_pool_without_nodes(
    selector: dict[str, str], expected: list[dict[str, list[str]]]
) -> None:
    where = declared_pool(
        {
            "nodeSelector": selector,
            "acceleratorClass": L4,
            "provisionable": {"maxNodes": 2, "devicesPerNode": 4},
        }
    )
    found = terms(candidate(workload(), where))
    for want, have in zip(expected, found, strict=False):
        assert want.items() <= have.items()
        assert have[ARCH] == ["In", "amd64", "arm64"]
    own = [m for m in CATALOG.classes[L4].spec.match if m.resource_name is None and not m.shared]
    assert len(found) == (1 if GKE_POOL in selector else len(own))


@pytest.mark.parametrize(
    ("where", "allowed", "keys"),
    [
        (pool(L4), [], ["nvidia.com/gpu"]),
        (pool(L4), ["team", "nvidia.com/gpu", "dedicated"], ["dedicated", "nvidia.com/gpu", "team"]),
        (pool("cpu-x86-amx-int8", 64), [], []),
        (pool("cpu-x86-amx-int8", 64), ["batch"], ["batch"]),
    ],
    ids=["class", "class-and-policy", "none", "policy"],
)
def test_tolerations(where: Pool, allowed: list[str], keys: list[str]) -> None:
    given = workload() if not where.is_cpu else workload([INT8], model=CLASSIC)
    found = spec(candidate(given, where, rules=any_type(tolerations=allowed)))
    assert found.get("tolerations") == ([{"key": k, "operator": "Exists"} for k in keys] or None)


# Probes and ports


@pytest.mark.parametrize(
    ("timeout", "failures"), [("30m", 181), ("10s", 2), ("15s", 3), ("500ms", 2), ("2h", 721), ("1h30m", 541)]
)
def test_the_start_may_take_what_the_policy_says(timeout: str, failures: int) -> None:
    """n failures in a row take n - 1 periods, since the first probe comes at once."""
    rules = any_type(fallback={"startTimeout": timeout})
    probe = server(candidate(workload(), pool(L4), rules=rules))["startupProbe"]
    assert (probe["failureThreshold"], probe["periodSeconds"]) == (failures, 10)


def test_probes_name_the_model_and_fall_back_to_readiness() -> None:
    found = server(on_cpu())
    ready, live = (
        {"path": "/v2/models/resnet50/ready", "port": 8080},
        {"path": "/v2/health/live", "port": 8080},
    )
    probes = ("startupProbe", "readinessProbe", "livenessProbe")
    assert [found[p]["httpGet"] for p in probes] == [ready, ready, live]
    gguf = {**BF16, "format": "gguf"}
    health = server(candidate(workload([gguf]), pool(L4)))
    assert {health[p]["httpGet"]["path"] for p in probes} == {"/health"}


@pytest.mark.parametrize(
    ("protocols", "ports"),
    [
        ([("OpenAI", 8000)], [("serve", 8000)]),
        ([("V2", 8080), ("OpenAI", 8000)], [("v2", 8080), ("serve", 8000)]),
        ([("V2", 8000), ("OpenAI", 8000)], [("serve", 8000)]),
        (
            [("OpenAI", 8000), ("V2", 8000), ("TensorFlowServing", 8501)],
            [("serve", 8000), ("tensorflowservi", 8501)],
        ),
    ],
)
def test_one_port_a_number(protocols: list[tuple[str, int]], ports: list[tuple[str, int]]) -> None:
    own = runtime(
        {
            "formats": ["safetensors"],
            "protocols": [{"name": name, "port": port} for name, port in protocols],
            "supports": [{"name": "cuda", "precisions": ["bf16"], "image": "server:1"}],
            "probes": {"ready": {"path": "/", "port": 8000}},
        }
    )
    found = server(candidate(workload(), pool(L4), runtimes=[own]))["ports"]
    assert found == [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports]


def test_a_command_is_taken_as_it_is_and_a_pod_without_environment_has_none() -> None:
    script = ["/bin/sh", "-c", 'exec serve ${HOME} {modelPath} "$@"', "serve"]
    own = runtime(
        {
            "formats": ["safetensors"],
            "protocols": [{"name": "OpenAI", "port": 8000}],
            "supports": [
                {"name": "cuda", "precisions": ["bf16"], "image": "server:1", "command": script},
            ],
            "probes": {"ready": {"path": "/", "port": 8000}},
        }
    )
    found = server(candidate(workload(), pool(L4), runtimes=[own]))
    assert found["command"] == script
    assert not {"env", "args"} & found.keys()


# Volumes


@pytest.mark.parametrize(
    ("uri", "path", "volume", "mount"),
    [
        (
            "pvc://models",
            "/models/v",
            {"persistentVolumeClaim": {"claimName": "models", "readOnly": True}},
            {"readOnly": True},
        ),
        (
            "pvc://models/llama/bf16/",
            "/models/v",
            {"persistentVolumeClaim": {"claimName": "models", "readOnly": True}},
            {"readOnly": True, "subPath": "llama/bf16"},
        ),
        (
            "pvc://models/llama/q4-00001-of-00002.gguf",
            "/models/v/q4-00001-of-00002.gguf",
            {"persistentVolumeClaim": {"claimName": "models", "readOnly": True}},
            {"readOnly": True, "subPath": "llama"},
        ),
        (
            "pvc://models/resnet50.onnx",
            "/models/v/resnet50.onnx",
            {"persistentVolumeClaim": {"claimName": "models", "readOnly": True}},
            {"readOnly": True},
        ),
        (
            "pvc://models/llama-3.1",
            "/models/v",
            {"persistentVolumeClaim": {"claimName": "models", "readOnly": True}},
            {"readOnly": True, "subPath": "llama-3.1"},
        ),
        (
            "oci://registry:5000/team/model@sha256:0a",
            "/models/v",
            {"image": {"reference": "registry:5000/team/model@sha256:0a", "pullPolicy": "IfNotPresent"}},
            {"readOnly": True},
        ),
        ("hf://org/model", "org/model", {"emptyDir": {}}, {}),
    ],
)
def test_where_the_model_comes_from(
    uri: str, path: str, volume: dict[str, Any], mount: dict[str, Any]
) -> None:
    source = model_source(workload([{**BF16, "name": "v", "uri": uri}]).spec.variants[0])
    assert source.path == path
    assert source.volume == {"name": "model", **volume}
    assert source.mount == {"name": "model", "mountPath": "/models/v", **mount}
    home = [{"name": "HF_HOME", "value": "/models/v"}] if uri.startswith("hf") else []
    assert source.environment == home


def test_what_nobody_fetches_is_a_mistake() -> None:
    variant = workload([{**BF16, "uri": "s3://bucket/model"}]).spec.variants[0]
    with pytest.raises(ValueError, match="nothing can fetch s3://"):
        model_source(variant)


def test_shared_memory_only_where_the_runtime_wants_it() -> None:
    found = spec(on_cpu())
    assert [v["name"] for v in found["volumes"]] == ["model"]
    assert [m["mountPath"] for m in found["containers"][0]["volumeMounts"]] == ["/models/int8"]
    assert "env" not in found["containers"][0]


# What the team adds


def test_credentials_are_the_servers_environment() -> None:
    """One key of the Secret: with all of them it could set what the runtime reserves."""
    for given, key in ({}, "HF_TOKEN"), ({"key": "token"}, "token"):
        one = on_l4(
            variants=[{**BF16, "uri": "hf://org/model", "credentials": {"secretName": "hub", **given}}]
        )
        reference = {"secretKeyRef": {"name": "hub", "key": key}}
        assert server(one)["env"][-1] == {"name": "HF_TOKEN", "valueFrom": reference}
        assert "envFrom" not in server(one)


def test_the_users_environment_wins_and_stands_where_it_stood() -> None:
    env = [
        {"name": "HOME", "value": "/home"},
        {"name": "HF_HOME", "value": "/cache"},
        {"name": "EMPTY", "value": ""},
        {"name": "TOKEN", "secret": {"name": "tokens", "key": "hub"}},
    ]
    one = on_l4(variants=[{**BF16, "uri": "hf://org/model"}], template={"env": env})
    assert server(one)["env"] == [
        {"name": "HOME", "value": "/home"},
        {"name": "USER", "value": "vllm"},
        {"name": "VLLM_WORKER_MULTIPROC_METHOD", "value": "spawn"},
        {"name": "VLLM_NO_USAGE_STATS", "value": "1"},
        {"name": "HF_HOME", "value": "/cache"},
        {"name": "EMPTY"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "tokens", "key": "hub"}}},
    ]


def test_the_users_arguments_come_last() -> None:
    args = server(on_l4(template={"extraArguments": ["--max-num-seqs=64", "--seed", "1"]}))["args"]
    assert args[-4:] == ["--dtype=bfloat16", "--max-num-seqs=64", "--seed", "1"]


@pytest.mark.parametrize(
    ("given", "rendered"),
    [
        (
            {"template": {"imagePullSecrets": [{"name": "registry"}]}},
            {"imagePullSecrets": [{"name": "registry"}]},
        ),
        (
            {"template": {"serviceAccountName": "reader"}},
            {"serviceAccountName": "reader", "automountServiceAccountToken": True},
        ),
        ({"priorityClassName": "interactive"}, {}),  # the scheduler would evict others for it
        ({"template": {"terminationGracePeriodSeconds": 90}}, {"terminationGracePeriodSeconds": 90}),
    ],
)
def test_what_the_team_adds_to_the_pod(given: dict[str, Any], rendered: dict[str, Any]) -> None:
    plain, found = spec(on_l4()), spec(on_l4(**given))
    assert {k: v for k, v in found.items() if plain.get(k) != v} == rendered


@pytest.mark.parametrize(("grace", "drain"), [(60, 5), (10, 5), (9, 4), (2, 1), (1, None), (0, None)])
def test_a_pod_serves_on_for_at_most_half_of_its_time_to_end(grace: int, drain: int | None) -> None:
    one = on_l4(template={"terminationGracePeriodSeconds": grace})
    wanted = {"preStop": {"sleep": {"seconds": drain}}} if drain else None
    assert spec(one)["terminationGracePeriodSeconds"] == grace
    assert server(one).get("lifecycle") == wanted


def test_a_placement_spreads_by_itself() -> None:
    constraints = [
        {"topologyKey": "topology.kubernetes.io/zone"},
        {"topologyKey": "kubernetes.io/hostname", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"},
    ]
    found = template(on_l4(template={"topologySpreadConstraints": constraints}))
    selector = {
        "matchLabels": {"stowage.dev/inference-deployment": "chat", "stowage.dev/placement": "33646f77"}
    }
    assert found["spec"]["topologySpreadConstraints"] == [
        {
            "topologyKey": "topology.kubernetes.io/zone",
            "maxSkew": 1,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": selector,
        },
        {
            "topologyKey": "kubernetes.io/hostname",
            "maxSkew": 2,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": selector,
        },
    ]
    assert selector["matchLabels"].items() <= found["metadata"]["labels"].items()


def test_the_teams_labels_and_annotations_beside_ours() -> None:
    plain = template(on_l4())["metadata"]
    given = {"labels": {"team": "shop"}, "annotations": {"note": "x"}}
    found = template(on_l4(template=given))["metadata"]
    assert found == {"labels": {"team": "shop", **plain["labels"]}, "annotations": {"note": "x"}}


def test_our_labels_are_refused_as_the_teams() -> None:
    for key in template(on_l4())["metadata"]["labels"]:
        with pytest.raises(ValueError, match="write keys of your own"):
            workload(template={"labels": {key: "mine"}})
