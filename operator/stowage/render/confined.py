"""What the containers of our own programs may do: as little as the restricted Pod Security Standard asks."""

from __future__ import annotations

from typing import Any

USER = 65532
"""Whose process each is, and whose group what it writes belongs to."""


def confined() -> dict[str, Any]:
    """Of a container's security context what is the same in all of them."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
