"""``stowage reference``: writes the pages of docs/reference. For those who work on Stowage itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Write the reference of the API and of the commands.", no_args_is_help=True)


@app.command("generate")
def generate(
    directory: Annotated[Path, typer.Argument(help="Folder to write to.", metavar="DIRECTORY")],
) -> None:
    """Write one page for each kind, one for the reasons, one for the permissions, one for the commands.

    Exits with 0, or 1 where the folder can't be written.

    Example:

    \b
    stowage reference generate docs/reference
    """
    from stowage.cli.errors import writing

    with writing("reference generate", directory):
        write(directory)


def pages() -> dict[str, str]:
    """The text of every page by the name of its file, the same for every call."""
    from typer.main import get_command

    from stowage.api.crds import INVENTORY
    from stowage.cli.main import app as program
    from stowage.cli.pages.commands import commands_page
    from stowage.cli.pages.kinds import kind_page
    from stowage.cli.pages.permissions import permissions_page
    from stowage.cli.pages.reasons import reasons_page

    found = {f"{kind.name.lower()}.md": kind_page(kind) for kind in INVENTORY}
    commands = commands_page(get_command(program))
    return {
        **found,
        "reasons.md": reasons_page(),
        "permissions.md": permissions_page(),
        "cli.md": commands,
    }


def write(directory: Path) -> None:
    """Writes every page, and removes generated ones that nothing makes any more."""
    from stowage.cli.pages.markdown import HEADER

    directory.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for path in directory.glob("*.md"):
        if path.name not in wanted and path.read_text(encoding="utf-8").startswith(HEADER):
            path.unlink()
    for name, text in wanted.items():
        (directory / name).write_text(text, encoding="utf-8")
