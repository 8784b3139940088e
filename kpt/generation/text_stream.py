"""Ids to text while they come: whole characters only, and nothing of a stop string."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from kpt.errors import InputError

__all__ = ["TextStream", "print_text"]

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
CONTEXT = 8


class TextStream:
    """Turns the ids of one text into pieces of text, each as soon as it is sure.

    Not sure is a character whose last byte is not there yet (tokens may be parts of characters), and what may be the
    beginning of a stop string. The pieces joined are the text up to the first stop string.

    Args:
        decode: A tokenizer's `decode`.
        stops: The stop strings.

    Attributes:
        stopped: Whether a stop string has come.
        count: How many ids have come, none after a stop string.

    Raises:
        InputError: A stop string is empty.

    Example:
        >>> stream = TextStream(lambda ids: bytes(ids).decode(errors="replace"), stops=["end"])
        >>> [stream.add([byte]) for byte in "né, ein e".encode()] + [stream.finish()]
        ['n', '', 'é', ',', ' ', '', 'ei', 'n', ' ', '', 'e']
    """

    def __init__(self, decode: Callable[[Iterable[int]], str], stops: Sequence[str] = ()) -> None:
        if "" in stops:
            raise InputError("a stop string is empty; give it some text")
        self._decode, self._stops = decode, tuple(stops)
        self._ids: list[int] = []  # the newest ones, with some before them that give them their context
        self._shown = 0  # characters of their text that are in `_pending` or were given out
        self._pending = ""
        self.stopped = False
        self.count = 0

    def add(self, ids: Iterable[int]) -> str:
        """Take the next ids and return the text that is sure now."""
        given = ""
        for i in ids:
            if self.stopped:
                break
            self.count += 1
            self._ids.append(i)
            text = self._decode(self._ids)
            self._pending += text[self._shown : -1 if text.endswith(REPLACEMENT) else None]
            self._shown = max(self._shown, len(text) - text.endswith(REPLACEMENT))
            if len(self._ids) > 4 * CONTEXT and not text.endswith(REPLACEMENT):
                self._ids = self._ids[-CONTEXT:]
                self._shown = len(self._decode(self._ids))
            given += self._sure()
        return given

    def finish(self) -> str:
        """Return the rest of the text, an unfinished character as U+FFFD."""
        if self.stopped:
            return ""
        rest = self._pending + self._decode(self._ids)[self._shown :]
        self._ids, self._shown, self._pending = [], 0, ""
        return rest

    def _sure(self) -> str:
        """What of the pending text is no part of a stop string."""
        places = [place for place in (self._pending.find(stop) for stop in self._stops) if place >= 0]
        if places:
            self.stopped = True
            return self._pending[: min(places)]
        held = max(
            (size for stop in self._stops for size in range(1, len(stop)) if self._pending.endswith(stop[:size])),
            default=0,
        )
        cut = len(self._pending) - held
        sure, self._pending = self._pending[:cut], self._pending[cut:]
        return sure


def print_text(row: int, text: str) -> None:
    """Print the text of the first row as it comes; what `generate(stream=print_text)` takes for a terminal.

    Args:
        row: Number of the row.
        text: The next piece of its text.
    """
    if row == 0:
        print(text, end="", flush=True)
