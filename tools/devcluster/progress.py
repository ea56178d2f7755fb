"""Shows what a long command does: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress


class Progress:
    """Counts steps. Each says when it begins and, with its duration, when it has ended."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._done = 0
        console = Console()
        self._live = _live_display(console) if console.is_terminal else None
        self._task = self._live.add_task("", total=total) if self._live else None

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show one step while the block runs."""
        started = time.monotonic()
        self._say(f"[{self._done + 1}/{self.total}] {title}", final=False)
        yield
        self._done += 1
        seconds = time.monotonic() - started
        self._say(f"[{self._done}/{self.total}] {title}: done in {seconds:.1f} s", final=True)

    def _say(self, text: str, *, final: bool) -> None:
        if self._live is None or self._task is None:
            print(text, flush=True)
        elif final:
            self._live.console.print(text, highlight=False, markup=False)
            self._live.update(self._task, completed=self._done)
        else:
            self._live.update(self._task, description=text.partition("] ")[2])


def _live_display(console: Console) -> RichProgress:
    return RichProgress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
