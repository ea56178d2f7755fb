"""``stowage catalog``: what the program knows of accelerators and runtimes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Output(StrEnum):
    TABLE = "table"
    YAML = "yaml"
    JSON = "json"


def catalog(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="An AcceleratorClass or InferenceRuntime.")
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="Form of the output.")] = Output.TABLE,
) -> None:
    """Show the embedded accelerator classes and runtimes, or one of them.

    The table of a class says of each figure whether it was read in a source or is known from memory only.

    An object of the same name in the cluster replaces an entry as a whole.

    Exits with 0, or 1 where nothing has the name.

    Examples:

    \b
    stowage catalog
    stowage catalog nvidia-l4 -o yaml > nvidia-l4.yaml
    """
    import json

    from rich import print_json

    from stowage.catalog import load_catalog, source

    entries = {**load_catalog().classes, **load_catalog().runtimes}
    if name is not None and name not in entries:
        known = ", ".join(sorted(entries))
        typer.echo(f"stowage catalog: nothing is named {name!r}; known are {known}", err=True)
        raise typer.Exit(1)
    chosen = [name] if name is not None else sorted(entries)
    if output is Output.TABLE and name is not None and name in load_catalog().classes:
        _entry(name)
    elif output is Output.YAML or (name is not None and output is Output.TABLE):
        typer.echo("---\n".join(source(n) for n in chosen), nl=False)
    elif output is Output.JSON:
        items = [entries[n].model_dump(by_alias=True, exclude_none=True, mode="json") for n in chosen]
        print_json(json.dumps(items[0] if name is not None else items))
    else:
        _table()


def _entry(name: str) -> None:
    from rich.table import Table

    from stowage.catalog import load_catalog
    from stowage.cli.catalog_entry import remarks, rows
    from stowage.cli.console import console

    accelerator = load_catalog().classes[name]
    table = Table(name.upper(), f"{accelerator.spec.vendor} {accelerator.spec.type}", "KNOWN FROM", box=None)
    for row in rows(accelerator):
        table.add_row(*row)
    out = console()
    out.print(table)
    for remark in remarks(accelerator):
        out.print(remark, markup=False, soft_wrap=True)


def _table() -> None:
    from rich.table import Table

    from stowage.catalog import load_catalog
    from stowage.cli.catalog_entry import SOURCES
    from stowage.cli.console import console

    classes = Table(
        "CLASS", "TYPE", "VENDOR", "RESOURCE", "MEMORY", "FIGURES FROM", "NATIVE PRECISIONS", box=None
    )
    for one in load_catalog().classes.values():
        spec = one.spec
        native = " ".join(p.name for p in spec.precisions)
        resource = spec.resource_name or spec.resource_name_pattern
        figures = SOURCES[spec.provenance.performance] if spec.provenance else SOURCES["Memory"]
        classes.add_row(one.name, spec.type, spec.vendor, resource, spec.memory or "-", figures, native)
    runtimes = Table("RUNTIME", "FORMATS", "PROTOCOLS", "RUNS ON", box=None)
    for server in load_catalog().runtimes.values():
        spec_ = server.spec
        runtimes.add_row(
            server.name,
            " ".join(spec_.formats),
            " ".join(p.name for p in spec_.protocols),
            " ".join(s.name for s in spec_.supports),
        )
    out = console()
    out.print(classes)
    out.print()
    out.print(runtimes)
