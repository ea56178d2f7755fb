"""The images that the suite needs, as archives."""

from __future__ import annotations

from pathlib import Path

from images.build import ensure_image
from images.recipes import reference

OPERATOR = "operator"
ONNX_SERVER = "onnx-server"
MLSERVER = "mlserver"
BUILDER = "variant-builder"
FETCHER = "model-fetcher"
NAMES = (OPERATOR, ONNX_SERVER, MLSERVER, BUILDER, FETCHER)


def ensure_images() -> list[Path]:
    """Return the archives, building those that aren't in the cache."""
    return [ensure_image(name) for name in NAMES]


__all__ = ["BUILDER", "FETCHER", "MLSERVER", "NAMES", "ONNX_SERVER", "OPERATOR", "ensure_images", "reference"]
