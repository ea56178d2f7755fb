"""What the user can mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer


class UsageError(Exception):
    """One line for standard error; the command exits with 1."""


@contextmanager
def writing(command: str, directory: Path) -> Iterator[None]:
    """Ends the command with one line where the folder can't be written."""
    try:
        yield
    except OSError as error:
        place = error.filename or directory
        typer.echo(f"stowage {command}: {place}: {error.strerror}", err=True)
        raise typer.Exit(1) from None
