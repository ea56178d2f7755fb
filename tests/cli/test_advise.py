"""``stowage advise``: the documented JSON, the table, the plot, exit codes, and errors in one line."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import SAMPLES, Stowage

CHAT = ("-f", SAMPLES / "gpu-chat.yaml")
PRICES = {
    "currency": "EUR",
    "classes": {
        "nvidia-l4": {"costPerDeviceHour": "0.42"},
        "nvidia-a100-80gb": {"costPerDeviceHour": "3.40"},
        "nvidia-h100-80gb-sxm": {"costPerDeviceHour": "6.90"},
    },
}

Json = dict[str, Any]


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    file = tmp_path / "prices.yaml"
    file.write_text(yaml.safe_dump(PRICES))
    return file


def advice(stowage: Stowage, *arguments: str | Path, stdin: str = "") -> list[Json]:
    found: list[Json] = json.loads(stowage("advise", *arguments, "-o", "json", stdin=stdin).stdout)["advice"]
    return found


def offers(found: Json) -> dict[tuple[str, str], Json]:
    return {(o["acceleratorClass"], o["variant"]): o for o in found["offers"]}


def test_the_json_is_as_documented(stowage: Stowage, prices: Path) -> None:
    found = json.loads(stowage("advise", *CHAT, "--prices", prices, "-o", "json").stdout)
    assert found["currency"] == "EUR"
    (chat,) = found["advice"]
    assert list(chat) == [
        "namespace", "name", "model", "servable", "reason", "message", "comparedOn", "offers",
    ]  # fmt: skip
    assert chat["comparedOn"] == ["costPerHour", "latency"]
    offer = offers(chat)["nvidia-l4", "fp8"]
    assert list(offer) == [
        "acceleratorClass", "acceleratorType", "vendor", "provenance", "variant", "precision", "quality",
        "runtime", "runtimes", "architectures", "verdict", "reasons",
        "budgetUnchecked", "pareto", "dominatedBy", "bestOfClass", "latencyRank", "latencyAloneRank",
        "requestsPerReplica", "figures",
    ]  # fmt: skip
    assert list(offer["figures"]) == [
        "devicesPerReplica", "replicas", "memoryNeeded", "memoryUsable", "batch", "latency", "latencyAlone",
        "timeToFirstToken", "timePerOutputToken", "requestsPerSecond", "tokensPerSecond", "joulesPerRequest",
        "costPerHour", "costPerMillionOutputTokens", "costPerMillionInferences",
    ]  # fmt: skip
    for figure in offer["figures"].values():
        assert figure is None or list(figure) == ["value", "unit", "basis", "fromMemory"]
    assert offer["figures"]["costPerHour"] == {
        "value": 0.84, "unit": "per hour", "basis": "estimated", "fromMemory": False,
    }  # fmt: skip
    assert offer["requestsPerReplica"]["nvidia.com/gpu"] == "1"
    assert offer["pareto"] == "Front"


def test_every_class_of_the_catalog_has_an_answer_for_every_variant(stowage: Stowage) -> None:
    (chat,) = advice(stowage, *CHAT)
    classes = [
        n for n in json.loads(stowage("catalog", "-o", "json").stdout) if n["kind"] == "AcceleratorClass"
    ]
    assert {o["acceleratorClass"] for o in chat["offers"]} == {c["metadata"]["name"] for c in classes}
    assert len(chat["offers"]) == 3 * len(classes)
    for offer in chat["offers"]:
        assert (offer["verdict"] == "Serves") == (not offer["reasons"])
        assert (offer["verdict"] == "Serves") == (offer["pareto"] is not None)
        assert (offer["pareto"] == "Dominated") == (offer["dominatedBy"] is not None)


@pytest.mark.parametrize(
    ("sample", "variant", "accelerator", "verdict", "code"),
    [
        ("gpu-chat", "awq", "nvidia-t4", "QualityTooLow", "QualityTooLow"),
        ("gpu-chat", "bf16", "cpu-x86-amx-int8", "TooSlow", "LatencyTooHigh"),
        ("gpu-chat", "fp8", "nvidia-a100-80gb", "Unsupported", "PrecisionNotNative"),
        ("gpu-chat-70b", "bf16", "nvidia-l4", "TooSmall", "InsufficientMemory"),
        ("gpu-chat-70b", "fp8", "nvidia-l4", "Serves", None),
    ],
)
def test_verdicts(
    stowage: Stowage, sample: str, variant: str, accelerator: str, verdict: str, code: str | None
) -> None:
    (found,) = advice(stowage, "-f", SAMPLES / f"{sample}.yaml")
    offer = offers(found)[accelerator, variant]
    assert (offer["verdict"], [r["code"] for r in offer["reasons"]][:1]) == (verdict, [code] if code else [])


def test_figures_from_memory_are_marked(stowage: Stowage) -> None:
    (classifier,) = advice(stowage, "-f", SAMPLES / "cpu-classifier.yaml")
    known = {o["acceleratorClass"]: o for o in classifier["offers"]}
    assert known["cpu-x86-amx-int8"]["provenance"] == "Memory"
    assert known["cpu-x86-amx-int8"]["figures"]["latency"]["fromMemory"] is True
    table = stowage("advise", "-f", SAMPLES / "cpu-classifier.yaml").stdout
    assert "~47.2 ms?" in table


OWN_CLASS = """
apiVersion: stowage.dev/v1alpha1
kind: AcceleratorClass
metadata: {name: example-chip, labels: {stowage.dev/family: example}}
spec:
  type: GPU
  vendor: NVIDIA
  resourceName: example.com/chip
  memory: 64Gi
  memoryBandwidth: "100000"
  precisions: [{name: bf16, peak: "9000"}]
  powerWatts: "10"
