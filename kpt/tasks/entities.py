"""The entities that the tags of words say, as CoNLL's scorer reads them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["entities"]


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return type, first word and the word after the last one of each entity.

    An entity begins at `B-TYPE`, and at an `I-TYPE` that continues none of its type: no sequence of tags is refused. It
    ends before the next tag that does not continue it.

    Args:
        tags: `O`, `B-TYPE` or `I-TYPE` for each word.

    Example:
        >>> entities(["B-person", "I-person", "O", "I-group", "B-group"])
        [('person', 0, 2), ('group', 3, 4), ('group', 4, 5)]

    Source: Tjong Kim Sang and Buchholz 2000, "Introduction to the CoNLL-2000 Shared Task", and its scorer `conlleval`.
    """
    found: list[tuple[str, int, int]] = []
    kind, begin = "", 0
    for number, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if kind and not (prefix == "I" and name == kind):
            found.append((kind, begin, number))
            kind = ""
        if prefix in ("B", "I") and not kind:
            kind, begin = name, number
    return found
