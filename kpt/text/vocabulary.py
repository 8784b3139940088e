"""The pieces of a tokenizer and the numbers they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kpt.errors import InputError

#: The special tokens of BERT by role, in the order that a trained vocabulary gives them: ids 0 to 4.
SPECIAL_TOKENS: Mapping[str, str] = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}

#: What begins a piece that continues a word.
CONTINUATION_PREFIX = "##"


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of a tokenizer, `tokens[id]`, and the ids of its special tokens.

    Attributes:
        tokens: the pieces; the index of a piece is its id.
        pad_id: id of the token that fills a sequence up to its length.
        unk_id: id that a word gets which the pieces cannot spell.
        cls_id: id of the token before the first segment.
        sep_id: id of the token after each segment.
        mask_id: id that hides a token which is to be predicted.
        special_ids: all ids that no text has, ascending: the five above and what else the tokenizer declares special.

    Raises:
        InputError: a piece occurs twice or is empty, an id is out of range, or two special tokens share an id.

    Example:
        >>> vocabulary = Vocabulary.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "token", "##s"])
        >>> vocabulary.size, vocabulary.mask_id, vocabulary.special_ids
        (7, 4, (0, 1, 2, 3, 4))
        >>> vocabulary.continuation.tolist()
        [False, False, False, False, False, False, True]
    """

    tokens: tuple[str, ...]
    pad_id: int
    unk_id: int
    cls_id: int
    sep_id: int
    mask_id: int
    special_ids: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.index) != len(self.tokens):
            first = next(i for i, token in enumerate(self.tokens) if self.index[token] != i)
            raise InputError(
                f"the piece {self.tokens[first]!r} has the ids {first} and {self.index[self.tokens[first]]}; "
                "give every piece one id"
            )
        if "" in self.index:
            raise InputError(f"the piece with id {self.index['']} is empty; give every id a piece")
        named = (self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id)
        if len(set(named)) != len(named):
            raise InputError(f"two special tokens share an id in pad, unk, cls, sep, mask = {named}; give each its own")
        for i in (*named, *self.special_ids):
            if not 0 <= i < len(self.tokens):
                raise InputError(f"the special id {i} is not below the vocabulary size {len(self.tokens)}")
        if not set(named) <= set(self.special_ids) or list(self.special_ids) != sorted(set(self.special_ids)):
            raise InputError(f"special_ids {self.special_ids} must be ascending and hold the five ids {named}")

    @classmethod
    def from_tokens(
        cls, tokens: Iterable[str], special_tokens: Mapping[str, str] = SPECIAL_TOKENS, others: Sequence[str] = ()
    ) -> Vocabulary:
        """Make a vocabulary whose special tokens are found among the pieces by their text.

        Args:
            tokens: the pieces in the order of their ids.
            special_tokens: the text of the token for each of the roles pad, unk, cls, sep and mask.
            others: further pieces that are special.

        Raises:
            InputError: a special token is not among the pieces.
        """
        pieces = tuple(tokens)
        index = {token: i for i, token in enumerate(pieces)}
        for token in (*special_tokens.values(), *others):
            if token not in index:
                raise InputError(f"the special token {token!r} is not among the {len(pieces)} pieces; add it to them")
        ids = {role: index[special_tokens[role]] for role in SPECIAL_TOKENS}
        return cls(
            tokens=pieces,
            pad_id=ids["pad"],
            unk_id=ids["unk"],
            cls_id=ids["cls"],
            sep_id=ids["sep"],
            mask_id=ids["mask"],
            special_ids=tuple(sorted({*ids.values(), *(index[token] for token in others)})),
        )

    @property
    def size(self) -> int:
        """Number of pieces, special tokens included."""
        return len(self.tokens)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Id of each piece."""
        return {token: i for i, token in enumerate(self.tokens)}

    @cached_property
    def continuation(self) -> np.ndarray:
        """Bool array [size], read-only: True where the piece continues a word (`##s`)."""
        prefix = CONTINUATION_PREFIX
        flags = np.fromiter((t.startswith(prefix) and t != prefix for t in self.tokens), np.bool_, self.size)
        flags[list(self.special_ids)] = False
        flags.flags.writeable = False
        return flags

    def __getstate__(self) -> dict[str, object]:
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}
