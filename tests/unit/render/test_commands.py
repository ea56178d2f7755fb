"""The command line of every model server, on every kind of device, for each kind of variant.

A simulated node makes any pod Ready, so these files are what stands between users and a broken start. Each
says where its lines were read. A case is rendered through the engine: a node of the class, the pool that is
found, the decision, the Deployment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stowage.api.inference_runtime import VariantArguments
from stowage.api.variant import Variant
from stowage.placement.decide import decide
from stowage.placement.decision import Chosen
from stowage.placement.snapshot import Demand, Snapshot
from stowage.render.children import deployment

from .builders import CATALOG, CLASSIC, FETCHER, LANGUAGE, any_type, pool, workload

GOLDEN = Path(__file__).parent / "golden"
FILES = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(GOLDEN.glob("*.yaml"))
}
CASES = [
    pytest.param(golden, case, id=f"{name}-{case['name']}")
    for name, golden in FILES.items()
    for case in golden["cases"]
]
TENSORFLOW = {**CLASSIC, "protocol": "TensorFlowServing"}
MODELS = {"language": LANGUAGE, "classic": CLASSIC, "tensorflow": TENSORFLOW}
UNREACHABLE = {
    ("vllm", "cuda-mig", ("fp4",), ("modelopt",)),
    ("sglang", "cuda-mig", ("fp4",), ()),
    ("sglang", "cuda-mig", ("fp4",), ("modelopt", "nvfp4")),
}
"""Arguments for what no class of the catalog computes: (runtime, support, precisions, schemes)."""


def choose(golden: dict[str, Any], case: dict[str, Any]) -> Chosen:
    """The decision for a case, with one runtime and one pool to choose from."""
    given = workload([{"name": "model", **case["variant"]}], model=MODELS[golden["model"]])
    where = pool(case["class"], case.get("devicesPerNode", 8))
    snapshot = Snapshot((where,), (CATALOG.runtimes[golden["runtime"]],), used={})
    decision = decide(snapshot, Demand(given, any_type()), ())
    assert len(decision.placements) == 1, [v.reasons for v in decision.verdicts]
    return decision.placements[0]


def container(chosen: Chosen) -> dict[str, Any]:
    (server,) = deployment(chosen, FETCHER)["spec"]["template"]["spec"]["containers"]
    return dict(server)


def expand(text: str, environment: dict[str, str]) -> str:
    """``$(NAME)`` and ``$$`` as the kubelet expands them in commands and arguments.

    Source: k8s.io/kubernetes/third_party/forked/golang/expansion.
    """
    known = re.compile(r"\$\$|\$\(([^)]*)\)")
    return known.sub(lambda m: "$" if m[0] == "$$" else environment.get(m[1], m[0]), text)


@pytest.mark.parametrize(("golden", "case"), CASES)
def test_the_server_is_started_as_written(golden: dict[str, Any], case: dict[str, Any]) -> None:
    chosen = choose(golden, case)
    server = container(chosen)
    assert chosen.candidate.support is not None
    rendered = {
        "support": chosen.candidate.support.name,
        "devices": chosen.candidate.devices,
        "image": server["image"],
        "command": server.get("command", []),
        "arguments": server["args"],
        "environment": {entry["name"]: entry["value"] for entry in server.get("env", [])},
    }
    shared = golden["expected"]
    assert rendered == {
        "support": golden["support"],
        "devices": case["devices"],
        "image": shared["image"],
        "command": shared.get("command", []),
        "arguments": case["arguments"],
        "environment": {**shared.get("environment", {}), **case.get("environment", {})},
    }


@pytest.mark.parametrize(("golden", "case"), CASES)
def test_the_kubelet_changes_nothing_in_it(golden: dict[str, Any], case: dict[str, Any]) -> None:
    server = container(choose(golden, case))
    environment = {entry["name"]: entry["value"] for entry in server.get("env", [])}
    for text in [*server.get("command", []), *server["args"], *environment.values()]:
        assert expand(text, environment) == text


@pytest.mark.parametrize("name", FILES)
def test_every_file_says_where_its_lines_were_read(name: str) -> None:
    golden = FILES[name]
    assert name == f"{golden['runtime']}-{golden['support']}"
    assert golden["source"]
    assert all(isinstance(line, str) and line for line in golden["source"])


def test_every_support_of_the_catalog_has_a_file() -> None:
    supports = {(r.name, s.name) for r in CATALOG.runtimes.values() for s in r.spec.supports}
    assert {(golden["runtime"], golden["support"]) for golden in FILES.values()} == supports


def entries() -> Iterator[Any]:
    for each in CATALOG.runtimes.values():
        for support in each.spec.supports:
            for entry in support.variant_arguments:
                key = (each.name, support.name, tuple(entry.precisions), tuple(entry.schemes))
                if key not in UNREACHABLE:
                    yield pytest.param(each.name, support.name, entry, id="-".join(map(str, key)))


@pytest.mark.parametrize(("runtime", "support", "entry"), list(entries()))
def test_every_pin_of_a_variant_is_in_a_case(runtime: str, support: str, entry: VariantArguments) -> None:
    """Each entry of variantArguments is applied in at least one case."""
    cases = FILES[f"{runtime}-{support}"]["cases"]
    variants = [Variant.model_validate({"name": "model", **case["variant"]}) for case in cases]
    assert any(
        (not entry.precisions or variant.precision in entry.precisions)
        and (variant.scheme in entry.schemes if entry.schemes else not variant.scheme)
        for variant in variants
    )


def weight_only() -> Iterator[Any]:
    for each in CATALOG.runtimes.values():
        for support in each.spec.supports:
            for entry in support.weight_only:
                yield pytest.param(
                    each.name, support.name, entry.weights, id=f"{each.name}-{support.name}-{entry.weights}"
                )


@pytest.mark.parametrize(("runtime", "support", "weights"), list(weight_only()))
def test_every_weight_only_kind_is_in_a_case(runtime: str, support: str, weights: str) -> None:
    cases = FILES[f"{runtime}-{support}"]["cases"]
    variants = [Variant.model_validate({"name": "model", **case["variant"]}) for case in cases]
    assert any(v.weights == weights and v.activations != weights for v in variants)


@pytest.mark.parametrize(("golden", "case"), CASES)
def test_what_isnt_chosen_by_the_server_itself(golden: dict[str, Any], case: dict[str, Any]) -> None:
    """Nothing is left of a placeholder, and no argument is there twice."""
    server = container(choose(golden, case))
    assert not [text for text in server["args"] if re.search(r"\{[A-Za-z]+\}", text)]
    flags = [text.split("=")[0] for text in server["args"] if text.startswith("-")]
    assert len(flags) == len(set(flags))
