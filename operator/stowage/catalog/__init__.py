"""The embedded catalog: accelerator classes and model servers, as manifests in YAML."""

from stowage.catalog.loader import Catalog, load_catalog, source

__all__ = ["Catalog", "load_catalog", "source"]
