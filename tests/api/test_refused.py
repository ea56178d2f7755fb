"""What is refused, by the API server and by ``parse``, and that the sentence says what to write."""

from __future__ import annotations

import copy
import json
import re
from typing import Any, NamedTuple

import pytest

from devcluster.cluster import LocalCluster
from stowage.api.parse import InvalidObject, parse
from stowage.api.types import RESOURCE_PATTERN_MESSAGE

VARIANT = {
    "name": "bf16",
    "precision": "bf16",
    "format": "safetensors",
    "uri": "hf://org/model",
    "size": "15Gi",
}
ATTENTION = {"layers": 32, "kvHeads": 8, "headDimension": 128, "contextLength": 8192}

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "stowage.dev/v1alpha1",
    "kind": "InferenceDeployment",
    "metadata": {"name": "chat", "namespace": "default"},
    "spec": {"model": {"name": "llama", "task": "text-generation"}, "variants": [VARIANT]},
}
FP32 = {"name": "fp32", "precision": "fp32", "format": "onnx", "uri": "pvc://models/m.onnx", "size": "1Mi"}
BUILD = {"from": "fp32", "method": "onnx-static-int8", "calibration": "pvc://models/data.npz"}
BARE = {"name": "int8", "precision": "int8", "format": "onnx"}
INT8 = {**BARE, "build": BUILD}
BUILT: dict[str, Any] = {
    **DEPLOYMENT,
    "spec": {"model": {"name": "digits", "task": "image-classification"}, "variants": [FP32, INT8]},
}
BUILT_FROM = "write as build.from the name of an fp32 variant of this object, in onnx, with a pvc:// uri"
EITHER_SOURCE = "write either uri, where the artefact is, or build, how it is made"
POLICY: dict[str, Any] = {
    "apiVersion": "stowage.dev/v1alpha1",
    "kind": "PlacementPolicy",
    "metadata": {"name": "cheapest"},
    "spec": {},
}
REGISTRY = {"repository": "registry.example.com:5000/team/models_v1"}
BUILDING: dict[str, Any] = {**POLICY, "spec": {"builds": {"registry": REGISTRY}}}
EITHER_STORE = (
    "write either claimName, a PersistentVolumeClaim, or registry: {repository: ...},"
    " where results become images"
)
REPOSITORY = (
    "write a repository with its registry, in lower case and without a tag,"
    " as registry.example.com/team/models"
)
POOL: dict[str, Any] = {
    "apiVersion": "stowage.dev/v1alpha1",
    "kind": "AcceleratorPool",
    "metadata": {"name": "l4-spot"},
    "spec": {"nodeSelector": {"pool": "l4"}, "acceleratorClass": "nvidia-l4"},
}
CLASS: dict[str, Any] = {
    "apiVersion": "stowage.dev/v1alpha1",
    "kind": "AcceleratorClass",
    "metadata": {"name": "nvidia-l4"},
    "spec": {"type": "GPU", "vendor": "NVIDIA", "resourceName": "nvidia.com/gpu"},
}
PATTERNED = {**CLASS, "spec": {"type": "FPGA", "vendor": "AMD", "resourceNamePattern": "^amd[.]com/.+$"}}
EITHER_RESOURCE = (
    "write either resourceName, such as nvidia.com/gpu, or resourceNamePattern where nodes differ in the name"
)
ABSENT = object()

QUANTITY = "write a quantity above zero, such as 15Gi, 8500Mi or 500m"
NAME = 'write lower-case letters, digits, "-" and ".", beginning and ending with a letter or digit'
DNS_1035 = 'write a name of lower-case letters, digits and "-" that begins with a letter, such as chat-8b'
DECIMAL = 'write a plain decimal of zero or more in quotes, such as "2.02"'
FRACTION = 'write a plain decimal from "0" to "1" in quotes, such as "0.99"'
DURATION = "write a duration such as 500ms, 90s, 10m or 1h30m; the units are h, m, s and ms"
ONE_VARIANT = "name at least one variant: {name, precision, format, uri, size}"
URI = (
    "write where the variant is, as pvc://claim/path, oci://image:tag, hf://organisation/model or https://..."
)
KEY = "write the key of a label or taint, such as team or nvidia.com/gpu.product"
SHARE = "write a count such as 5 or a share such as 10%"
PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "fp8", "int8", "int4", "fp4")
LABEL = 'write letters, digits, "-", "_" and ".", beginning and ending with a letter or digit'


