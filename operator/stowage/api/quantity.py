"""Kubernetes Quantities and durations as exact numbers.

Source of the grammar: k8s.io/apimachinery/pkg/api/resource/quantity.go and, for durations,
GEP-2257 of the Gateway API (``1h30m``; units h, m, s, ms; no fractions, no signs).
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

GIB = 1024**3

_QUANTITY = re.compile(
    r"^(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d{1,2})?$"
)
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}

_DURATION = re.compile(r"^([0-9]{1,5}(h|m|s|ms)){1,4}$")
_DURATION_PART = re.compile(r"([0-9]{1,5})(ms|h|m|s)")
_SECONDS = {"h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}


@lru_cache(maxsize=16384)
def parse_quantity(text: str | int) -> Decimal:
    """The exact value of a Quantity in its base unit (bytes, cores, devices).

    Raises:
        ValueError: the text isn't a Quantity.
    """
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a quantity; write one such as 15Gi, 8500Mi or 500m")
    number, suffix = Decimal(match["number"]), match["suffix"] or ""
    if suffix in _BINARY:
        return number * Decimal(1024 ** _BINARY[suffix])
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix])
    return number.scaleb(int(suffix[1:])) if suffix else number


@lru_cache(maxsize=8192)
def parse_bytes(text: str | int) -> int:
    """A Quantity of memory or storage in whole bytes, rounded up as Kubernetes does."""
    return _ceil(parse_quantity(text))


def parse_count(text: str | int) -> int:
    """A Quantity of whole devices, rounded down: half a device is none."""
    return int(parse_quantity(text))


@lru_cache(maxsize=4096)
def parse_millis(text: str | int) -> int:
    """A Quantity of CPU in thousandths of a core, rounded up as the scheduler does."""
    return _ceil(parse_quantity(text) * 1000)


def _ceil(value: Decimal) -> int:
    whole = int(value)
    return whole + 1 if value > whole else whole


def format_bytes(count: int) -> str:
    """The shortest exact binary Quantity of whole MiB or larger; rounds up to the MiB."""
    mebibytes = -(-count // 1024**2)
    return f"{mebibytes // 1024}Gi" if mebibytes % 1024 == 0 else f"{mebibytes}Mi"


def gib(count: int | float | Decimal) -> str:
    """Bytes as text for people, in GiB with one decimal: ``15.9 GiB``."""
    return f"{float(count) / GIB:.1f} GiB"


@lru_cache(maxsize=4096)
def milliseconds(seconds: float) -> str:
    """A time for people with three digits at least: in milliseconds, from 10 s on in seconds."""
    count = seconds * 1000
    if seconds >= 10:
        return f"{seconds:.0f} s" if seconds >= 100 else f"{seconds:.3g} s"
    return f"{count:.0f} ms" if count >= 100 else f"{count:.3g} ms"


@lru_cache(maxsize=4096)
def parse_duration(text: str) -> float:
    """A duration such as ``90s`` or ``1h30m`` in seconds.

    Raises:
        ValueError: the text isn't a duration.
    """
    if _DURATION.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a duration; write one such as 500ms, 90s, 10m or 1h30m")
    return float(sum(Decimal(n) * _SECONDS[unit] for n, unit in _DURATION_PART.findall(text)))
