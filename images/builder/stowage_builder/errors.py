"""What can go wrong with a build. Each kind has an exit code of its own.

    BuildError
    ├── BadInput        3  the model, the data or the arguments; trying again doesn't help
    ├── MethodFailed    4  the library can't quantize this model in this way
    ├── StoreFailed     5  the result can't be stored: no room, no right, something else is there
    └── EvaluationFailed 6 the quality could not be measured

Python's own 1 is an error of ours, argparse's 2 a wrong command line.
"""

from __future__ import annotations

from typing import ClassVar


class BuildError(Exception):
    """Base of all: a sentence that says what to do."""

    exit_code: ClassVar[int] = 1


class BadInput(BuildError):
    """What was given can't be used."""

    exit_code = 3


class MethodFailed(BuildError):
    """The library refused the model."""

    exit_code = 4


class StoreFailed(BuildError):
    """The result could not be stored."""

    exit_code = 5


class EvaluationFailed(BuildError):
    """The quality could not be measured."""

    exit_code = 6
