"""What the user can mend."""

from __future__ import annotations


class UsageError(Exception):
    """One line for standard error; the command exits with 1."""
