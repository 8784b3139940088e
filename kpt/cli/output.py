"""What a verb prints: words for people on a terminal, or one JSON object for programs."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, redirect_stdout
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Output"]

#: Characters that nested results may take beside their name.
LINE = 80


class Output:
    """Where a verb's words and results go.

    Without JSON the words and the results go to standard output. With JSON standard output carries nothing but the
    object: the words, and whatever libraries print, even from C++, go to standard error until the object is written.

    Args:
        as_json: print the results as one JSON object.

    Example:
        >>> with Output() as output:
        ...     output.results({"vocabulary_size": 8000, "seconds": 1.25})
        vocabulary_size  8,000
        seconds          1.25
    """

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self._console: Console | None = None
        self._saved_stdout: int | None = None
        self._restore = ExitStack()

    def __enter__(self) -> Output:
        if self.as_json:
            sys.stdout.flush()
            self._saved_stdout = os.dup(1)
            self._restore.callback(self._give_stdout_back)
            os.dup2(2, 1)
            self._restore.enter_context(redirect_stdout(sys.stderr))
        return self

    def __exit__(self, *error: object) -> None:
        self._restore.close()

    def _give_stdout_back(self) -> None:
        assert self._saved_stdout is not None
        sys.stdout.flush()
        os.dup2(self._saved_stdout, 1)
        os.close(self._saved_stdout)
        self._saved_stdout = None

    @property
    def console(self) -> Console:
        """A rich console on the stream for words."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(stderr=self.as_json, highlight=False, soft_wrap=True)
        return self._console

    @property
    def is_terminal(self) -> bool:
        """Whether somebody watches: progress bars are drawn on standard error."""
        return sys.stderr.isatty()

    def heading(self, text: str) -> None:
        """Begin a stage of long work."""
        self.console.print()
        self.console.print(text, style="bold cyan", markup=False)

    def line(self, text: str) -> None:
        """Print one line of words."""
        self.console.print(text, markup=False)

    def results(self, results: Mapping[str, Any]) -> None:
        """Print the results of the verb: a JSON object, or aligned names and values."""
        if self.as_json:
            text = json.dumps(results, default=str, allow_nan=False)
            self._restore.close()
            print(text, flush=True)
            return
        for line in table(results):
            print(line)
        sys.stdout.flush()


def table(results: Mapping[str, Any]) -> Iterator[str]:
    r"""Names and values, aligned; what is too long or too deep for a line of its own goes below its name, indented.

    Example:
        >>> print(*table({"steps": 3, "dog": {"nearest": [["cat", 0.5], ["cow", 0.25]]}}), sep="\n")
        steps  3
        dog
          nearest
            cat, 0.5
            cow, 0.25
    """
    width = max((len(name) for name in results), default=0)
    for name, value in results.items():
        nested = isinstance(value, Mapping | list | tuple)
        parts = list(value.values() if isinstance(value, Mapping) else value) if nested else []
        deep = any(isinstance(part, Mapping | list | tuple) for part in parts)
        if not deep and (not parts or len(readable(value)) <= LINE):
            yield f"{name:<{width}}  {readable(value)}"
            continue
        yield name
        below = table(value) if isinstance(value, Mapping) else map(readable, value)
        yield from (f"  {line}" for line in below)


def readable(value: Any) -> str:
    """A value for people: thousands separated, four significant digits, nested results on one line."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if math.isfinite(value) and abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {readable(entry)}" for name, entry in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(readable(entry) for entry in value) or "none"
    return str(value)
