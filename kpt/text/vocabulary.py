"""The pieces of a tokenizer and the numbers they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kpt.errors import InputError

#: The special tokens of BERT by role, in the order that a trained vocabulary gives them: ids 0 to 4.
SPECIAL_TOKENS: Mapping[str, str] = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}

#: What a special token may be there for: BERT's five roles, and the end of a text.
ROLES = (*SPECIAL_TOKENS, "end")

#: What begins a piece that continues a word.
CONTINUATION_PREFIX = "##"


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of a tokenizer, `tokens[id]`, and the ids of its special tokens.

    `pad_id`, `unk_id`, `cls_id`, `sep_id`, `mask_id` and `end_id` are the ids by role: of the token that fills a
    sequence up to its length, of what the pieces cannot spell, of the token before the first segment, of the one after
    each segment, of the one that hides what is to be predicted, and of the one that ends a text.

    Attributes:
        tokens: the pieces; the index of a piece is its id.
        roles: id of the special token of each role that the tokenizer has.
        special_ids: all ids that no text has, ascending: those above and what else the tokenizer declares special.

    Raises:
        InputError: a piece occurs twice or is empty, a role is unknown, an id is out of range, or two roles share one
            (the end of a text may share that of another role). Asking for the id of
            a role that the tokenizer has no token for raises it too.

    Example:
        >>> vocabulary = Vocabulary.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "token", "##s"])
        >>> vocabulary.size, vocabulary.mask_id, vocabulary.special_ids
        (7, 4, (0, 1, 2, 3, 4))
        >>> vocabulary.continuation.tolist()
        [False, False, False, False, False, False, True]
    """

    tokens: tuple[str, ...]
    roles: Mapping[str, int]
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
        if unknown := self.roles.keys() - set(ROLES):
            raise InputError(f"there is no role {min(unknown)!r} of a special token; the roles are {', '.join(ROLES)}")
        for i in (*self.roles.values(), *self.special_ids):
            if not 0 <= i < len(self.tokens):
                raise InputError(f"the special id {i} is not below the vocabulary size {len(self.tokens)}")
        apart = [i for role, i in self.roles.items() if role != "end"]  # GPT-2 pads with its end of text
        if len(set(apart)) != len(apart):
            raise InputError(f"two special tokens share an id in {dict(self.roles)}; give each its own")
        named = set(self.roles.values())
        if not named <= set(self.special_ids) or list(self.special_ids) != sorted(set(self.special_ids)):
            raise InputError(
                f"special_ids {self.special_ids} must be ascending and hold the ids of the roles {dict(self.roles)}"
            )

    @classmethod
    def from_tokens(
        cls, tokens: Iterable[str], special_tokens: Mapping[str, str] = SPECIAL_TOKENS, others: Sequence[str] = ()
    ) -> Vocabulary:
        """Make a vocabulary whose special tokens are found among the pieces by their text.

        Args:
            tokens: the pieces in the order of their ids.
            special_tokens: the text of the token for each of the roles that the tokenizer has.
            others: further pieces that are special.

        Raises:
            InputError: a special token is not among the pieces.
        """
        pieces = tuple(tokens)
        index = {token: i for i, token in enumerate(pieces)}
        for token in (*special_tokens.values(), *others):
            if token not in index:
                raise InputError(f"the special token {token!r} is not among the {len(pieces)} pieces; add it to them")
        roles = {role: index[token] for role, token in special_tokens.items()}
        special = {*roles.values(), *(index[token] for token in others)}
        return cls(tokens=pieces, roles=roles, special_ids=tuple(sorted(special)))

    def _id_of(self, role: str) -> int:
        if role not in self.roles:
            have = ", ".join(self.roles) or "none"
            raise InputError(
                f"the tokenizer has no token for the role {role!r} (it has {have}); take one of another kind"
            )
        return self.roles[role]

    @property
    def pad_id(self) -> int:
        """Id of the token that fills a sequence up to its length."""
        return self._id_of("pad")

    @property
    def unk_id(self) -> int:
        """Id that a word gets which the pieces cannot spell."""
        return self._id_of("unk")

    @property
    def cls_id(self) -> int:
        """Id of the token before the first segment."""
        return self._id_of("cls")

    @property
    def sep_id(self) -> int:
        """Id of the token after each segment."""
        return self._id_of("sep")

    @property
    def mask_id(self) -> int:
        """Id that hides a token which is to be predicted."""
        return self._id_of("mask")

    @property
    def end_id(self) -> int:
        """Id of the token that ends a text."""
        return self._id_of("end")

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
