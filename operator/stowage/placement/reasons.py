"""A reason: a documented code and a sentence with numbers."""

from __future__ import annotations

from dataclasses import dataclass

from stowage.api.reasons import Code


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a candidate was not chosen. The message holds facts of the demand and the class only,
    never live counts, so that other people's pods cause no writes."""

    code: Code
    message: str
