"""How far long work on data is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

__all__ = ["OpenProgress", "PrepareProgress", "RecordProgress"]


class _DataProgress:
    """Shows progress on standard error.

    Args:
        show: True: a bar on a terminal, lines elsewhere; False: nothing; None: a bar on a terminal, else nothing.
        total: of what is counted, where known.
        interval: seconds between two lines.
    """

    title: str

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
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                self._count_column(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._progress.add_task(self.title, total=self._total, note="")
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _count_column(self) -> ProgressColumn:
        """What a bar shows of the count."""
        raise NotImplementedError

    def _show(self, done: int, note: str = "") -> bool:
        """Move the bar, or return whether a line is due."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, note=note)
        elif self._lines and time.monotonic() - self._printed >= self._interval:
            self._printed = time.monotonic()
            return True
        return False

    def _share(self, done: int) -> str:
        return f" ({100 * done / self._total:.0f} %)" if self._total else ""

    def _rate(self, done: float) -> float:
        return done / (self._printed - self._started)


class PrepareProgress(_DataProgress):
    """Shows how far `prepare` is; the total is the bytes of the corpus, see `_DataProgress`."""

    title = "Preparing"

    def update(self, size: int, documents: int, tokens: int) -> None:
        """Say how many bytes have been read, and what has been written."""
        note = f"{documents:,} documents, {tokens:,} tokens"
        if self._show(size, note):
            megabytes = size / 1e6
            print(
                f"prepare: {megabytes:,.1f} MB{self._share(size)}, {note}, {self._rate(megabytes):.1f} MB/s",
                file=sys.stderr,
                flush=True,
            )

    def _count_column(self) -> ProgressColumn:
        from rich.progress import DownloadColumn

        return DownloadColumn()


class OpenProgress(_DataProgress):
    """Shows how much of files of records has been read at their opening; the total is their bytes."""

    title = "Reading records"

    def update(self, before: int, size: int = 0) -> None:
        """Say how many bytes have been read, of the files before and of the present one."""
        size += before
        if self._show(size):
            megabytes = size / 1e6
            print(
                f"records: {megabytes:,.1f} MB{self._share(size)} read, {self._rate(megabytes):.1f} MB/s",
                file=sys.stderr,
                flush=True,
            )

    def _count_column(self) -> ProgressColumn:
        from rich.progress import DownloadColumn

        return DownloadColumn()


class RecordProgress(_DataProgress):
    """Shows how many records have been written; the total is theirs, see `_DataProgress`."""

    title = "Writing records"

    def update(self, records: int) -> None:
        """Say how many records have been written."""
        if self._show(records):
            print(
                f"prepare: {records:,} records{self._share(records)}, {self._rate(records):,.0f} records/s",
                file=sys.stderr,
                flush=True,
            )

    def _count_column(self) -> ProgressColumn:
        from rich.progress import MofNCompleteColumn

        return MofNCompleteColumn()
