"""What every tokenizer does, and how a folder becomes one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary

__all__ = ["Ragged", "Tokenizer", "load_tokenizer"]


class Ragged(NamedTuple):
    """Rows of different lengths: row i is `values[row_splits[i]:row_splits[i + 1]]`.

    Example:
        >>> Ragged(np.array([5, 6, 7]), np.array([0, 2, 3])).row(0)
        array([5, 6])
    """

    values: np.ndarray
    row_splits: np.ndarray

    def row(self, i: int) -> np.ndarray:
        """Return row i, a view."""
        return self.values[self.row_splits[i] : self.row_splits[i + 1]]


class Tokenizer(Protocol):
    """Text to ids and back. Two tokenizers with one fingerprint give the same ids for every text."""

    vocabulary: Vocabulary

    @property
    def options(self) -> dict[str, Any]:
        """What beside the pieces decides which ids a text gets."""

    @property
    def fingerprint(self) -> str:
        """Hex sha256 of kind, vocabulary and options; the same in every process."""

    def encode(self, texts: Sequence[str]) -> Ragged:
        """Return the ids of each text, without special tokens around them."""

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text that ids stand for."""

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a folder that `load_tokenizer` and Hugging Face's `tokenizers` read."""

    def in_graph(self) -> Any:
        """Return the same tokenization as a `tf.Module` of TensorFlow operations: string [n] to ragged int32 ids."""


def _wordpiece(folder: Path) -> Tokenizer:
    from kpt.text.wordpiece import WordPieceTokenizer

    return WordPieceTokenizer.load(folder)


def _words(folder: Path) -> Tokenizer:
    from kpt.text.words import WordTokenizer

    return WordTokenizer.load(folder)


# The model's type in tokenizer.json, and what reads such a folder.
KINDS: dict[str, Callable[[Path], Tokenizer]] = {"WordPiece": _wordpiece, "WordLevel": _words}


def load_tokenizer(folder: str | os.PathLike[str]) -> Tokenizer:
    """Read the tokenizer in a folder, of whatever kind it is; runs no code from it.

    Args:
        folder: what a tokenizer's `save` wrote, or a Hugging Face folder of a kind that kpt has.

    Raises:
        InputError: there is no tokenizer, or it is damaged or of a kind that kpt has not.

    Example:
        >>> load_tokenizer("runs/tokenizer").vocabulary.size  # doctest: +SKIP
        8000
    """
    path = Path(folder)
    return KINDS[_kind(path)](path)


def _kind(folder: Path) -> str:
    """The model's type that tokenizer.json names; WordPiece where a folder has no such file, as old BERT folders."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        return "WordPiece"
    try:
        kind = json.loads(file.read_text(encoding="utf-8"))["model"]["type"]
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); give a tokenizer's folder") from error
    except (ValueError, LookupError, TypeError, RecursionError):
        return "WordPiece"  # whose reader says in detail what is damaged
    if kind not in KINDS:
        raise InputError(f"{file} has a tokenizer of the kind {kind!r}; kpt has {', '.join(KINDS)}")
    return str(kind)