"""


def test_a_class_of_ones_own_joins_the_catalog(stowage: Stowage) -> None:
    (chat,) = advice(stowage, *CHAT, "-f", "-", stdin=OWN_CLASS)
    own = offers(chat)["example-chip", "bf16"]
    assert (own["verdict"], own["pareto"], own["provenance"]) == ("Serves", "Front", None)


def test_several_deployments_have_a_section_each(stowage: Stowage) -> None:
    ended = stowage("advise", "-f", SAMPLES)
    heads = [line.split("  ")[0] for line in ended.stdout.splitlines() if line.startswith("default/")]
    assert heads == sorted(heads)
    assert {"default/chat", "default/classifier", "default/summaries"} <= set(heads)


def test_the_table_marks_the_front_and_what_is_behind_it(stowage: Stowage, prices: Path) -> None:
    lines = stowage("advise", *CHAT, "--prices", prices).stdout.splitlines()
    assert lines[0].startswith("default/chat  llama-3.1-8b-instruct: 6 requests/s, 512 tokens in and 128 out")
    front = next(line for line in lines if line.startswith("  *  nvidia-l4 "))
    assert front.split()[2:4] == ["fp8", "vllm,"]
    behind = next(line for line in lines if line.split()[:2] == ["nvidia-l4", "bf16"])
    assert behind.endswith("behind nvidia-l4 fp8")
    assert any(line.startswith("    nvidia-t4 ") and "QualityTooLow" in line for line in lines)


def test_the_same_input_gives_the_same_bytes(stowage: Stowage, prices: Path) -> None:
    for form in ("json", "svg", "table"):
        first, second = (stowage("advise", *CHAT, "--prices", prices, "-o", form).stdout for _ in range(2))
        assert first == second


def test_the_plot_names_model_axes_and_points(stowage: Stowage, prices: Path) -> None:
    text = stowage("advise", *CHAT, "--prices", prices, "-o", "svg").stdout
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    for words in (
        "llama-3.1-8b-instruct: cost per hour over latency",
        "cost of all replicas per hour (EUR), log scale",
        "latency of a request at the best batch (s), log scale",
        "nvidia-l4 fp8",
        "Pareto front",
    ):
        assert f"<!-- {words} -->" in text
    titles = {t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}title")}
    assert any(t.startswith("nvidia-a100-80gb bf16 by vllm: ") and t.endswith("estimated") for t in titles)
    assert "<dc:date>" not in text


def test_a_plot_of_several_with_one_that_nothing_serves(stowage: Stowage, tmp_path: Path) -> None:
    text = stowage("advise", *CHAT, "-f", impossible(tmp_path), "-o", "svg").stdout
    assert "<!-- Nothing in the catalog can serve it. -->" in text
    assert "energy per request (J), log scale" in text


def impossible(folder: Path) -> Path:
    """A model that is larger than every node."""
    body = yaml.safe_load((SAMPLES / "nowhere-giant.yaml").read_text())
    body["spec"]["variants"][0]["size"] = "90Ti"
    body["spec"]["variants"][0]["accelerators"] = {"types": ["GPU"]}
    file = folder / "impossible.yaml"
    file.write_text(yaml.safe_dump(body))
    return file


def test_exit_codes(stowage: Stowage, tmp_path: Path) -> None:
    assert stowage("advise", *CHAT).returncode == 0
    ended = stowage("advise", *CHAT, "-f", impossible(tmp_path))
    assert ended.returncode == 2
    assert "NoFeasibleCandidate: nearest is bf16 on " in ended.stdout
    assert stowage("advise", "-f", tmp_path / "missing.yaml").returncode == 1


WRONG_PRICES = {
    "an unknown class": (
        "classes:\n  nvidia-l4: {costPerDeviceHour: '1'}\n  nvidia-l400: {costPerDeviceHour: '1'}\n",
        "<stdin>:3: classes.nvidia-l400: no AcceleratorClass has this name; did you mean nvidia-l40s?",
    ),
    "a bare number": (
        "classes:\n  nvidia-l4:\n    costPerDeviceHour: 0.42\n",
        "<stdin>:3: classes.nvidia-l4.costPerDeviceHour: found 0.42; "
        'write a plain decimal of zero or more in quotes, such as "2.02"',
    ),
    "a mistyped field": (
        "classes:\n  nvidia-l4:\n    costPerHour: '1'\n",
        "<stdin>:3: classes.nvidia-l4.costPerHour: unknown field; did you mean costPerDeviceHour? "
        "(and 1 more)",
    ),
    "no price": (
        "classes:\n  nvidia-l4: {costPerDeviceHour: '0.00'}\n",
        '<stdin>:2: classes.nvidia-l4.costPerDeviceHour: found "0.00"; '
        "write a price above zero, or leave the class out where it isn't known",
    ),
    "two prices": (
        "classes:\n  nvidia-l4: {costPerDeviceHour: '1'}\n  nvidia-l4: {costPerDeviceHour: '2'}\n",
        "<stdin>:3: classes.nvidia-l4: found twice; write one price",
    ),
    "no classes": (
        "currency: EUR\n",
        "<stdin>:1: classes: missing; write it: prices by name of the AcceleratorClass",
    ),
    "no mapping": ("- 1\n", "<stdin>:1: found no mapping"),
    "no YAML": ("a: [", "<stdin>:1: not YAML: expected the node content, but found '<stream end>'"),
    "nothing": ("", "-: found 0 documents; write one"),
    "two documents": ("a: 1\n---\nb: 2\n", "-: found 2 documents; write one"),
}


@pytest.mark.parametrize("case", WRONG_PRICES)
def test_wrong_prices_are_one_line_with_file_line_and_field(stowage: Stowage, case: str) -> None:
    text, message = WRONG_PRICES[case]
    ended = stowage("advise", *CHAT, "--prices", "-", stdin=text)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"stowage advise: {message}\n")


def test_prices_as_json(stowage: Stowage) -> None:
    found = advice(stowage, *CHAT, "--prices", "-", stdin=json.dumps(PRICES, indent=2))
    assert found[0]["comparedOn"] == ["costPerHour", "latency"]


def test_a_wrong_deployment_is_one_line(stowage: Stowage) -> None:
    text = (SAMPLES / "gpu-chat.yaml").read_text().replace("size: 15Gi", "size: 15 gigs")
    ended = stowage("advise", "-f", "-", stdin=text)
    assert ended.stderr.startswith("stowage advise: <stdin>:15: InferenceDeployment default/chat: ")
    ended = stowage("advise", "-f", SAMPLES / "node-pools.yaml")
    assert ended.stderr == f"stowage advise: no InferenceDeployment in {SAMPLES / 'node-pools.yaml'}\n"


def test_without_matplotlib_the_extra_is_named(
    stowage: Stowage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError('not there')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    ended = stowage("advise", *CHAT, "-o", "svg")
    message = "stowage advise: -o svg needs matplotlib; pip install 'stowage-operator[plot]'\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", message)


def test_what_is_far_slower_is_named_instead_of_drawn(stowage: Stowage, prices: Path) -> None:
    content = yaml.safe_load(prices.read_text())
    content["classes"]["cpu-x86-amx-int8"] = {"costPerDeviceHour": "0.05"}
    prices.write_text(yaml.safe_dump(content))
    text = stowage("advise", "-f", SAMPLES / "gpu-chat-70b.yaml", "--prices", prices, "-o", "svg").stdout
    assert "<!-- Far slower, and not drawn: cpu-x86-amx-int8 bf16 by vllm: 2186 s" in text
    assert "<title>cpu-x86-amx-int8" not in text
