"""Variants that are built: Jobs ordered, followed, and their reports read."""
