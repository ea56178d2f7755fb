"""Images of Stowage's own programs that run in pods of the namespaces it serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from stowage import __version__


@dataclass(frozen=True, slots=True)
class OwnImages:
    """Where a policy names none. By default those of this version, as images/ builds them."""

    fetcher: str = f"stowage/model-fetcher:{__version__}"
    """What fetches models."""
    builder: str = f"stowage/variant-builder:{__version__}"
    """What builds variants."""

    @classmethod
    def given(cls, *, fetcher: str, builder: str) -> Self:
        """The same where nothing is given."""
        named = {"fetcher": fetcher, "builder": builder}
        return cls(**{program: image for program, image in named.items() if image})
