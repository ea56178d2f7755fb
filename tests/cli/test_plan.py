"""``stowage plan``: the documented JSON, the other forms, exit codes, and errors in one line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from stowage.cli import tables
from stowage.cli.world import load_world

from .conftest import SAMPLES, Stowage

CHAT = ("-f", SAMPLES / "gpu-chat.yaml", "-f", SAMPLES / "policies.yaml", "-f", SAMPLES / "node-pools.yaml")
PLACED = {
    "assistant": ("inf2.inf2.8xlarge", "aws-inferentia2", "neuron-bf16", "vllm", 1, 1),
    "chat": ("l4-spot", "nvidia-l4", "fp8", "vllm", 1, 2),
    "chat-70b": ("a100-80", "nvidia-a100-80gb", "bf16", "vllm", 4, 1),
    "classifier": ("cpu-amx", "cpu-x86-amx-int8", "int8", "onnx-server", 1, 10),
    "summaries": ("tpu-v5e", "google-tpu-v5e", "bf16", "vllm", 4, 1),
}


def plan(stowage: Stowage, *arguments: str | Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(stowage("plan", *arguments, "-o", "json").stdout)["decisions"]
    return found


def test_the_samples_on_the_demo_fleet(stowage: Stowage, fleet: Path) -> None:
    decisions = {d["name"]: d for d in plan(stowage, "-f", SAMPLES, "--fleet", fleet)}
    found = {
        name: tuple(
            decisions[name]["placements"][0][k]
            for k in ("pool", "acceleratorClass", "variant", "runtime", "devicesPerReplica", "replicas")
        )
        for name in PLACED
    }
    assert found == PLACED
    assert (decisions["giant"]["placed"], decisions["giant"]["reason"]) == (False, "NoFeasibleCandidate")


def test_the_json_is_as_documented(stowage: Stowage, fleet: Path) -> None:
    (chat,) = plan(stowage, *CHAT, "--fleet", fleet)
    assert list(chat) == ["namespace", "name", "placed", "reason", "message", "placements", "candidates"]
    assert list(chat["placements"][0]) == [
        "pool", "acceleratorClass", "acceleratorType", "variant", "precision", "runtime",
        "devicesPerReplica", "replicas", "tier", "costPerHour", "estimate",
    ]  # fmt: skip
    assert list(chat["placements"][0]["estimate"]) == [
        "basis", "latencySeconds", "timeToFirstTokenSeconds", "timePerOutputTokenSeconds",
        "requestsPerSecond", "tokensPerSecond", "joulesPerRequest", "latencyAloneSeconds", "batch",
        "costPerMillionOutputTokens", "costPerMillionInferences", "measured",
    ]  # fmt: skip
    for candidate in chat["candidates"]:
        assert list(candidate) == [
            "pool", "acceleratorClass", "variant", "runtime", "verdict", "reasons", "room",
        ]  # fmt: skip
        assert candidate["verdict"] in ("Chosen", "Feasible", "Rejected")
        assert candidate["verdict"] == "Chosen" or candidate["reasons"]
    assert chat["placements"][0]["costPerHour"] == pytest.approx(0.84)


def test_the_figures_of_a_replica_by_hand(stowage: Stowage, fleet: Path) -> None:
    """fp8 on an L4: 0.84 an hour for two devices, 72 W, 5.03 requests of 128 tokens a second."""
    (chat,) = plan(stowage, *CHAT, "--fleet", fleet)
    found = chat["placements"][0]["estimate"]
    assert found == {
        "basis": "estimated", "latencySeconds": 8.45, "timeToFirstTokenSeconds": 0.068,
        "timePerOutputTokenSeconds": 0.0655, "requestsPerSecond": 5.03, "tokensPerSecond": 644.0,
        "joulesPerRequest": 14.3, "latencyAloneSeconds": 5.55, "batch": 64,
        "costPerMillionOutputTokens": 0.181, "costPerMillionInferences": None, "measured": [],
    }  # fmt: skip
    assert found["costPerMillionOutputTokens"] == pytest.approx(0.42 / (644 * 3600) * 1e6, rel=0.01)
    assert found["joulesPerRequest"] == pytest.approx(72 / 5.03, rel=0.01)


def test_what_a_profile_settles_is_named(stowage: Stowage, fleet: Path, tmp_path: Path) -> None:
    """200 classifications a second on one core at 1.14 / 21 an hour."""
    (body,) = yaml.safe_load_all((SAMPLES / "cpu-classifier.yaml").read_text())
    profile = {"acceleratorClass": "cpu-x86-amx-int8", "requestsPerSecond": "200"}
    body["spec"]["variants"][0]["profiles"] = [profile]
    file = tmp_path / "classifier.yaml"
    file.write_text(yaml.safe_dump(body))
    (found,) = plan(stowage, *CHAT[2:], "-f", file, "--fleet", fleet)
    one = found["placements"][0]["estimate"]
    assert (one["basis"], one["requestsPerSecond"], one["measured"]) == (
        "mixed",
        200.0,
        ["requestsPerSecond"],
    )
    assert one["latencySeconds"] == 0.0472
    assert one["costPerMillionInferences"] == pytest.approx(1.14 / 21 / (200 * 3600) * 1e6, rel=0.01)


def test_wide_says_what_each_could_do(stowage: Stowage, fleet: Path) -> None:
    lines = stowage("plan", *CHAT, "--fleet", fleet, "-o", "wide").stdout.splitlines()
    figures = (
        "estimated: 5.03 requests/s a replica, first token 68 ms, then 65.5 ms each, "
        "a lone request 5547 ms, 14.3 J a request, 0.181 per million output tokens"
    )
    assert [line.strip() for line in lines[1:6]][1:5:3] == [figures, figures]


def test_the_same_input_gives_the_same_bytes(stowage: Stowage, fleet: Path, tmp_path: Path) -> None:
    content = yaml.safe_load(fleet.read_text())
    content["items"].reverse()
    reversed_fleet = tmp_path / "reversed.yaml"
    reversed_fleet.write_text(yaml.safe_dump(content))
    first = stowage("plan", "-f", SAMPLES, "--fleet", fleet, "-o", "json").stdout
    assert first == stowage("plan", "-f", SAMPLES, "--fleet", reversed_fleet, "-o", "json").stdout


def test_yaml_says_the_same_as_json(stowage: Stowage, fleet: Path) -> None:
    text = stowage("plan", *CHAT, "--fleet", fleet, "-o", "yaml").stdout
    assert yaml.safe_load(text)["decisions"] == plan(stowage, *CHAT, "--fleet", fleet)


def test_the_table_gives_the_choice_and_what_the_next_lacks(stowage: Stowage, fleet: Path) -> None:
    lines = stowage("plan", *CHAT, "--fleet", fleet).stdout.splitlines()
    assert lines[0] == "default/chat  Placed: 2 replicas on 1 x nvidia-l4 each, pool l4-spot"
    assert lines[1].split() == [
        "chosen",
        "fp8",
        "on",
        "l4-spot",
        "2",
        "x",
        "(1",
        "x",
        "nvidia-l4)",
        "vllm",
        "0.84/h",
    ]
    assert lines[4].strip() == "Cheapest: costs 1.26 per hour, the chosen one costs 0.84 per hour"


def test_all_candidates_by_every_runtime(stowage: Stowage, fleet: Path) -> None:
    """The nearest are four, each variant on each pool once."""
    few, every = (
        stowage("plan", *CHAT, "--fleet", fleet, *more).stdout.splitlines() for more in ((), ("--all",))
    )
    assert [line.split() for line in every[:3]] == [line.split() for line in few[:3]]
    (chat,) = plan(stowage, *CHAT, "--fleet", fleet)
    rows = [
        sum(line.startswith(("  chosen", "  feasible", "  rejected")) for line in t) for t in (few, every)
    ]
    assert rows == [5, len(chat["candidates"])]


@pytest.mark.parametrize("columns", [80, 200])
def test_a_terminal_of_any_width_cuts_nothing(
    fleet: Path, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No line is wider, none is broken within a cell, and each cell is there."""
    console = Console(width=columns, highlight=False, color_system=None)
    monkeypatch.setattr(tables, "cli_console", lambda: console)
    offline, _ = load_world([str(SAMPLES)], str(fleet), None)
    tables.show(offline.plan(offline.workloads()), tables.View())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    assert "10 x (1 core of cpu-x86-amx-int8)" in text
    assert "u250 on amd-alveo-u250-2x.xilinx_u250_gen3x16_base_4-0" in text
    assert ("u250 on amd-alveo-u250-2x.xilinx_u250_gen3x16_base_4-0 " in text) == (columns == 200)


