"""How far `prepare` is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["PrepareProgress"]


class PrepareProgress:
    """Shows progress on standard error.

    Args:
        show: True: a bar on a terminal, lines elsewhere; False: nothing; None: a bar on a terminal, else nothing.
        total: bytes of the corpus, where known.
        interval: seconds between two lines.
    """

    def __init__(self, show: bool | None, total: int | None, *, interval: float = 10.0) -> None:
        terminal = sys.stderr.isatty()
        self._lines = bool(show) and not terminal
        self._bar = terminal and show is not False
        self._total, self._interval = total, interval
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._started = self._printed = time.monotonic()

    def __enter__(self) -> Self:
        if self._bar:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._progress.add_task("Preparing", total=self._total, note="")
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def update(self, size: int, documents: int, tokens: int) -> None:
        """Say how many bytes have been read, and what has been written."""
        if self._progress is not None and self._task is not None:
            note = f"{documents:,} documents, {tokens:,} tokens"
            self._progress.update(self._task, completed=size, note=note)
        elif self._lines and time.monotonic() - self._printed >= self._interval:
            self._printed = time.monotonic()
            share = f" ({100 * size / self._total:.0f} %)" if self._total else ""
            rate = size / 1e6 / (self._printed - self._started)
            print(
                f"prepare: {size / 1e6:,.1f} MB{share}, {documents:,} documents, {tokens:,} tokens, {rate:.1f} MB/s",
                file=sys.stderr,
                flush=True,
            )
