"""What every tokenizer does, and how a folder becomes one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
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


def check_texts(texts: Sequence[object]) -> None:
    """Refuse one text where a sequence of texts is expected.

    Raises:
        InputError: `texts` is a string or bytes.
    """
    if isinstance(texts, str | bytes):
        raise InputError(f"encode takes a sequence of texts and got one text, {texts[:40]!r}; pass [text]")


def check_id(i: int, size: int) -> int:
    """Return an id that is in a vocabulary.

    Raises:
        InputError: it is not.
    """
    if not 0 <= i < size:
        raise InputError(f"the id {i} is not in the vocabulary, whose ids are 0 to {size - 1}")
    return i


def joined_pieces(contents: Sequence[bytes], ids: Iterable[int], skipped: Iterable[int] = ()) -> bytes:
    """Return the joined bytes of ids.

    Args:
        contents: the bytes of each id.
        ids: what to join.
        skipped: ids that count as nothing.

    Raises:
        InputError: an id has no bytes.
    """
    nothing, size = frozenset(skipped), len(contents)
    return b"".join([contents[check_id(i, size)] for i in map(int, ids) if i not in nothing])


def fingerprint_of(kind: str, vocabulary: Vocabulary, options: Mapping[str, Any]) -> str:
    """Return the hex sha256 of all that decides which ids a text gets; the same in every process."""
    content = {
        "kind": kind,
        **options,
        "tokens": vocabulary.tokens,
        "roles": dict(vocabulary.roles),
        "special_ids": vocabulary.special_ids,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Tokenizer(Protocol):
    """Text to ids and back. Two tokenizers with one fingerprint give the same ids for every text."""

    vocabulary: Vocabulary

    @property
    def whole_documents(self) -> bool:
        """Whether a document is encoded whole by default, so that the white space between its sentences is kept."""

    @property
    def options(self) -> dict[str, Any]:
        """What beside the pieces decides which ids a text gets."""

    @property
    def fingerprint(self) -> str:
        """Hex sha256 of kind, vocabulary and options; the same in every process."""

    def encode(self, texts: Sequence[str]) -> Ragged:
        """Return the ids of each text, without special tokens around them."""

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        """Return the text that ids stand for, special tokens as their text or as nothing."""

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a folder that `load_tokenizer` and Hugging Face's `tokenizers` read."""

    def in_graph(self) -> Any:
        """Return the same tokenization as a `tf.Module` of TensorFlow operations: string [n] to ragged int32 ids."""


def _wordpiece(folder: Path) -> Tokenizer:
    from kpt.text.wordpiece import WordPieceTokenizer

    return WordPieceTokenizer.load(folder)


def _byte_pair(folder: Path) -> Tokenizer:
    from kpt.text.byte_pair import BytePairTokenizer

    return BytePairTokenizer.load(folder)


def _characters(folder: Path) -> Tokenizer:
    from kpt.text.characters import CharacterTokenizer

    return CharacterTokenizer.load(folder)


def _sentencepiece(folder: Path) -> Tokenizer:
    from kpt.text.sentencepiece import SentencePieceTokenizer

    return SentencePieceTokenizer.load(folder)


def _words(folder: Path) -> Tokenizer:
    from kpt.text.words import WordTokenizer

    return WordTokenizer.load(folder)


# The model's type in tokenizer.json, and what reads such a folder. "BPE" is byte-level: the others have a model file.
# A vocabulary of characters is a "WordLevel" one to Hugging Face, with words of one character.
KINDS: dict[str, Callable[[Path], Tokenizer]] = {
    "WordPiece": _wordpiece,
    "BPE": _byte_pair,
    "SentencePiece": _sentencepiece,
    "WordLevel": _words,
    "characters": _characters,
}


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
    """What a folder has: a SentencePiece model; what tokenizer.json names; what the files of an older folder are of."""
    from kpt.text.characters_folder import EACH_CHARACTER
    from kpt.text.sentencepiece_folder import find_model

    if find_model(folder):
        return "SentencePiece"
    file = folder / "tokenizer.json"
    if not file.is_file():
        return "BPE" if (folder / "merges.txt").is_file() else "WordPiece"
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        kind = value["model"]["type"]
        if kind == "WordLevel" and value.get("pre_tokenizer") == EACH_CHARACTER:
            return "characters"
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); give a tokenizer's folder") from error
    except (ValueError, LookupError, TypeError, RecursionError):
        return "WordPiece"  # whose reader says in detail what is damaged
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"{file} has a tokenizer of the kind {kind!r}; kpt has {', '.join(KINDS)}")
    return kind