def test_what_failed_is_left_alone(stowage: Stowage, fleet: Path) -> None:
    until = (datetime.now(UTC) + timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    chat = yaml.safe_load((SAMPLES / "gpu-chat.yaml").read_text())
    entry = {"candidate": "fp8/vllm/l4-spot/1", "reason": "Unschedulable", "message": "no node took it"}
    chat["status"] = {"backoffs": [{**entry, "until": until, "failures": 1}]}
    ended = stowage("plan", "-f", "-", *CHAT[2:], "--fleet", fleet, "-o", "json", stdin=yaml.safe_dump(chat))
    (found,) = json.loads(ended.stdout)["decisions"]
    assert found["placements"][0]["pool"] != "l4-spot"
    codes = {r["code"] for c in found["candidates"] if c["pool"] == "l4-spot" for r in c["reasons"]}
    assert "InBackoff" in codes


def test_markdown_has_a_row_for_each(stowage: Stowage, fleet: Path) -> None:
    lines = stowage("plan", "-f", SAMPLES, "--fleet", fleet, "-o", "markdown").stdout.splitlines()
    assert lines[2].count("|") == lines[4].count("|") == 8
    assert any("**chosen** | fp8 on l4-spot" in line for line in lines)
    assert any("**NoFeasibleCandidate**" in line for line in lines)


def test_manifests_are_what_would_be_applied(stowage: Stowage, fleet: Path) -> None:
    text = stowage("plan", *CHAT, "--fleet", fleet, "-o", "manifests").stdout
    found = list(yaml.safe_load_all(text))
    assert [m["kind"] for m in found] == ["Service", "PodDisruptionBudget", "Deployment"]
    container = found[2]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_pods_of_others_take_room(stowage: Stowage, fleet: Path, tmp_path: Path) -> None:
    gpus = {"resources": {"requests": {"nvidia.com/gpu": "2"}}}
    content = yaml.safe_load(fleet.read_text())
    content["items"] += [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"other-{node['metadata']['name']}", "namespace": "other"},
            "spec": {"nodeName": node["metadata"]["name"], "containers": [{"name": "c", **gpus}]},
        }
        for node in content["items"]
        if "nvidia.com/gpu" in node["status"]["capacity"]
    ]
    busy = tmp_path / "busy.yaml"
    busy.write_text(yaml.safe_dump(content))
    (chat,) = plan(stowage, *CHAT, "--fleet", busy)
    assert chat["placements"][0]["pool"] != "l4-spot"
    reasons = {r["code"] for c in chat["candidates"] if c["pool"] == "l4-spot" for r in c["reasons"]}
    assert "NoCapacity" in reasons


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (CHAT, 0),
        (("-f", SAMPLES / "nowhere-giant.yaml"), 2),
        (("-f", SAMPLES / "node-pools.yaml"), 1),
        (("-f", "missing.yaml"), 1),
    ],
)
def test_exit_codes(stowage: Stowage, fleet: Path, files: tuple[str | Path, ...], code: int) -> None:
    assert stowage("plan", *files, "--fleet", fleet).returncode == code


