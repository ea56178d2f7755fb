"""What is documented, drawn and alerted on is what the program exposes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from stowage.observe import fleet, workqueue  # registers their families
from stowage.observe.metrics import REGISTRY, MoveCause

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text()
MONITORING = ROOT / "manifests/monitoring"
OURS = ("stowage_", "workqueue_")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}

assert fleet
assert workqueue


def families() -> dict[str, str]:
    """Types by the name that the documents use."""
    found = {}
    for each in REGISTRY.collect():
        suffix = SUFFIXES[each.type][0] if each.type in ("counter", "info") else ""
        found[each.name + suffix] = "gauge" if each.type == "info" else each.type
    return found


def samples() -> set[str]:
    """All names that can be queried."""
    return {each.name + s for each in REGISTRY.collect() for s in SUFFIXES.get(each.type, ("",))}


def queried(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:stowage|workqueue|process|python)_[a-z_]+", expression))


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    text = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row] for row in table]


def test_every_metric_is_documented_with_its_type() -> None:
    documented = {row[0].strip("`"): row[1] for row in rows("Metrics")}
    exposed = {name: kind for name, kind in families().items() if name.startswith(OURS)}
    assert documented == exposed


def test_the_labels_are_documented() -> None:
    documented = {row[0].strip("`"): tuple(filter(None, row[2].split(", "))) for row in rows("Metrics")}
    exposed: dict[str, tuple[str, ...]] = {}
    for collector in REGISTRY._collector_to_names:
        name, labels = getattr(collector, "_name", ""), getattr(collector, "_labelnames", None)
        if name and labels is not None and name.startswith(OURS) and name != "stowage_build":
            exposed[name + ("_total" if f"{name}_total" in documented else "")] = tuple(labels)
    assert len(exposed) >= 15
    assert {name: documented[name] for name in exposed} == exposed


def test_the_causes_of_moves_are_documented() -> None:
    (row,) = [row for row in rows("Metrics") if row[0] == "`stowage_moves_total`"]
    assert row[3].partition(": ")[2].split(", ") == [str(cause) for cause in MoveCause]


def test_the_dashboard_queries_what_is_exposed() -> None:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    expressions = [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", ())]
    variables = [v["query"]["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    assert len(expressions) > 20
    for expression in (*expressions, *variables):
        assert queried(expression), expression
        assert queried(expression) <= samples(), expression
    for expression in expressions:
        promql_parser.parse(re.sub(r"\$\w+", "5m", expression))
    missing = {n for n in samples() if n.startswith("stowage_")} - set().union(*map(queried, expressions))
    assert {n for n in missing if not n.endswith(("_sum", "_count"))} == set()


def test_the_panels_of_the_dashboard_dont_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def alerts() -> list[dict[str, Any]]:
    rule = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
    return [alert for group in rule["spec"]["groups"] for alert in group["rules"]]


def test_the_alerts_query_what_is_exposed_and_are_documented() -> None:
    assert [row[0].strip("`") for row in rows("Alerts")] == [each["alert"] for each in alerts()]
    for each in alerts():
        assert queried(each["expr"]), each["alert"]
        assert queried(each["expr"]) <= samples(), each["alert"]
        promql_parser.parse(each["expr"])
        assert set(each["annotations"]) == {"summary", "description"}, each["alert"]
        assert each["labels"]["severity"] in ("critical", "warning")
