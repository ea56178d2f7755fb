"""Tables of what a run measured, printed at its end: in Markdown, so that documents can take them over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class Figures:
    """Tables by title."""

    def __init__(self) -> None:
        self._tables: dict[str, list[Sequence[str]]] = {}

    def add(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table to print."""
        self._tables[title] = [header, ["---"] * len(header), *rows]

    def tables(self) -> Iterator[tuple[str, list[str]]]:
        """Titles and lines."""
        for title, rows in self._tables.items():
            yield title, [f"| {' | '.join(row)} |" for row in rows]
