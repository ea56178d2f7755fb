"""The changelog's sections, and every place that says a version."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
HEADING = re.compile(r"^## \[?(?P<version>[^\]\s]+)\]?(?: - (?P<date>\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


class MissingNotesError(ValueError):
    """The changelog has no section of the version, or an empty one."""


def notes(version: str, text: str | None = None) -> str:
    """The changelog's section of a version, without its heading.

    Raises:
        MissingNotesError: there is none, or nothing in it.
    """
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8") if text is None else text
    headings = list(HEADING.finditer(text))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        if heading["version"] == version:
            end = following.start() if following else len(text)
            if section := text[heading.end() : end].strip():
                return section
            raise MissingNotesError(f"CHANGELOG.md: the section {version} is empty; write what changed")
    known = ", ".join(h["version"] for h in headings) or "none"
    raise MissingNotesError(
        f"CHANGELOG.md: no section {version}; write '## {version} - DATE'; there are: {known}"
    )


def versions() -> dict[str, str]:
    """The version by the place that says it."""
    source = (ROOT / "operator/stowage/__init__.py").read_text(encoding="utf-8")
    named = re.search(r'__version__ = "([^"]+)"', source)
    found = {"operator/stowage/__init__.py": named[1] if named else "none"}
    chart = ROOT / "charts/stowage/Chart.yaml"
    if chart.exists():
        body = yaml.safe_load(chart.read_text(encoding="utf-8"))
        found["charts/stowage/Chart.yaml version"] = str(body["version"])
        found["charts/stowage/Chart.yaml appVersion"] = str(body["appVersion"])
    return found
