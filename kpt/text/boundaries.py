r"""Where a document of a plain text file begins and ends.

How documents are told apart:

- ``"blank-line"``: one or more lines of nothing but white space stand between documents.
- ``"line"``: each line is a document.
- ``"file"``: the whole file is one document.
- ``"wikitext"``: a line ``= Title =`` between blank lines opens a document (``= = Section = =`` does not).

A document longer than the limit is cut into documents that are not, at the last blank line, line end or space in the
second half of the limit, and only where there is none between two other characters; each such document is counted
once as ``long_document``. So memory does not depend on the text, even for a file without a single line end.
"""

from __future__ import annotations

import mmap
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

Boundaries = Literal["blank-line", "line", "file", "wikitext"]

_TITLE = r"(?== (?!=)[^\r\n]{{1,1000}}(?<!=) =[ \t]*(?:{end})[ \t]*(?:{end}))"
_BLANK = r"(?:{end})[ \t\f\v]*(?:{end})\s*"
# Without the atomic group a "\r\n" would also match as two line ends.
_ANY_END = r"(?>\r\n|\r|\n)"

_TEXT_SEPARATORS = {
    "blank-line": re.compile(_BLANK.format(end="\n"), re.ASCII),
    "wikitext": re.compile((_BLANK + _TITLE).format(end="\n"), re.ASCII),
}
_BYTE_SEPARATORS = {
    "line": re.compile(_ANY_END.encode()),
    "blank-line": re.compile(_BLANK.format(end=_ANY_END).encode()),
    "wikitext": re.compile((_BLANK + _TITLE).format(end=_ANY_END).encode()),
}
# The end of a text that may turn out to be a title when the text goes on.
_OPEN_TITLE = re.compile(r"\n[ \t\f\v]*\n\s*(?:=[^\n]{0,1002}(?:\n[ \t]*)?)?\Z", re.ASCII)
_FIRST_TITLE = re.compile(r"(?:\A|\n[ \t]*\n)\s*" + _TITLE.format(end="\n"), re.ASCII)
_BLANK_INSIDE = re.compile(r"\S[^\S\n]*\n[^\S\n]*\n\s*\S")


def detect_boundaries(beginning: str) -> Boundaries:
    r"""Choose how to tell documents apart from the beginning of a text.

    A title line makes it ``"wikitext"``, else a blank line between two others ``"blank-line"``, else it is ``"line"``.

    Example:
        >>> detect_boundaries("one\ntwo\n\nthree\n"), detect_boundaries("one\ntwo\n")
        ('blank-line', 'line')
    """
    if _FIRST_TITLE.search(beginning):
        return "wikitext"
    return "blank-line" if _BLANK_INSIDE.search(beginning) else "line"


def split_documents(
    blocks: Iterable[str], boundaries: Boundaries, limit: int, problems: Counter[str]
) -> Iterator[tuple[int, str]]:
    r"""Split a stream of text into documents.

    Args:
        blocks: The text in pieces of any size.
        boundaries: How documents are told apart.
        limit: The most characters of a document.
        problems: Receives the counts ``long_document`` and, for ``"line"``, ``empty``: blank lines.

    Yields:
        The line on which a document begins, counted from 1, and its text without white space around it.

    Example:
        >>> list(split_documents(["one\nt", "wo\n", "\nthree"], "blank-line", 1000, Counter()))
        [(1, 'one\ntwo'), (4, 'three')]
    """
    by_line = boundaries == "line"
    carry, line, cutting = "", 1, False
    for block in blocks:
        text = carry + block
        parts = text.split("\n") if by_line else _split_behind_separators(text, boundaries)
        carry = parts.pop()
        for part in parts:
            body = part.strip()
            if body and len(body) <= limit and not cutting:
                yield line + _leading_lines(part), body
            elif body:
                yield from _finish(part, line, limit, problems, cutting)
            elif by_line and not cutting:
                problems["empty"] += 1
            line += by_line or part.count("\n")
            cutting = False
        if len(carry) > limit:
            if not cutting:
                line += _leading_lines(carry)
                carry = carry.lstrip()
            open_title = _OPEN_TITLE.search(carry) if boundaries == "wikitext" else None
            body = carry[: open_title.start() if open_title else None].rstrip()
            carry = body + _shorten(carry[len(body) :], limit)
            if len(body) > limit:
                problems["long_document"] += not cutting
                cutting = True
                *pieces, last = cut(body, limit)
                carry = last + carry[len(body) :]
                for piece in pieces:
                    yield from _nonblank(piece, line)
                    line += piece.count("\n")
    yield from _finish(carry, line, limit, problems, cutting)


def cut(text: str, limit: int) -> Iterator[str]:
    """Cut a text into pieces of at most `limit` characters that concatenate to it.

    Example:
        >>> list(cut("one two three", 9))
        ['one two ', 'three']
    """
    begin = 0
    while len(text) - begin > limit:
        end = begin + limit
        for mark in ("\n\n", "\n", " "):
            found = text.rfind(mark, begin + limit // 2, end)
            if found >= 0:
                end = found + len(mark)
                break
        yield text[begin:end]
        begin = end
    yield text[begin:]


def align(path: Path, position: int, boundaries: Boundaries) -> int:
    """Find the first document that begins after a byte of a file, by a rule that any two callers agree on.

    Reading ``[align(a), align(b))`` and ``[align(b), align(c))`` yields each document of ``[align(a), align(c))``
    once. A byte that is itself the first of a document is returned unchanged for ``"line"`` only.

    Args:
        path: An uncompressed file.
        position: A byte of it, from 1 on.
        boundaries: How documents are told apart; for ``"file"`` there is no second document.

    Returns:
        The byte at which the document begins, or the size of the file.
    """
    size = path.stat().st_size
    if boundaries == "file" or position >= size:
        return size
    begin = position - 1 if boundaries == "line" else position
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        match = _BYTE_SEPARATORS[boundaries].search(content, begin)
        return match.end() if match else size


def _split_behind_separators(text: str, boundaries: Boundaries) -> list[str]:
    """Split behind each separator; the last part is the one that may go on."""
    if boundaries == "file":
        return [text]
    ends = [match.end() for match in _TEXT_SEPARATORS[boundaries].finditer(text)]
    return [text[begin:end] for begin, end in zip([0, *ends], [*ends, len(text)], strict=True)]


def _finish(text: str, line: int, limit: int, problems: Counter[str], cutting: bool) -> Sequence[tuple[int, str]]:
    """List a document whose end is known, cut where it is too long; `cutting` says that its beginning was cut off."""
    if not cutting:
        line += _leading_lines(text)
        text = text.lstrip()
    text = text.rstrip()
    if len(text) <= limit:
        return _nonblank(text, line)
    problems["long_document"] += not cutting
    found: list[tuple[int, str]] = []
    for piece in cut(text, limit):
        found += _nonblank(piece, line)
        line += piece.count("\n")
    return found


def _nonblank(text: str, line: int) -> Sequence[tuple[int, str]]:
    body = text.strip()
    return ((line + _leading_lines(text), body),) if body else ()


def _leading_lines(text: str) -> int:
    """Count the line ends before the first character that is no white space."""
    return text.count("\n", 0, len(text) - len(text.lstrip())) if text[:1].isspace() else 0


def _shorten(space: str, limit: int) -> str:
    """Shorten white space beyond the limit, keeping its line ends as far as the limit goes."""
    return space if len(space) <= limit or not space.isspace() else ("\n" * space.count("\n") or " ")[:limit]
