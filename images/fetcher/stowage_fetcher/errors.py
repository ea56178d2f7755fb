"""What can go wrong with a fetch. Each kind has an exit code of its own.

    FetchError
    ├── BadInput        3  the uri or the arguments
    ├── DigestMismatch  4  what the store holds is not what was asked for
    ├── NoRoom          5  the disk has too little room
    ├── Refused         6  the store says no, or has no such file; trying again doesn't help
    ├── Unreachable     7  passing errors, until no try was left
    ├── TooLarge        8  it is larger than was said
    └── TimedOut        9  it takes longer than it may

Python's own 1 is an error of ours, argparse's 2 a wrong command line.
"""

from __future__ import annotations

from typing import ClassVar


class FetchError(Exception):
    """Base of all: a sentence that says what to do."""

    exit_code: ClassVar[int] = 1


class BadInput(FetchError):
    """What was given can't be used."""

    exit_code = 3


class DigestMismatch(FetchError):
    """Another file than the one that is meant."""

    exit_code = 4


class NoRoom(FetchError):
    """Too little free disk."""

    exit_code = 5


class Refused(FetchError):
    """The store's answer is final."""

    exit_code = 6


class Unreachable(FetchError):
    """The last of the passing errors."""

    exit_code = 7


class TooLarge(FetchError):
    """A larger file than there is room for."""

    exit_code = 8


class TimedOut(FetchError):
    """The time is over."""

    exit_code = 9
