"""Some of many labelled texts, as many of each label as of any other."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from kpt.data.conll import TaggedWords
from kpt.data.labelled import LabelledTexts
from kpt.data.squad import Questions
from kpt.errors import InputError

__all__ = ["balanced_rows", "rows_of", "some_texts"]

Texts = TypeVar("Texts", bound=LabelledTexts | TaggedWords | Questions)


def balanced_rows(labels: Sequence[str], count: int, seed: int) -> list[int]:
    """Return the rows of some texts, of each label equally many but for what does not divide evenly.

    Fewer rows of the same seed are the first ones of more.

    Args:
        labels: of all texts; where all have the same, rows are drawn from all alike.
        count: how many rows; all of them where there are not as many.
        seed: of the draw.

    Example:
        >>> rows = balanced_rows(["a", "b", "a", "a", "b", "a"], 4, seed=0)
        >>> sorted("abaaba"[row] for row in rows)
        ['a', 'a', 'b', 'b']
    """
    chooser = random.Random(seed)
    by_label: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        by_label.setdefault(label, []).append(row)
    for own in by_label.values():
        chooser.shuffle(own)
    turns = range(max(map(len, by_label.values())))
    return [own[turn] for turn in turns for own in by_label.values() if turn < len(own)][:count]


def some_texts(data: Texts, count: int, seed: int) -> Texts:
    """Return some of the labelled texts, see `balanced_rows`.

    Questions, and texts with tags, numbers or several labels each, are drawn from all alike.

    Args:
        data: all of them.
        count: how many.
        seed: of the draw.

    Raises:
        InputError: there are fewer, or more labels than texts are wanted.

    Example:
        >>> from collections import Counter
        >>> data = LabelledTexts(["x", "y", "z"], None, ["a", "b", "a"], ["1", "2", "3"])
        >>> sorted(some_texts(data, 2, seed=0).labels)
        ['a', 'b']
    """
    if not 1 <= count <= len(data):
        raise InputError(f"{count:,} labelled texts are wanted of {len(data):,}; ask for 1 to {len(data):,}")
    labels: Sequence[Any] = [None] * len(data) if isinstance(data, Questions) else data.labels
    single = [label if isinstance(label, str) else "" for label in labels]
    if count < (distinct := len(set(single))):
        raise InputError(f"{count:,} labelled texts are wanted and there are {distinct:,} labels; ask for more")
    return rows_of(data, balanced_rows(single, count, seed))


def rows_of(data: Texts, rows: Sequence[int]) -> Texts:
    """Return the labelled texts of some rows, in their order, with their places.

    Example:
        >>> rows_of(LabelledTexts(["x", "y", "z"], None, ["a", "b", "a"], ["1", "2", "3"]), [2, 0]).texts
        ['z', 'x']
    """
    values = {field.name: getattr(data, field.name) for field in fields(data)}
    chosen: dict[str, Any] = {
        name: [some[row] for row in rows] for name, some in values.items() if some is not None and name != "problems"
    }
    return replace(data, **chosen)
