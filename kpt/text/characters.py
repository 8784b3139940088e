"""Characters: one id for each, as small recipes have it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kpt.errors import InputError
from kpt.text.character_tables import CODE_POINTS
from kpt.text.characters_folder import read_folder, write_folder
from kpt.text.clean import replace_surrogates
from kpt.text.document import refuse_one_string
from kpt.text.tokenizer import Ragged, check_id, check_texts, fingerprint_of
from kpt.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from kpt.text.characters_graph import GraphCharacters
    from kpt.text.document import Document

__all__ = ["CharacterTokenizer", "character_ids"]

UNKNOWN, END_OF_TEXT = "<unk>", "<|endoftext|>"


class CharacterTokenizer:
    r"""Gives each character (Unicode code point) one id; nothing is changed, and `decode` gives the text back.

    A character without an id becomes the unknown token, the one loss there is; where there is no unknown token it is
    refused. Text is plain text: a literal `<unk>` in it is five characters.

    Args:
        vocabulary: the characters, and special tokens of the roles `unk`, `end` and `pad` if wanted.

    Raises:
        InputError: a piece that is not special has more than one character, or is half a surrogate pair.

    Example:
        >>> tokenizer = CharacterTokenizer.train(["to be\n", "or not"])
        >>> tokenizer.vocabulary.tokens
        ('\n', ' ', 'b', 'e', 'n', 'o', 'r', 't')
        >>> tokenizer.encode(["tone", ""])
        Ragged(values=array([7, 5, 4, 3], dtype=int32), row_splits=array([0, 4, 4]))
        >>> tokenizer.decode([7, 5, 4, 3])
        'tone'
    """

    #: White space is text like any other, so that documents are encoded whole.
    whole_documents = True

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._ids = character_ids(vocabulary)

    @classmethod
    def train(
        cls,
        corpus: Iterable[str | Document],
        *,
        minimum_frequency: int = 1,
        unknown_token: bool | None = None,
        end_token: bool = False,
    ) -> CharacterTokenizer:
        """Give ids to the characters of a corpus in the order of their code points, then to the special tokens.

        Args:
            corpus: texts or documents, read once.
            minimum_frequency: how often a character must occur to get an id.
            unknown_token: whether there is a token `<unk>` for other characters; None: where the corpus has some.
            end_token: whether there is a token `<|endoftext|>` that ends texts and pads.

        Raises:
            InputError: the corpus is one string or path, or no character occurs that often.
        """
        refuse_one_string(corpus)
        if minimum_frequency < 1:
            raise InputError(f"minimum_frequency is {minimum_frequency}; give 1 or more")
        counts = np.zeros(CODE_POINTS, np.int64)
        for document in corpus:
            codes, _ = _code_points([document if isinstance(document, str) else document.text])
            found = np.bincount(codes)
            counts[: len(found)] += found
        kept = np.flatnonzero(counts >= minimum_frequency)
        if not kept.size:
            raise InputError(
                f"no character occurs {minimum_frequency} times in the corpus; lower minimum_frequency or add text"
            )
        roles = {}
        if unknown_token or (unknown_token is None and len(kept) < np.count_nonzero(counts)):
            roles["unk"] = UNKNOWN
        if end_token:
            roles |= {"end": END_OF_TEXT, "pad": END_OF_TEXT}
        tokens = [*map(chr, kept.tolist()), *dict.fromkeys(roles.values())]
        return cls(Vocabulary.from_tokens(tokens, roles))

    def encode(self, texts: Sequence[str]) -> Ragged:
        """Return the ids of each text, one a character, without special tokens around them.

        Args:
            texts: any strings; a lone surrogate counts as U+FFFD.

        Returns:
            values int32 [n] and row_splits int64 [len(texts) + 1].

        Raises:
            InputError: `texts` is one string, or a character has no id and there is no unknown token.
        """
        check_texts(texts)
        codes, lengths = _code_points(texts)
        ids = self._ids[codes]
        if len(codes) and ids.min() < 0:
            character = chr(int(codes[np.argmin(ids)]))
            raise InputError(
                f"the character {character!r} has no id and the tokenizer no unknown token; train it on text that has "
                "this character, or with an unknown token"
            )
        return Ragged(ids, np.cumsum([0, *lengths], dtype=np.int64))

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        """Return the text of ids.

        Args:
            ids: any ids of the vocabulary.
            skip_special_tokens: whether special tokens count as nothing instead of as their text.

        Raises:
            InputError: an id is not in the vocabulary.
        """
        tokens, size = self.vocabulary.tokens, self.vocabulary.size
        special = frozenset(self.vocabulary.special_ids) if skip_special_tokens else frozenset()
        return "".join([tokens[check_id(i, size)] for i in map(int, ids) if i not in special])

    @property
    def options(self) -> dict[str, Any]:
        """What beside the pieces decides which ids a text gets: nothing."""
        return {}

    @cached_property
    def fingerprint(self) -> str:
        """Hex sha256 of the vocabulary; the same in every process."""
        return fingerprint_of("characters", self.vocabulary, self.options)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write tokenizer.json and tokenizer_config.json, which Hugging Face's tokenizers also load.

        Raises:
            InputError: the folder cannot be written.
        """
        write_folder(folder, self.vocabulary)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> CharacterTokenizer:
        """Read a folder written by `save`.

        Raises:
            InputError: a file is missing or damaged, or has another kind of tokenizer.
        """
        return cls(read_folder(folder))

    def in_graph(self) -> GraphCharacters:
        """Return the same tokenization as a `tf.Module` of TensorFlow operations: string [n] to ragged int32 ids."""
        from kpt.text.characters_graph import GraphCharacters

        return GraphCharacters(self.vocabulary)

    def __getstate__(self) -> dict[str, Any]:
        return {"vocabulary": self.vocabulary}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["vocabulary"])  # type: ignore[misc]


def character_ids(vocabulary: Vocabulary) -> np.ndarray:
    """Return the id of each code point, int32 [0x110000]: that of the unknown token, or -1, where it has none.

    Raises:
        InputError: a piece that is not special has more than one character, or is half a surrogate pair.
    """
    ids = np.full(CODE_POINTS, vocabulary.roles.get("unk", -1), np.int32)
    special = set(vocabulary.special_ids)
    for i, token in enumerate(vocabulary.tokens):
        if i in special:
            continue
        if len(token) != 1 or "\ud800" <= token <= "\udfff":
            raise InputError(f"the piece {token!r} with id {i} is not one character; give a vocabulary of characters")
        ids[ord(token)] = i
    return ids


def _code_points(texts: Sequence[str]) -> tuple[np.ndarray, list[int]]:
    """The code points of all texts, uint32 [n], and the number of them in each text."""
    texts = [text if text.isascii() else replace_surrogates(text) for text in texts]
    return np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32), [len(text) for text in texts]
