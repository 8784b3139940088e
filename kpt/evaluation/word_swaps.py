"""Pairs of words that stand for each other, such as he and she, and texts with the one in the place of the other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kpt.errors import InputError
from kpt.evaluation.lines import read_lines
from kpt.text.word_spans import word_spans

__all__ = ["WordSwap", "read_word_swaps", "swap_table", "swapped"]


class WordSwap(NamedTuple):
    """Two words, each of which takes the place of the other."""

    first: str
    second: str

    @property
    def name(self) -> str:
        """What the pair is called in results."""
        return f"{self.first}/{self.second}"


def read_word_swaps(path: str | os.PathLike[str]) -> list[WordSwap]:
    r"""Read pairs of words: two of them with a tab between them in a line, or a list of two in a line of jsonl.

    Lines that begin with `#` and empty ones are passed over. A word is one of `kpt.text.word_spans`: letters, digits,
    underscores and combining marks. One word may be in several pairs, as "her" is for "him" and for "his".

    Raises:
        InputError: a line is no pair of words, its words differ in case at most, or the pair was there before; there is
            no pair; or the file cannot be read. The message has the file and the line.

    Example:
        >>> _ = Path("pairs.tsv").write_text("he\tshe\nhim\ther\n")
        >>> read_word_swaps("pairs.tsv")
        [WordSwap(first='he', second='she'), WordSwap(first='him', second='her')]
    """
    source = os.fspath(path)
    as_json = Path(source).suffix == ".jsonl"
    lines: dict[frozenset[str], int] = {}
    swaps = []
    for number, text in read_lines(path, "pairs of words"):
        where = f"{source}, line {number}"
        words = _words_of_json(text, where) if as_json else [word.strip() for word in text.split("\t")]
        if len(words) != 2:
            between = "in a list" if as_json else "with a tab between them"
            found = "1 word" if len(words) == 1 else f"{len(words)} words"
            raise InputError(f"{where}: {found} instead of two; give two, {between}")
        for word in words:
            if word_spans(word) != [(0, len(word))]:
                raise InputError(f"{where}: {word!r} is not one word of letters and digits; mend or remove the line")
        pair = frozenset(word.lower() for word in words)
        if len(pair) == 1:
            raise InputError(f"{where}: {words[0]!r} and {words[1]!r} are the same word; mend or remove the line")
        if pair in lines:
            raise InputError(f"{where}: this pair is in line {lines[pair]} already; remove one of the lines")
        lines[pair] = number
        swaps.append(WordSwap(*words))
    if not swaps:
        raise InputError(f"{source} has no pair of words; give a file with pairs, such as he and she")
    return swaps


def swap_table(swaps: Iterable[WordSwap]) -> dict[str, str]:
    """Return what takes the place of each word, in small letters; a word of several pairs goes by the first of them.

    Example:
        >>> swap_table([WordSwap("him", "her"), WordSwap("his", "her")])
        {'him': 'her', 'her': 'him', 'his': 'her'}
    """
    table: dict[str, str] = {}
    for first, second in swaps:
        table.setdefault(first.lower(), second)
        table.setdefault(second.lower(), first)
    return table


def swapped(text: str, table: Mapping[str, str]) -> str:
    """Return a text with whole words replaced, all at once, and everything else as it is, code point by code point.

    A word is found whatever its case, and what takes its place has that case: all capital, all small, or the first
    letter capital; of any other case it is as in the table. Letters with marks are compared as they are encoded.

    Args:
        text: the text.
        table: of `swap_table`.

    Example:
        >>> swapped("He's here; SHE is not the hero.", swap_table([WordSwap("he", "she")]))
        "She's here; HE is not the hero."
    """
    parts, at = [], 0
    for begin, end in word_spans(text):
        word = text[begin:end]
        if (other := table.get(word.lower())) is not None:
            parts += [text[at:begin], _in_case_of(word, other)]
            at = end
    return "".join([*parts, text[at:]])


def _in_case_of(word: str, other: str) -> str:
    if word == word.lower():
        return other.lower()
    if len(word) > 1 and word == word.upper():
        return other.upper()
    if word[0].isupper() and word[1:] == word[1:].lower():
        return other[0].upper() + other[1:].lower()
    return other


def _words_of_json(text: str, where: str) -> list[str]:
    try:
        words: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f'{where} is no JSON; give a list of two words, such as ["he", "she"]') from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InputError(f'{where} is no list of words; give one of two, such as ["he", "she"]')
    return words
