from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import tensorflow as tf

from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary
from kpt.text.wordpiece import WordPieceTokenizer
from kpt.text.wordpiece_encoding import plain_text_tokenizer
from tests.text.hostile_texts import HOSTILE, generated_texts, real_lines

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
OPTIONS = [(True, True), (False, False), (True, False), (False, True)]
# TensorFlow and TensorFlow Text have to be enough.
SERVE = """
import json, sys
sys.modules.update(dict.fromkeys(["kpt", "tokenizers"]))
import tensorflow as tf
import tensorflow_text
encode = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
result = encode(texts=tf.constant(json.loads(sys.stdin.read())))
print(json.dumps([result["values"].numpy().tolist(), result["row_splits"].numpy().tolist()]))
"""


def expected_ids(tokenizer: WordPieceTokenizer, texts: list[str], mask: str | None = None) -> list[list[int]]:
    """What Hugging Face's tokenizers gives."""
    vocabulary = tokenizer.vocabulary
    reference = plain_text_tokenizer(vocabulary, tokenizer.lowercase, tokenizer.strip_accents, mask)
    encodings = reference.encode_batch_fast(texts, add_special_tokens=False)
    return [[vocabulary.mask_id if i == vocabulary.size else i for i in encoding.ids] for encoding in encodings]


def check(tokenizer: WordPieceTokenizer, texts: list[str], *, literal_mask: bool = False) -> None:
    ids = tokenizer.in_graph(literal_mask=literal_mask)(tf.constant(texts)).to_list()
    mask = tokenizer.vocabulary.tokens[tokenizer.vocabulary.mask_id] if literal_mask else None
    for text, row, expected in zip(texts, ids, expected_ids(tokenizer, texts, mask), strict=True):
        assert row == expected, ascii(text[:200])


@pytest.mark.parametrize(("lowercase", "strip_accents"), OPTIONS)
def test_hostile_and_real_text_with_learned_pieces(lowercase: bool, strip_accents: bool) -> None:
    learned = WordPieceTokenizer.train([*real_lines(), *HOSTILE * 2], 3000, lowercase=lowercase)
    tokenizer = WordPieceTokenizer(learned.vocabulary, lowercase=lowercase, strip_accents=strip_accents)
    texts = [*HOSTILE, *generated_texts(3, 2000)]
    check(tokenizer, texts + (real_lines() if lowercase == strip_accents else []))
    check(tokenizer, texts, literal_mask=True)


@pytest.mark.parametrize("lowercase", [True, False])
def test_every_code_point_alone_between_letters_and_among_marks(lowercase: bool) -> None:
    # Of the ideographs, the Korean syllables, private use and the unassigned ones, each 61st has to do for the rest.
    many = ("Cn", "Co", "Lo")
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    characters = [chr(c) for c in codes if c % 61 == 0 or c < 0x3000 or unicodedata.category(chr(c)) not in many]
    pieces = dict.fromkeys([*SPECIAL, *characters, *("##" + c for c in characters)])
    tokenizer = WordPieceTokenizer(Vocabulary.from_tokens(pieces), lowercase=lowercase)
    texts = [text for c in characters for text in (c, f"a{c}b", f"A{c}", f"{c}\u0301{c}\u0327{c}")]
    assert tokenizer.in_graph()(tf.constant(texts)).to_list() == expected_ids(tokenizer, texts)


def test_words_of_100_and_of_more_characters() -> None:
    tokenizer = WordPieceTokenizer(Vocabulary.from_tokens([*SPECIAL, "a", "##a", "я", "##я", "e", "##e"]))
    texts = ["a" * 100, "a" * 101, "я" * 100, "я" * 101, "é" * 100, "é" * 101, "a\u0301\u0327" * 100, "a" * 10_000]
    lengths = tokenizer.in_graph()(tf.constant(texts)).row_lengths().numpy().tolist()
    assert lengths == [100, 1, 100, 1, 100, 1, 100, 1]
    check(tokenizer, texts)


