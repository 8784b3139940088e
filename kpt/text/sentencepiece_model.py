"""What a SentencePiece model file says, read without trusting it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary

__all__ = ["SPACE", "SentencePieceModel", "parse_model"]

#: What stands for a space in pieces.
SPACE = "▁"
#: The types of pieces in a model file.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

_ALGORITHMS: Mapping[int, Literal["unigram", "bpe"]] = {1: "unigram", 2: "bpe"}


@dataclass(frozen=True)
class SentencePieceModel:
    """The pieces and settings of a SentencePiece model that leaves characters as they are.

    Attributes:
        algorithm: how text is divided into pieces.
        pieces: text, score and type of each piece.
        roles: id of the special token of each role.
        byte_fallback: whether characters without a piece are spelled by bytes.
        dummy_prefix: whether a space is put before a text.
        collapse_spaces: whether spaces around a text are dropped and others made one.
    """

    algorithm: Literal["unigram", "bpe"]
    pieces: tuple[tuple[str, float, int], ...]
    roles: Mapping[str, int]
    byte_fallback: bool
    dummy_prefix: bool
    collapse_spaces: bool

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The pieces and the ids by role; the unknown piece and all control pieces are special."""
        special = tuple(i for i, (_, _, kind) in enumerate(self.pieces) if kind in (UNKNOWN, CONTROL))
        return Vocabulary(tuple(text for text, _, _ in self.pieces), self.roles, special)

    @cached_property
    def contents(self) -> list[bytes]:
        """The bytes that each piece stands for; a special token stands for its text."""
        special = set(self.vocabulary.special_ids)
        contents = []
        for i, (text, _, kind) in enumerate(self.pieces):
            if kind == BYTE:
                contents.append(bytes([int(text[3:5], 16)]))
            else:
                contents.append((text if i in special else text.replace(SPACE, " ")).encode())
        return contents

    @cached_property
    def divisible(self) -> bool:
        """Whether the pieces of a text are those of its parts, where it is cut before each space."""
        spaces = [text.rfind(SPACE) for text, _, kind in self.pieces if kind in (NORMAL, UNUSED)]
        lonely = any(text == SPACE and kind == NORMAL for text, _, kind in self.pieces)
        symbols = any(kind == USER_DEFINED for _, _, kind in self.pieces)
        return max(spaces) <= 0 and lonely and not (symbols or self.dummy_prefix or self.collapse_spaces)

    def serialize(self) -> bytes:
        """Return the model file."""
        from sentencepiece.sentencepiece_model_pb2 import ModelProto

        proto = ModelProto()
        for text, score, kind in self.pieces:
            proto.pieces.add(piece=text, score=score, type=kind)
        trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
        trainer.model_type = next(number for number, name in _ALGORITHMS.items() if name == self.algorithm)
        trainer.vocab_size = len(self.pieces)
        trainer.byte_fallback = self.byte_fallback
        trainer.bos_id, trainer.eos_id, trainer.pad_id = -1, self.roles.get("end", -1), self.roles.get("pad", -1)
        trainer.unk_id = self.roles["unk"]
        trainer.unk_piece = self.pieces[trainer.unk_id][0]
        if trainer.eos_id >= 0:
            trainer.eos_piece = self.pieces[trainer.eos_id][0]
        if trainer.pad_id >= 0:
            trainer.pad_piece = self.pieces[trainer.pad_id][0]
        normalizer.name = "identity"
        normalizer.add_dummy_prefix = self.dummy_prefix
        normalizer.remove_extra_whitespaces = self.collapse_spaces
        content: bytes = proto.SerializeToString(deterministic=True)
        return content


def parse_model(content: bytes, source: object) -> SentencePieceModel:
    """Read a model file.

    Only the pieces and the settings named in `SentencePieceModel` are taken from it, and each is checked, so that no
    library written in C++ ever sees the file itself.

    Args:
        content: the file.
        source: its name, for messages.

    Raises:
        InputError: it is no model file, or of a model that changes characters or divides text in another way.
    """
    from google.protobuf.message import DecodeError
    from sentencepiece.sentencepiece_model_pb2 import ModelProto

    try:
        proto = ModelProto.FromString(content)
        pieces = tuple((piece.piece, piece.score, piece.type) for piece in proto.pieces)
    except (DecodeError, ValueError) as error:
        raise InputError(f"{source} is no SentencePiece model; give the .model file that one was saved to") from error
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    if not pieces:
        raise InputError(f"{source} is no SentencePiece model, it has no pieces; give the .model file of one")
    if trainer.model_type not in _ALGORITHMS:
        raise InputError(f"{source} is a model of words or characters; give a unigram or BPE model")
    if normalizer.precompiled_charsmap:
        raise InputError(
            f"{source} changes characters before it divides text ({normalizer.name or 'its own rule'!s}); give a model "
            "with the identity rule and clean the text before"
        )
    if trainer.treat_whitespace_as_suffix or not normalizer.escape_whitespaces:
        raise InputError(f"{source} has spaces elsewhere than at the start of pieces; give a model with them there")
    _check(pieces, trainer.byte_fallback, source)
    unknown = next(i for i, (_, _, kind) in enumerate(pieces) if kind == UNKNOWN)
    roles = {"unk": unknown}
    controls = {i for i, (_, _, kind) in enumerate(pieces) if kind == CONTROL}
    if trainer.eos_id in controls:
        roles["end"] = trainer.eos_id
    pad = trainer.pad_id if trainer.pad_id in controls else roles.get("end")
    if pad is not None:
        roles["pad"] = pad
    return SentencePieceModel(
        algorithm=_ALGORITHMS[trainer.model_type],
        pieces=pieces,
        roles=roles,
        byte_fallback=trainer.byte_fallback,
        dummy_prefix=normalizer.add_dummy_prefix,
        collapse_spaces=normalizer.remove_extra_whitespaces,
    )


def _check(pieces: tuple[tuple[str, float, int], ...], byte_fallback: bool, source: object) -> None:
    """Make sure that the pieces are what SentencePiece's own reader expects."""
    seen: set[str] = set()
    counts = dict.fromkeys((NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE), 0)
    for i, (text, score, kind) in enumerate(pieces):
        counts[kind] += 1
        if not isinstance(text, str) or not text or text in seen or "\0" in text or len(text) > 1000:
            raise InputError(
                f"{source} is damaged: piece {i}, {text[:40]!r}, is empty, repeated or no text; copy it again"
            )
        if not math.isfinite(score):
            raise InputError(f"{source} is damaged: the score of piece {i} is {score}; copy it again")
        if kind == BYTE and text not in _BYTE_PIECES:
            raise InputError(f"{source} is damaged: piece {i}, {text[:40]!r}, is no byte; copy it again")
        seen.add(text)
    if counts[UNKNOWN] != 1 or not counts[NORMAL]:
        raise InputError(f"{source} has {counts[UNKNOWN]} unknown and {counts[NORMAL]} ordinary pieces; copy it again")
    if counts[BYTE] != (256 if byte_fallback else 0):
        raise InputError(f"{source} is damaged: it has pieces for {counts[BYTE]} of the 256 bytes; copy it again")


_BYTE_PIECES = frozenset(f"<0x{byte:02X}>" for byte in range(256))
