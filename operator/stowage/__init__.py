"""Stowage puts every inference workload on the accelerator that suits it."""

__version__ = "0.1.0"
