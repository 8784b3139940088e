from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import sentencepiece
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from kpt.errors import InputError
from kpt.text.sentencepiece_model import SentencePieceModel, parse_model
from kpt.text.sentencepiece_training import learn_model
from tests.text.hostile_texts import HOSTILE

MODEL = learn_model(HOSTILE * 3, 500)


def test_a_model_comes_back_from_its_file() -> None:
    content = MODEL.serialize()
    again = parse_model(content, "a.model")
    assert again == MODEL
    assert again.serialize() == content
    processor = sentencepiece.SentencePieceProcessor(model_proto=content)
    vocabulary = MODEL.vocabulary
    assert [processor.id_to_piece(i) for i in range(500)] == list(vocabulary.tokens)
    assert (processor.unk_id(), processor.eos_id()) == (vocabulary.unk_id, vocabulary.end_id)
    assert vocabulary.pad_id == vocabulary.end_id
    assert vocabulary.special_ids == (0, 1)


def test_what_pieces_stand_for() -> None:
    pieces = (("<unk>", 0.0, 2), ("</s>", 0.0, 3), ("<0x0A>", 0.0, 6), ("▁a▁", -1.0, 1))
    model = SentencePieceModel("bpe", pieces, {"unk": 0}, True, False, False)
    assert model.contents == [b"<unk>", b"</s>", b"\n", b" a "]
    assert model.vocabulary.special_ids == (0, 1)


@pytest.mark.parametrize(
    ("pieces", "dummy_prefix", "collapse_spaces", "divisible"),
    [
        ([("▁", 1), ("▁a", 1)], False, False, True),
        ([("▁", 1), ("▁a", 1)], True, False, False),
        ([("▁", 1), ("▁a", 1)], False, True, False),
        ([("▁a", 1), ("a", 1)], False, False, False),
        ([("▁", 1), ("a▁", 1)], False, False, False),
        ([("▁", 1), ("▁▁", 1)], False, False, False),
        ([("▁", 1), ("<s> x", 4)], False, False, False),
    ],
)
def test_text_may_be_cut_before_spaces_where_no_piece_goes_on(
    pieces: list[tuple[str, int]], dummy_prefix: bool, collapse_spaces: bool, divisible: bool
) -> None:
    scored = (("<unk>", 0.0, 2), *((text, -1.0, kind) for text, kind in pieces))
    model = SentencePieceModel("unigram", scored, {"unk": 0}, False, dummy_prefix, collapse_spaces)
    assert model.divisible is divisible


def changed(change: Callable[[Any], object]) -> bytes:
    proto = ModelProto.FromString(MODEL.serialize())
    change(proto)
    content: bytes = proto.SerializeToString()
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.ClearField("pieces"), "is no SentencePiece model, it has no pieces"),
        (lambda p: setattr(p.trainer_spec, "model_type", 4), "is a model of words or characters"),
        (lambda p: setattr(p.normalizer_spec, "precompiled_charsmap", b"x"), "changes characters before it divides"),
        (lambda p: setattr(p.trainer_spec, "treat_whitespace_as_suffix", True), "has spaces elsewhere"),
        (lambda p: setattr(p.normalizer_spec, "escape_whitespaces", False), "has spaces elsewhere"),
        (lambda p: setattr(p.pieces[300], "piece", ""), "is damaged: piece 300, ''"),
        (lambda p: setattr(p.pieces[300], "piece", "<unk>"), "is damaged: piece 300, '<unk>'"),
        (lambda p: setattr(p.pieces[300], "piece", "a" * 1001), "is damaged: piece 300"),
        (lambda p: setattr(p.pieces[300], "score", float("nan")), "is damaged: the score of piece 300 is nan"),
        (lambda p: setattr(p.pieces[300], "type", 6), "is damaged: piece 300, .* is no byte"),
        (lambda p: setattr(p.pieces[300], "type", 2), "has 2 unknown"),
        (lambda p: setattr(p.pieces[3], "type", 1), "is damaged: it has pieces for 255 of the 256 bytes"),
    ],
)
def test_what_kpt_cannot_use_is_refused(change: Callable[[Any], object], message: str) -> None:
    with pytest.raises(InputError, match=rf"^a\.model {message}"):
        parse_model(changed(change), "a.model")


def test_garbage_is_refused_or_a_sound_model() -> None:
    generator = random.Random(0)
    content = MODEL.serialize()
    sound = 0
    for number in range(1500):
        damaged = bytearray(content)
        for _ in range(generator.randrange(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        if number % 3 == 0:
            damaged = damaged[: generator.randrange(len(damaged))]
        try:
            model = parse_model(bytes(damaged), "a.model")
        except InputError:
            continue
        sound += 1
        if number % 10 == 0:
            processor = sentencepiece.SentencePieceProcessor(model_proto=model.serialize())
            assert max(processor.encode(HOSTILE[3]), default=0) < len(model.pieces)
    assert sound  # a changed letter of a piece is none that can be seen
    for junk in (b"", b"garbage", b"\x0a\xff\xff\xff\xff\x7f", bytes(range(256)) * 50):
        with pytest.raises(InputError, match="is no SentencePiece model"):
            parse_model(junk, "a.model")