class Refused(NamedTuple):
    """One mistake, and what is said about it."""

    what: str
    valid: dict[str, Any]
    path: str
    """Where the value is put; dots part the steps."""
    value: object
    sentence: str
    """What both say."""
    server: str = ""
    """What the API server says instead, where its check of types speaks before our rules."""


STORE = (
    "write what the uris of the store begin with, up to a slash, as https://models.example.com/team/, "
    "s3://bucket/, gs://bucket/ or hf://organisation/"
)
VARIANT_0 = "spec.variants.0"
BOTH_SIZES = {"name": "llama", "task": "chat", "attention": ATTENTION, "inference": {"flops": 1}}
TEXT_WANTED = "must be of type string"
TEMPLATE = "spec.template"
ENV = f"{TEMPLATE}.env"
VARIABLE = "write other variables: this one would choose devices or load code"
VARIABLE_NAME = 'write letters, digits, "-", "_" and ".", not beginning with a digit'
OWN_KEYS = "write keys of your own, such as team or example.com/team"


def env(name: str) -> list[dict[str, str]]:
    return [{"name": name, "value": "1"}]


TABLE = [
    Refused("no variants", DEPLOYMENT, "spec.variants", [], ONE_VARIANT),
    Refused("variants absent", DEPLOYMENT, "spec.variants", ABSENT, ONE_VARIANT),
    Refused(
        "two variants of one name",
        DEPLOYMENT,
        "spec.variants",
        [VARIANT, VARIANT],
        "two variants have the same name; give each a name of its own",
    ),
    *(
        Refused(what, BUILT, f"spec.variants.1.{path}", value, sentence, server)
        for what, path, value, sentence, server in (
            (
                "a built quality",
                "quality",
                "0.9",
                "write no quality: that of a built variant is measured",
                "",
            ),
            (
                "a built digest",
                "digest",
                f"sha256:{'0' * 64}",
                "write no digest: that of a built variant is measured",
                "",
            ),
            ("another format", "format", "openvino", "write the format that the method makes", ""),
            ("another precision", "precision", "fp16", "write the precision that the method makes", ""),
            ("a static method without data", "build.calibration", ABSENT, "write calibration: pvc://", ""),
            ("data in a bucket", "build.calibration", "s3://bucket/data.npz", "as pvc://claim/path", ""),
            ("an unknown method", "build.method", "magic", "openvino-int8", "Unsupported value"),
        )
    ),
    Refused(
        "a digest of another kind",
        DEPLOYMENT,
        f"{VARIANT_0}.digest",
        "md5:0",
        "write the digest of the artefact's files, as sha256: and 64 lower-case hexadecimal digits",
    ),
    *(
        Refused(what, BUILT, "spec.variants", variants, sentence)
        for what, variants, sentence in (
            ("neither uri nor build", [FP32, {**BARE, "size": "1Mi"}], EITHER_SOURCE),
            ("both uri and build", [FP32, {**INT8, "uri": "oci://image:1"}], EITHER_SOURCE),
            ("built from nothing", [{**FP32, "name": "other"}, INT8], BUILT_FROM),
            ("built from itself", [FP32, {**BARE, "build": {**BUILD, "from": "int8"}}], BUILT_FROM),
            ("built from an image", [{**FP32, "uri": "oci://image:1"}, INT8], BUILT_FROM),
            ("built from another precision", [{**FP32, "precision": "bf16"}, INT8], BUILT_FROM),
        )
    ),
    Refused(
        "fp32 arithmetic unsaid",
        BUILT,
        "spec.variants.1",
        {
            "name": "int4",
            "precision": "int4",
            "format": "onnx",
            "build": {"from": "fp32", "method": "onnx-int4-weight-only"},
        },
        "write quantization: {activations: fp32}",
    ),
    Refused(
        "a stored variant without a size",
        DEPLOYMENT,
        f"{VARIANT_0}.size",
        ABSENT,
        "write the size of the artefact",
    ),
    Refused(
        "no devices",
        DEPLOYMENT,
        f"{VARIANT_0}.profiles",
        [{"acceleratorClass": "nvidia-l4", "devices": 0}],
        "found 0; write 1 or more",
        "should be greater than or equal to 1",
    ),
    Refused(
        "no nodes",
        POOL,
        "spec.provisionable",
        {"maxNodes": 0, "devicesPerNode": 4},
        "found 0; write 1 or more",
        "should be greater than or equal to 1",
    ),
    Refused(
        "negative replicas",
        DEPLOYMENT,
        "spec.replicas",
        -1,
        "found -1; write 0 or more",
        "should be greater than or equal to 0",
    ),
    Refused("size in words", DEPLOYMENT, f"{VARIANT_0}.size", "15 gigs", QUANTITY),
    Refused("size in GB", DEPLOYMENT, f"{VARIANT_0}.size", "15GB", QUANTITY),
    Refused("size in lower case", DEPLOYMENT, f"{VARIANT_0}.size", "15gi", QUANTITY),
    Refused("empty size", DEPLOYMENT, f"{VARIANT_0}.size", "", QUANTITY),
    Refused("size with a line break", DEPLOYMENT, f"{VARIANT_0}.size", "15Gi\n", QUANTITY),
    Refused("zero size", DEPLOYMENT, f"{VARIANT_0}.size", "0", QUANTITY),
    Refused("zero size as a number", DEPLOYMENT, f"{VARIANT_0}.size", 0, QUANTITY),
    Refused("negative size", DEPLOYMENT, f"{VARIANT_0}.size", "-15Gi", QUANTITY),
    Refused("negative size as a number", DEPLOYMENT, f"{VARIANT_0}.size", -15, QUANTITY),
    Refused("a number of a billion digits", DEPLOYMENT, f"{VARIANT_0}.size", "1e999999999", QUANTITY),
    Refused(
        "fraction as a size", DEPLOYMENT, f"{VARIANT_0}.size", 1.5, QUANTITY, "must be of type integer,string"
    ),
    Refused(
        "name of 60 characters",
        DEPLOYMENT,
        "metadata.name",
        "a" * 60,
        "write a name of at most 50 characters, since names of children add to it",
    ),
    Refused(
        "policy's name of 70 characters",
        POLICY,
        "metadata.name",
        "a" * 70,
        "write a name of at most 63 characters, since labels and status hold it",
    ),
    Refused("upper-case name", DEPLOYMENT, "metadata.name", "Chat", DNS_1035),
    Refused("name with an underscore", DEPLOYMENT, "metadata.name", "chat_1", DNS_1035),
    Refused("name with a leading digit", DEPLOYMENT, "metadata.name", "8b-chat", DNS_1035),
    Refused("name with a dot", DEPLOYMENT, "metadata.name", "chat.v1", DNS_1035),
    Refused("upper-case variant", DEPLOYMENT, f"{VARIANT_0}.name", "FP8", NAME),
    Refused("variant with an underscore", DEPLOYMENT, f"{VARIANT_0}.name", "fp_8", NAME),
    Refused("empty variant name", DEPLOYMENT, f"{VARIANT_0}.name", "", NAME),
    Refused(
        "variant name of 64 characters",
        DEPLOYMENT,
        f"{VARIANT_0}.name",
        "a" * 64,
        "write at most 63 characters",
        "may not be more than 63 bytes",
    ),
    Refused("negative price", POOL, "spec.costPerHour", "-1", DECIMAL),
    Refused("price with an exponent", POOL, "spec.costPerHour", "1e3", DECIMAL),
    Refused("price with a unit", POOL, "spec.costPerHour", "$2.02", DECIMAL),
    Refused("unquoted price", POOL, "spec.costPerHour", 2.02, DECIMAL, TEXT_WANTED),
    Refused("unquoted whole price", POOL, "spec.costPerHour", 2, DECIMAL, TEXT_WANTED),
    Refused("duration in weeks", POLICY, "spec.fallback.after", "2 weeks", DURATION),
    Refused("duration in days", POLICY, "spec.fallback.after", "2d", DURATION),
    Refused("duration without a unit", POLICY, "spec.fallback.after", "60", DURATION),
    Refused("duration as a number", POLICY, "spec.fallback.after", 60, DURATION, TEXT_WANTED),
    Refused(
        "unknown precision",
        DEPLOYMENT,
        f"{VARIANT_0}.precision",
        "fp7",
        f"write one of {', '.join(PRECISIONS)}",
        f"supported values: {', '.join(json.dumps(each) for each in PRECISIONS)}",
    ),
    Refused(
        "attention and inference",
        DEPLOYMENT,
        "spec.model",
        BOTH_SIZES,
        "give attention for a language model or inference for a classic one, not both",
    ),
    Refused("path as a URI", DEPLOYMENT, f"{VARIANT_0}.uri", "org/model", URI),
    Refused("URI of an unknown scheme", DEPLOYMENT, f"{VARIANT_0}.uri", "ftp://org/model", URI),
    Refused("URI with a space", DEPLOYMENT, f"{VARIANT_0}.uri", "hf://org/my model", URI),
    Refused(
        "no URI",
        DEPLOYMENT,
        f"{VARIANT_0}.uri",
        ABSENT,
        EITHER_SOURCE,
    ),
    Refused("quality above 1", DEPLOYMENT, f"{VARIANT_0}.quality", "1.5", FRACTION),
    Refused("quality in percent", DEPLOYMENT, f"{VARIANT_0}.quality", "99%", FRACTION),
    Refused("unquoted quality", DEPLOYMENT, f"{VARIANT_0}.quality", 0.99, FRACTION, TEXT_WANTED),
    Refused(
        "mixed precision without a split",
        POLICY,
        "spec.mixedPrecision",
        True,
        "mixedPrecision needs a split; write split: Allowed, or leave mixedPrecision out",
    ),
    *(
        Refused(f"a store {what}", POLICY, "spec.fetch.stores", [{"uri": uri}], STORE)
        for what, uri in (
            ("whose host is only begun", "https://models.example.com"),
            ("in the clear", "http://models.example.com/"),
            ("with a name in it", "https://a@models.example.com/"),
            ("of any bucket", "s3:///"),
            ("of another kind", "ftp://models/"),
        )
    ),
    *(
        Refused(
            f"an endpoint {what}", POLICY, "spec.fetch.stores", [{"uri": uri, "endpoint": endpoint}], said
        )
        for what, uri, endpoint, said in (
            (
                "in the clear",
                "s3://models/",
                "http://minio:9000",
                "write the address of the store, as https://",
            ),
            ("beside a uri that says it", "https://a/", "https://b", "write no endpoint for https://"),
        )
    ),
    *(
        Refused(f"builds with {what}", POLICY, "spec.builds", builds, EITHER_STORE)
        for what, builds in (
            ("nowhere to store", {}),
            ("two places to store", {"claimName": "models", "registry": REGISTRY}),
        )
    ),
    *(
        Refused(f"a repository {what}", BUILDING, "spec.builds.registry.repository", repository, REPOSITORY)
        for what, repository in (
            ("without a registry", "team/models"),
            ("without a name", "registry.example.com"),
            ("with a tag", "registry.example.com/team/models:1"),
            ("with a digest", f"registry.example.com/models@sha256:{'0' * 64}"),
            ("with a scheme", "https://registry.example.com/team/models"),
            ("in capitals", "registry.example.com/Team/models"),
            ("with credentials", "user:secret@registry.example.com/models"),
            ("that leads out", "registry.example.com/../models"),
            ("like a flag", "--registry.example.com/models"),
        )
    ),
    Refused("moves in words", POLICY, "spec.disruption.maxConcurrentMoves", "few", SHARE),
    Refused("negative moves", POLICY, "spec.disruption.maxConcurrentMoves", -1, SHARE),
    Refused("moves above all", POLICY, "spec.disruption.maxConcurrentMoves", "110%", SHARE),
    Refused(
        "cpu as a GPU's resource",
        CLASS,
        "spec.resourceName",
        "cpu",
        "resourceName cpu belongs to type CPU; name the device plugin's resource, such as nvidia.com/gpu",
    ),
    Refused(
        "a class without a resource",
        CLASS,
        "spec.resourceName",
        ABSENT,
        EITHER_RESOURCE,
    ),
    Refused("two resources", PATTERNED, "spec.resourceName", "amd.com/gpu", EITHER_RESOURCE),
    *(
        Refused(what, PATTERNED, "spec.resourceNamePattern", pattern, RESOURCE_PATTERN_MESSAGE)
        for what, pattern in (
            ("pattern without an end", "^amd[.]com/xilinx_.+"),
            ("pattern without a beginning", "amd[.]com/xilinx_.+$"),
            ("pattern with a repeated group", "^(a+)+$"),
            ("pattern with a lookahead", "^(?!a).*$"),
            ("pattern with an open group", "^(a$"),
            ("pattern with a set in reverse", "^[z-a]$"),
            ("empty pattern", "^$"),
        )
    ),
    Refused(
        "memory of its own and the host's",
        CLASS,
        "spec",
        {"type": "NPU", "vendor": "Any", "resourceName": "x.io/npu", "memory": "8Gi", "hostMemory": True},
        "hostMemory is for devices without memory of their own; write either memory or hostMemory: true",
    ),
    Refused(
        "comparison with text",
        CLASS,
        "spec.match",
        [{"provider": "x", "matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1Gi"]}]}],
        "give values for In and NotIn, one whole number for Gt and Lt, none for Exists and DoesNotExist",
    ),
    Refused(
        "variable without a value",
        DEPLOYMENT,
        "spec.template.env",
        [{"name": "LEVEL"}],
        "give either value or secret",
    ),
    Refused("label's value with a space", DEPLOYMENT, "spec.template.labels", {"team": "a b"}, LABEL),
    Refused("label's key with a space", DEPLOYMENT, "spec.template.labels", {"a b": "c"}, KEY),
    Refused("annotation's key with a space", DEPLOYMENT, "spec.template.annotations", {"a b": "c"}, KEY),
    Refused("node label's key with a space", POOL, "spec.nodeSelector", {"a b": "c"}, KEY),
    Refused(
        "taint with its effect",
        POLICY,
        "spec.tolerations",
        ["team=shop:NoSchedule"],
        KEY,
    ),
    *(
        Refused(
            f"a variable that chooses devices or loads code: {name}", DEPLOYMENT, ENV, env(name), VARIABLE
        )
        for name in (
            "NVIDIA_VISIBLE_DEVICES",
            "ascend_visible_devices",
            "LD_PRELOAD",
            "PYTHONPATH",
            "BASH_ENV",
            "CUDA_INJECTION64_PATH",
            "NCCL_NET_PLUGIN",
        )
    ),
    *(
        Refused(what, DEPLOYMENT, ENV, env(name), VARIABLE_NAME)
        for what, name in (
            ("a variable with a line break", "A\nB"),
            ("a variable with its value", "A=B"),
            ("a variable of other letters", "\uff2cD_PRELOAD"),
            ("a variable without a name", ""),
        )
    ),
    Refused(
        "a secret's key that is a path",
        DEPLOYMENT,
        ENV,
        [{"name": "A", "secret": {"name": "a", "key": "../b"}}],
        "write a key of the Secret",
    ),
    *(
        Refused(
            f"an argument that expands: {argument!r}",
            DEPLOYMENT,
            f"{TEMPLATE}.extraArguments",
            [argument],
            "write plain text; $(NAME), which is replaced by a variable, stands only in a flag's value",
        )
        for argument in ("$(EVIL)", "--po$(EVIL)=9", "$$(EVIL)", "--a\x00", "\x1b[2J")
    ),
    *(
        Refused(f"{field} of {key}", DEPLOYMENT, f"{TEMPLATE}.{field}", {key: "x"}, OWN_KEYS)
        for field, key in (
            ("labels", "stowage.dev/inference-deployment"),
            ("labels", "app.kubernetes.io/managed-by"),
            ("labels", "azure.workload.identity/use"),
            ("labels", "aadpodidbinding"),
            ("annotations", "container.apparmor.security.beta.kubernetes.io/server"),
            ("annotations", "cdi.k8s.io/gpus"),
            ("annotations", "k8s.v1.cni.cncf.io/networks"),
            ("annotations", "sidecar.istio.io/userVolume"),
            ("annotations", "vault.hashicorp.com/agent-inject"),
            ("annotations", "iam.amazonaws.com/role"),
            ("annotations", "io.kubernetes.cri-o.Devices"),
            ("annotations", "io.katacontainers.config.hypervisor.path"),
        )
    ),
    *(
        Refused(f"model {name!r}", DEPLOYMENT, "spec.model.name", name, "write letters, digits and")
        for name in (
            "--trust-remote-code",
            "a\nb",
            "$(HF_TOKEN)",
            "../x",
            "a//b",
            "a b",
            "a?b",
            "ll\u0430ma",
            "",
        )
    ),
    Refused("task with a line break", DEPLOYMENT, "spec.model.task", "chat\n", "write what the model does"),
    *(
        Refused(f"URI {uri!r}", DEPLOYMENT, f"{VARIANT_0}.uri", uri, URI)
        for uri in (
            "hf://--trust-remote-code",
            "hf://$(EVIL)",
            "hf://../x",
            "hf:///etc/passwd",
            "hf://a//b",
            "pvc://claim/../other",
            "pvc://../claim",
            "pvc://other-namespace:claim/a",
            "pvc://claim/a/..",
            "pvc:///claim",
            "pvc://claim/$(EVIL)",
            "oci://-x",
            "oci://a/../b",
            "https://a/$(EVIL)",
            "hf://a\nb",
            "hostpath://etc",
            "file:///etc",
        )
    ),
    Refused(
        "In without values",
        POLICY,
        "spec.namespaces",
        {"matchExpressions": [{"key": "team", "operator": "In"}]},
        "give values for In and NotIn, and none for Exists and DoesNotExist",
    ),
    Refused(
        "unknown field",
        DEPLOYMENT,
        "spec.polciy",
        "cheapest",
        "unknown field; did you mean policy?",
        'unknown field "spec.polciy"',
    ),
    Refused(
        "number in quotes",
        DEPLOYMENT,
        "spec.replicas",
        "3",
        "write a whole number, without quotes",
        "must be of type integer",
    ),
    Refused(
        "yes",
        DEPLOYMENT,
        "spec.paused",
        "yes",
        "write true or false, without quotes",
        "must be of type boolean",
    ),
    Refused(
        "parameters beyond 64 bits",
        DEPLOYMENT,
        "spec.model.parameters",
        10**19,
        "write 9000000000000000000 or less",
        "must be of type int64",
    ),
    Refused(
        "no spec",
        DEPLOYMENT,
        "spec",
        ABSENT,
        "spec: missing; write it: what is wanted",
        "spec: Required value",
    ),
]