CHAT_TEXT = (SAMPLES / "gpu-chat.yaml").read_text()
REFUSED = {
    "a wrong quantity": (
        CHAT_TEXT.replace("size: 15Gi", "size: 15 gigs"),
        '<stdin>:15: InferenceDeployment default/chat: spec.variants[0].size: found "15 gigs"; '
        "write a quantity above zero, such as 15Gi, 8500Mi or 500m",
    ),
    "a mistyped field": (
        CHAT_TEXT.replace("minQuality", "minQuallity"),
        "<stdin>:27: InferenceDeployment default/chat: spec.requirements.minQuallity: unknown field; "
        "did you mean minQuality?",
    ),
    "no YAML": ("a: [", "<stdin>:1: not YAML: expected the node content, but found '<stream end>'"),
    "no object": ("- 1\n", "<stdin>:1: not a Kubernetes object: it has no kind"),
    "nothing to place": ("", "no InferenceDeployment in -"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_error_is_one_line_with_file_line_and_field(stowage: Stowage, fleet: Path, case: str) -> None:
    text, message = REFUSED[case]
    ended = stowage("plan", "-f", "-", "--fleet", fleet, stdin=text)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"stowage plan: {message}\n")


def test_a_fleet_without_nodes(stowage: Stowage) -> None:
    ended = stowage("plan", *CHAT, "--fleet", SAMPLES / "node-pools.yaml")
    assert "no Node in it; write it with kubectl get nodes -o yaml" in ended.stderr


def test_no_cluster_and_no_fleet(stowage: Stowage) -> None:
    ended = stowage("plan", *CHAT)
    assert ended.returncode == 1
    assert ended.stderr.startswith("stowage plan: no cluster: ")


def test_an_unknown_policy_is_no_crash(stowage: Stowage, fleet: Path) -> None:
    ended = stowage("plan", "-f", SAMPLES / "gpu-chat.yaml", "--fleet", fleet)
    assert ended.returncode == 2
    assert "UnknownPolicy" in ended.stdout
