"""The page of the commands, made of the command objects that print their help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stowage.cli.pages.markdown import code, escape, page, table

ABOUT = """\
`stowage COMMAND --help` prints the same. Every command exits with 0 when all is well, and with 1 on an error,
which it names on standard error; what else there is stands beside the command.

`stowage` and `kubectl stowage` are the same program; [the plan's page](../plan.md) says how to use it as a
plugin and how to complete its words in a shell.
"""
EXAMPLE = "Example"
EXITS = "Exits with "


def commands_page(root: Any) -> str:
    """The page of a program's commands.

    Args:
        root: the group that Typer makes of an app.
    """
    found = list(_commands(root, "stowage"))
    lines = [ABOUT, *(f"- [{name}](#{_anchor(name)}): {_first(command)}" for name, command in found), ""]
    lines += ["## stowage", "", *_options(root, "stowage")]
    for name, command in found:
        lines += _section(name, command)
    return page("Commands", lines)


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """The commands that do something, with their full names; hidden ones left out."""
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def _paragraphs(command: Any) -> list[str]:
    return [part.strip("\b\n ") for part in (command.help or "").split("\n\n")]


def _first(command: Any) -> str:
    """The first sentence of the help."""
    sentence = escape(_paragraphs(command)[0]).split(". ", 1)[0]
    return sentence if sentence.endswith(".") else f"{sentence}."


def _section(name: str, command: Any) -> list[str]:
    parts = _paragraphs(command)
    at = next((i for i, part in enumerate(parts) if part.startswith(EXAMPLE)), len(parts))
    prose = [escape(part) for part in parts[:at] if not part.startswith(EXITS)]
    exits = [escape(part.removeprefix(EXITS)) for part in parts[:at] if part.startswith(EXITS)]
    examples = [part for part in parts[at + 1 :] if part]
    return [
        f"## {name}",
        "",
        *(f"{part}\n" for part in prose),
        *_options(command, name),
        *(["**Examples**", "", "```sh", *examples, "```", ""] if examples else []),
        *(f"**Exit codes**: {part}\n" for part in exits),
    ]


def _options(command: Any, name: str) -> list[str]:
    """Usage and options, as the command's own help formats them."""
    from typer import Context

    context = Context(command, info_name=name, help_option_names=["-h", "--help"])
    usage = " ".join([name, *(each.strip("{}") for each in command.collect_usage_pieces(context))])
    records = [each.get_help_record(context) for each in command.get_params(context)]
    rows = [(code(record[0]), escape(record[1])) for record in records if record is not None]
    return ["```sh", usage, "```", "", *table(("Argument or option", "Meaning"), rows)]
