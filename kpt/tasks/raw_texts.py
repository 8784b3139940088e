"""Telling texts from arrays among what `fit` is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kpt.errors import InputError

__all__ = ["is_texts", "split_pairs"]


def is_texts(x: Any) -> bool:
    """Return whether something is a sequence of strings or of pairs of strings.

    Example:
        >>> is_texts(["a", "b"]), is_texts([("a", "b")]), is_texts([[1, 2]]), is_texts({"token_ids": [[1]]})
        (True, True, False, False)
    """
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "UO" and x.ndim in (1, 2) and (not x.size or isinstance(x.flat[0], str))
    if not isinstance(x, list | tuple) or not x:
        return False
    first = x[0]
    return isinstance(first, str) or (isinstance(first, tuple | list) and bool(first) and isinstance(first[0], str))


def split_pairs(x: Any) -> tuple[list[str], list[str] | None]:
    """Return texts, and their second ones if they come in pairs.

    Args:
        x: Strings, or pairs of strings.

    Raises:
        InputError: If some are strings and others pairs, or one is neither.

    Example:
        >>> split_pairs([("It rained.", "The street was wet.")])
        (['It rained.'], ['The street was wet.'])
    """
    rows: Sequence[Any] = x.tolist() if isinstance(x, np.ndarray) else x
    paired = bool(rows) and not isinstance(rows[0], str)
    for number, row in enumerate(rows):
        if paired:
            fits = isinstance(row, tuple | list) and len(row) == 2 and all(isinstance(text, str) for text in row)
        else:
            fits = isinstance(row, str)
        if not fits:
            wanted = "a pair of strings" if paired else "a string"
            raise InputError(f"text {number} is {str(row)[:40]!r}, not {wanted} as the first one; mend it")
    if paired:
        return [row[0] for row in rows], [row[1] for row in rows]
    return list(rows), None
