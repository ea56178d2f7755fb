"""How long to wait before the next try."""

from __future__ import annotations

from collections.abc import Callable

_DOUBLINGS = 32
"""More would overflow a float before the cap is applied, and no cap is that far away."""


def full_jitter(failures: int, *, base: float, cap: float, random: Callable[[], float]) -> float:
    """Seconds to wait: evenly spread over [0, base x 2^(failures - 1)], and at most ``cap``.

    Spread over the whole interval, clients that failed together don't come back together. Source: Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Args:
        failures: how many there were in a row; 1 for the first.
        base: the longest first wait in seconds.
        cap: the longest wait in seconds.
        random: gives numbers in [0, 1).
    """
    doublings = min(max(failures - 1, 0), _DOUBLINGS)
    return random() * min(cap, base * 2.0**doublings)
