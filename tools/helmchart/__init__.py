"""Writes what is generated in the Helm chart, and packs it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "stowage"
