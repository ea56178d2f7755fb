"""The licences of what is locked, from the metadata of what is installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import distributions
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from audit.pins import Pin

ALLOWED = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CNRI-Python", "ISC", "MIT", "MIT-CMU",
        "MIT-0",         "MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib", "CC0-1.0",
    }
)  # fmt: skip
"""Licences that may be shipped beside Apache-2.0. MPL-2.0 binds changes of its own files alone."""

SPELLINGS = {
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license v2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd license": "BSD",
    "3-clause bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
}
"""How metadata from before SPDX expressions write them."""
UNKNOWN = "unknown"
READ = {"promql-parser": "MIT"}
"""Of distributions whose metadata says nothing: what the licence file that they bring says."""


def licence_of(metadata: Mapping[str, Any]) -> str:
    """The licence of a distribution: its SPDX expression, else its classifiers, else a short licence text."""
    if expression := metadata.get("license_expression"):
        return str(expression)
    classifiers = [
        c.rpartition(" :: ")[2] for c in metadata.get("classifier", ()) if c.startswith("License ::")
    ]
    named = [c for c in classifiers if c != "OSI Approved"]
    if named:
        return " OR ".join(sorted(_spdx(c) for c in named))
    text = str(metadata.get("license") or "").strip()
    first = text.splitlines()[0] if text else ""
    return _spdx(first) if first and len(first) <= 60 else UNKNOWN


def _spdx(text: str) -> str:
    return SPELLINGS.get(text.lower().replace(",", "").strip(), text)


def is_allowed(licence: str) -> bool:
    """Whether an SPDX expression can be met by allowed licences: all joined by AND, one of those by OR."""
    text = re.sub(r"\s+WITH\s+[\w.-]+", "", licence).replace("(", " ( ").replace(")", " ) ")
    if "(" in text.split():
        inner = re.search(r"\( ([^()]*) \)", text)
        if inner is None:
            return False
        verdict = "MIT" if is_allowed(inner[1]) else "not allowed"
        return is_allowed(text.replace(inner[0], verdict, 1))
    return any(
        all(part.strip() in ALLOWED for part in re.split(r"\bAND\b", each))
        for each in re.split(r"\bOR\b", text)
    )


def installed() -> dict[Pin, str]:
    """The licences of what is installed here."""
    found = {}
    for each in distributions():
        pin = Pin(canonicalize_name(each.name), str(Version(each.version)))
        found[pin] = READ.get(pin.name) or licence_of(each.metadata.json)
    return found


def problems(pins: Mapping[Pin, list[str]], known: Mapping[Pin, str]) -> list[str]:
    """A sentence for each pin whose licence isn't allowed. What isn't installed is left out."""
    return [
        f"{pin.name}=={pin.version} ({', '.join(files)}): {known[pin]} is not allowed; use another library, "
        "or add the licence to tools/audit/licences.py and say why"
        for pin, files in pins.items()
        if pin in known and not is_allowed(known[pin])
    ]