def test_a_literal_mask_is_text_unless_it_is_asked_for() -> None:
    pieces = [*SPECIAL, "[", "]", "mask", "a", "##b"]
    tokenizer = WordPieceTokenizer(Vocabulary.from_tokens(pieces))
    texts = tf.constant(["a[MASK]b [mask]", "[MA\U000f0000SK]", "[[MASK]]"])
    assert tokenizer.in_graph()(texts).to_list() == [[8, 5, 7, 6, 1, 5, 7, 6], [5, 7, 6], [5, 5, 7, 6, 6]]
    masked = [[8, 4, 1, 5, 7, 6], [5, 7, 6], [5, 4, 6]]
    assert tokenizer.in_graph(literal_mask=True)(texts).to_list() == masked
    offline = tokenizer.encode([text.decode() for text in texts.numpy()], literal_mask=True)
    assert [offline.row(i).tolist() for i in range(3)] == masked


def test_special_tokens_of_other_names_and_places() -> None:
    names = {"pad": "<pad>", "unk": "unk", "cls": "<s>", "sep": "</s>", "mask": "(mask|?)"}
    pieces = ["a", "unk", "(", "(mask|?)", "<s>", "mask", "<pad>", "</s>", "|", "A", "b.c", "##.", "\x00", " ", "#"]
    tokenizer = WordPieceTokenizer(Vocabulary.from_tokens(pieces, names))
    texts = ["a unk (mask|?) A <s> b.c # a."]
    check(tokenizer, texts)
    check(tokenizer, texts, literal_mask=True)
    assert tokenizer.in_graph(literal_mask=True)(tf.constant(["a(mask|?)unk"])).to_list() == [[0, 3, 1]]


def test_pieces_too_long_to_match_are_no_obstacle() -> None:
    check(WordPieceTokenizer(Vocabulary.from_tokens([*SPECIAL, "a", "##a", "a" * 300])), ["a" * 100, "a" * 300])


def test_a_piece_that_tensorflow_text_cannot_hold_is_named() -> None:
    tokenizer = WordPieceTokenizer(Vocabulary.from_tokens([*SPECIAL, "\U00010428" * 65]))
    with pytest.raises(InputError, match=r"the piece with id 5 has 260 bytes and TensorFlow Text takes at most 256"):
        tokenizer.in_graph()


def test_invalid_utf8_is_dropped() -> None:
    tokenizer = WordPieceTokenizer(Vocabulary.from_tokens([*SPECIAL, "a", "##b"]))
    texts = tf.constant([b"a\xffb", b"\xed\xa0\x80", b"a\xe2\x28 a", b"a"])
    assert tokenizer.in_graph()(texts).to_list() == [[5, 6], [], [5, 1, 5], [5]]


def test_no_texts() -> None:
    tokenizer = WordPieceTokenizer(Vocabulary.from_tokens([*SPECIAL, "a"]))
    ids = tokenizer.in_graph()(tf.constant([], tf.string))
    assert ids.to_list() == []
    assert ids.dtype == tf.int32


def test_encode_gives_arrays() -> None:
    tokenizer = WordPieceTokenizer(Vocabulary.from_tokens([*SPECIAL, "a", "##b"]))
    values, lengths = tokenizer.in_graph().encode(["ab é", ""])
    assert values.tolist() == [5, 6, 1]
    assert lengths.tolist() == [3, 0]


def test_a_saved_model_serves_without_kpt_and_in_another_locale(tmp_path: Path) -> None:
    tokenizer = WordPieceTokenizer.train([*real_lines(), *HOSTILE * 2], 2000)
    module = tf.Module()
    module.encode = tokenizer.in_graph(literal_mask=True)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        ids = module.encode(texts)
        return {"values": ids.values, "row_splits": ids.row_splits}

    tf.saved_model.save(module, str(tmp_path), signatures=serve)
    texts = [*HOSTILE, *generated_texts(4, 200)]
    result = subprocess.run(
        [sys.executable, "-c", SERVE, str(tmp_path)],
        input=json.dumps(texts),
        env={**os.environ, "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    values, row_splits = json.loads(result.stdout.splitlines()[-1])
    offline = tokenizer.encode(texts, literal_mask=True)
    assert values == offline.values.tolist()
    assert row_splits == offline.row_splits.tolist()
