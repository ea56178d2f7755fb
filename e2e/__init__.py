"""Stowage installed as people install it, on a cluster with real pods: see docs/e2e.md."""
