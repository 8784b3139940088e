"""Model inputs from texts, single or in pairs: [CLS] A [SEP] and [CLS] A [SEP] B [SEP], padded to the longest.

A text that is longer than a model can read at once may be read in windows: [CLS] its beginning [SEP] [CLS] what follows
[SEP] ... one after another in one row, each as long as the model reads at once, the last one as long as what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from kpt.data.length_buckets import padded_width
from kpt.data.permutation import random_integers
from kpt.errors import InputError
from kpt.text.tokenizer import Ragged, Tokenizer
from kpt.text.vocabulary import Vocabulary

__all__ = ["EncodedTexts", "Marks", "encode_texts", "sequence_marks"]


class Marks(NamedTuple):
    """The ids that stand around texts.

    Attributes:
        begin: before the first text; None for nothing.
        separator: after each text; None for nothing.
        pad: fills a sequence up to its length.
    """

    begin: int | None
    separator: int | None
    pad: int

    @property
    def single(self) -> int:
        """Marks around one text."""
        return (self.begin is not None) + (self.separator is not None)

    @property
    def pair(self) -> int:
        """Marks around two texts."""
        return self.single + (self.separator is not None)


def sequence_marks(vocabulary: Vocabulary) -> Marks:
    """Return the marks of a tokenizer: [CLS], [SEP] and [PAD], or the end of a text for each where it has not these.

    A decoder has seen the end of a text before and after each of its texts, and reads a text best between two of them.

    Example:
        >>> sequence_marks(Vocabulary.from_tokens(["a", "<end>"], {"end": "<end>"}))
        Marks(begin=1, separator=1, pad=1)
    """
    roles = vocabulary.roles
    end = roles.get("end")
    return Marks(roles.get("cls", end), roles.get("sep", end), roles.get("pad", 0 if end is None else end))


@dataclass(frozen=True, eq=False)
class EncodedTexts:
    """The ids of texts, cut to a length.

    Attributes:
        first: ids of the texts, with the marks between two windows.
        second: ids of the texts that go with them, or None.
        sizes: int64 [texts, 2], how many of them stay of each.
        marks: what stands around them.
        length: tokens of a window at most, marks included; of a sequence if it is not read in windows.
        windows: windows of a sequence at most.
        cut: number of texts (or pairs) that were too long.
        begins: int64 [texts], how many ids of each of `first` are left out at its beginning; None for none.
    """

    first: Ragged
    second: Ragged | None
    sizes: np.ndarray
    marks: Marks
    length: int
    windows: int
    cut: int
    begins: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of texts, or of pairs."""
        return len(self.sizes)

    @property
    def totals(self) -> np.ndarray:
        """int64 [texts]: tokens of each sequence, marks included."""
        return self.sizes.sum(axis=1) + (self.marks.single if self.second is None else self.marks.pair)

    def batch(self, rows: np.ndarray, columns: int | None = None, exact: bool = False) -> dict[str, np.ndarray]:
        """Return the sequences of some texts.

        Args:
            rows: their numbers.
            columns: of the result; by default the longest's, rounded up (`padded_width`), to whole windows if it has
                several.
            exact: whether the longest's, if it has one window, are not rounded up.

        Returns:
            token_ids int32, segment_ids int32 (1 at the second text and the mark after it) and padding_mask bool
            (True: token), [rows, columns] each.
        """
        totals, sizes, marks = self.totals[rows], self.sizes[rows], self.marks
        if columns is None:
            longest = int(totals.max(initial=1))
            columns = longest if exact else padded_width(longest, self.length)
            if longest > self.length:
                columns = -(-longest // self.length) * self.length
        token_ids = np.full((len(rows), columns), marks.pad, np.int32)
        at = np.zeros(len(rows), np.int64)
        if marks.begin is not None:
            token_ids[:, 0] = marks.begin
            at += 1
        number, begin_second = np.arange(len(rows)), totals
        for side, ids in enumerate((self.first, self.second)):
            if ids is None:
                continue
            if side:
                begin_second = at.copy()
            begins = np.asarray(ids.row_splits)[rows]
            if self.begins is not None and not side:
                begins = begins + self.begins[rows]
            _copy_rows(token_ids, at, ids.values, begins, sizes[:, side])
            at += sizes[:, side]
            if marks.separator is not None:
                token_ids[number, at] = marks.separator
                at += 1
        column = np.arange(columns)
        mask = column < totals[:, None]
        return {
            "token_ids": token_ids,
            "segment_ids": (mask & (column >= begin_second[:, None])).astype(np.int32),
            "padding_mask": mask,
        }

    def stretches(self, windows: int, bits: np.ndarray) -> EncodedTexts:
        """Return the texts with some windows of each that follow one another; those that have no more as they are.

        Args:
            windows: of a stretch at most.
            bits: uint64 [texts], 64 random bits that say with which window of a text its stretch begins, each of those
                that leave a whole stretch being equally likely.

        Example:
            >>> ids = Ragged(np.array([5, 6, 2, 1, 7, 8, 2, 1, 9, 3]), np.array([0, 9, 10]))
            >>> texts = EncodedTexts(ids, None, np.array([[9, 0], [1, 0]]), Marks(1, 2, 0), 4, 3, 0)
            >>> some = texts.stretches(1, np.array([2**63, 2**63], np.uint64))
            >>> some.batch(np.array([0, 1]))["token_ids"].tolist()
            [[1, 7, 8, 2], [1, 3, 2, 0]]
        """
        present = -(-self.totals // self.length)  # a window has `length` columns but for the last one
        begins = random_integers(bits, np.maximum(present - windows, 0) + 1) * self.length
        sizes = self.sizes.copy()
        sizes[:, 0] = np.minimum(sizes[:, 0] - begins, windows * self.length - self.marks.single)
        return replace(self, sizes=sizes, begins=begins)


def encode_texts(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None = None, *, length: int, windows: int = 1
) -> EncodedTexts:
    r"""Encode texts for a model that reads whole sequences.

    What is over the length is cut and counted: the end of a single text, and of a pair the end of whichever is longer,
    token by token (of the second where both are equally long), which leaves

    .. math:: a' = \min(a, \max(r - b, \lceil r / 2 \rceil)), \quad b' = \min(b, \max(r - a, \lfloor r / 2 \rfloor))

    Args:
        tokenizer: encodes them.
        texts: the texts.
        pairs: the second text of each, if they come in pairs.
        length: tokens of a window at most, marks included.
        windows: windows of a text at most; pairs have one in any case.

    Raises:
        InputError: there are not as many seconds as texts, the length leaves no room for a token of each text, a pair
            would have nothing between its texts, or a sequence would have no token at all.

    Source: google-research/bert, `run_classifier.py`, `_truncate_seq_pair`.
    """
    marks = sequence_marks(tokenizer.vocabulary)
    first = tokenizer.encode(texts)
    lengths = [np.diff(first.row_splits)]
    second = None
    if pairs is not None:
        if len(pairs) != len(texts):
            raise InputError(f"{len(texts)} texts and {len(pairs)} second ones; give a second text to each")
        if marks.separator is None:
            raise InputError("the tokenizer has no token to stand between two texts; take one with [SEP] or an end")
        second = tokenizer.encode(pairs)
        lengths.append(np.diff(second.row_splits))
    room = length - (marks.single if second is None else marks.pair)
    if room < len(lengths):
        raise InputError(f"length is {length}, which leaves room for {max(room, 0)} tokens of text; give more")
    a = lengths[0].astype(np.int64)
    b = lengths[1].astype(np.int64) if second is not None else np.zeros_like(a)
    sizes = np.stack(
        [np.minimum(a, np.maximum(room - b, (room + 1) // 2)), np.minimum(b, np.maximum(room - a, room // 2))], axis=1
    )
    over = sizes.sum(axis=1) < a + b
    if second is None:
        over = a > windows * room
        first = _in_windows(first, np.minimum(a, windows * room), room, marks)
        sizes = np.stack([np.diff(first.row_splits), b], axis=1)
    else:
        windows = 1
    if not marks.single and (empty := np.flatnonzero(sizes.sum(axis=1) == 0)).size:
        raise InputError(f"text {empty[0]} has no token and the tokenizer no mark; give a text with something in it")
    return EncodedTexts(first, second, sizes, marks, length, windows, int(np.count_nonzero(over)))


def _in_windows(ids: Ragged, sizes: np.ndarray, room: int, marks: Marks) -> Ragged:
    """Return the beginning of each ragged row, with the end of a window and the begin of the next after each `room`."""
    between = [mark for mark in (marks.separator, marks.begin) if mark is not None]
    breaks = np.maximum(0, -(-sizes // room) - 1)
    splits = np.concatenate([[0], np.cumsum(sizes + breaks * len(between))])
    number = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    at = np.repeat(splits[:-1], sizes) + number + number // room * len(between)
    values = np.empty(int(splits[-1]), np.asarray(ids.values).dtype)
    values[at] = ids.values[np.repeat(np.asarray(ids.row_splits)[:-1], sizes) + number]
    for offset in range(1, len(between) + 1):
        values[at[(number % room == 0) & (number > 0)] - offset] = between[-offset]
    return Ragged(values, splits)


def _copy_rows(target: np.ndarray, at: np.ndarray, values: np.ndarray, begins: np.ndarray, sizes: np.ndarray) -> None:
    """Copy so many values from each begin on to a place in each row of the target."""
    inside = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    target[np.repeat(np.arange(len(at)), sizes), np.repeat(at, sizes) + inside] = values[
        np.repeat(begins, sizes) + inside
    ]