def _changed(valid: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    manifest = copy.deepcopy(valid)
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = manifest
    for step in parents:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return manifest


def _named_path(path: str) -> str:
    return re.sub(r"[.]([0-9])(?=[.]|$)", r"[\1]", path)


ADORNED = {
    **DEPLOYMENT,
    "spec": {
        "model": {"name": "org/llama-3.1_8b:v1@main", "task": "text-generation"},
        "variants": [
            {**VARIANT, "name": f"v{number}", "uri": uri}
            for number, uri in enumerate(
                (
                    "hf://org/model.v1_2", "hf://org/model/folder/q4.gguf", "pvc://claim", "pvc://claim/",
                    "pvc://my.claim/a/b=1/c+d~e/model.onnx", "oci://host:5000/org/model:tag",
                    "oci://host/model@sha256:0123456789abcdef", "https://host/a?b=c&d", "s3://bucket/model",
                )
            )
        ],
        "template": {
            "labels": {"team": "shop", "app.kubernetes.io/name": "x", "kueue.x-k8s.io/queue-name": "q"},
            "annotations": {
                "sidecar.istio.io/inject": "false",
                "prometheus.io/scrape": "true",
                "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
                "example.com/note": "any text: \n€",
            },
            "env": [{"name": "VLLM_LOGGING_LEVEL", "value": "$(LEVEL)"}, {"name": "A.B-c", "value": ""}],
            "extraArguments": ["--api-key=$(API_KEY)", "--chat-template={{ x }}\n", "--json={\"a\": \"$b\"}"],
        },
    },
}  # fmt: skip


def test_valid_objects_are_accepted() -> None:
    for manifest in (DEPLOYMENT, BUILT, POLICY, BUILDING, POOL, CLASS, ADORNED):
        assert parse(manifest).name == manifest["metadata"]["name"]


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.what)
def test_refused_by_parse(case: Refused) -> None:
    with pytest.raises(InvalidObject) as caught:
        parse(_changed(case.valid, case.path, case.value))
    message = str(caught.value)
    assert case.sentence in message
    assert _named_path(case.path) in message
    assert message.startswith(f"{case.valid['kind']} ")
    assert "\n" not in message


@pytest.mark.cluster
@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.what)
def test_refused_by_the_api_server(case: Refused, api_cluster: LocalCluster) -> None:
    manifest = json.dumps(_changed(case.valid, case.path, case.value))
    answer = api_cluster.kubectl("apply", "--dry-run=server", "-f", "-", input=manifest, check=False)
    assert answer.returncode != 0, answer.stdout
    assert (case.server or case.sentence) in answer.stderr
    assert _named_path(case.path) in answer.stderr


@pytest.mark.cluster
def test_valid_objects_are_accepted_by_the_api_server(api_cluster: LocalCluster) -> None:
    for manifest in (DEPLOYMENT, BUILT, POLICY, BUILDING, POOL, CLASS, ADORNED):
        answer = api_cluster.kubectl("apply", "--dry-run=server", "-f", "-", input=json.dumps(manifest))
        assert "Warning" not in answer.stderr
