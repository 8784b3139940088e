from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest
import sentencepiece

from kpt.errors import InputError
from kpt.text import SentencePieceTokenizer, load_tokenizer
from kpt.text import sentencepiece as module
from tests.text.hostile_texts import HOSTILE, generated_texts, real_lines

LINES = real_lines()[:3000]
TEXTS = [*HOSTILE, *generated_texts(10, 2000), *LINES]


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def tokenizer(request: pytest.FixtureRequest) -> SentencePieceTokenizer:
    return SentencePieceTokenizer.train(LINES, 800, algorithm=request.param)


def test_the_ids_are_those_of_sentencepiece_for_the_whole_text(tokenizer: SentencePieceTokenizer) -> None:
    reference = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model.serialize())
    ids = tokenizer.encode(TEXTS)
    assert (ids.values.dtype, ids.row_splits.dtype) == (np.int32, np.int64)
    for i, expected in enumerate(reference.encode(TEXTS)):
        assert ids.row(i).tolist() == expected, ascii(TEXTS[i])


def test_every_text_comes_back(tokenizer: SentencePieceTokenizer) -> None:
    ids = tokenizer.encode(TEXTS)
    assert [tokenizer.decode(ids.row(i)) for i in range(len(TEXTS))] == TEXTS
    assert tokenizer.decode(tokenizer.encode(["a\u2581b \u2581"]).values) == "a b  "  # the one exception
    assert tokenizer.decode([]) == ""


def test_literal_special_tokens_and_bytes_are_text(tokenizer: SentencePieceTokenizer) -> None:
    text = "<|endoftext|> <0x0A> <unk>"
    ids = tokenizer.encode([text]).values.tolist()
    assert not set(ids) & set(tokenizer.vocabulary.special_ids)
    assert tokenizer.decode(ids) == text
    ids.append(tokenizer.vocabulary.end_id)
    assert tokenizer.decode(ids) == text + "<|endoftext|>"
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_half_a_character_is_a_replacement_character(tokenizer: SentencePieceTokenizer) -> None:
    ids = tokenizer.encode(["\U0001f9ff"]).values.tolist()
    assert len(ids) == 4
    assert tokenizer.decode(ids[:3]) == "\ufffd"


@pytest.mark.parametrize("collapse_spaces", [False, True])
def test_models_that_put_a_space_before_the_text(tokenizer: SentencePieceTokenizer, collapse_spaces: bool) -> None:
    other = SentencePieceTokenizer(
        dataclasses.replace(tokenizer.model, dummy_prefix=True, collapse_spaces=collapse_spaces)
    )
    reference = sentencepiece.SentencePieceProcessor(model_proto=other.model.serialize())
    texts = [*HOSTILE, *LINES[:200], "  two  spaces  "]
    ids = other.encode(texts)
    for i, expected in enumerate(reference.encode(texts)):
        assert ids.row(i).tolist() == expected, ascii(texts[i])
        assert other.decode(expected) == reference.decode(expected)
    assert other.decode(ids.row(len(texts) - 1)) == ("two spaces" if collapse_spaces else "  two  spaces  ")


def test_save_and_load(tokenizer: SentencePieceTokenizer, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert isinstance(loaded, SentencePieceTokenizer)
    assert (loaded.model, loaded.fingerprint) == (tokenizer.model, tokenizer.fingerprint)
    sent = pickle.loads(pickle.dumps(tokenizer))
    assert sent.fingerprint == tokenizer.fingerprint
    assert sent.encode(HOSTILE).values.tolist() == tokenizer.encode(HOSTILE).values.tolist()
    transformer = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    ids = tokenizer.encode(LINES[:50])
    assert transformer(LINES[:50]).input_ids == [ids.row(i).tolist() for i in range(50)]
    assert (transformer.eos_token_id, transformer.unk_token_id, len(transformer)) == (1, 0, 800)


def test_the_fingerprint_is_of_the_content(tokenizer: SentencePieceTokenizer) -> None:
    model = tokenizer.model
    text, score, kind = model.pieces[-1]
    others = [
        dataclasses.replace(model, dummy_prefix=True),
        dataclasses.replace(model, collapse_spaces=True),
        dataclasses.replace(model, algorithm="bpe" if model.algorithm == "unigram" else "unigram"),
        dataclasses.replace(model, pieces=(*model.pieces[:-1], (text, score - 1, kind))),
        dataclasses.replace(model, pieces=(*model.pieces[:-1], (text + "x", score, kind))),
    ]
    assert len({tokenizer.fingerprint, *(SentencePieceTokenizer(other).fingerprint for other in others)}) == 6


def test_batches_change_nothing(tokenizer: SentencePieceTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["", *HOSTILE, " ", ""]
    whole = tokenizer.encode(texts)
    monkeypatch.setattr(module, "_BATCH_CHARACTERS", 7)
    again = tokenizer.encode(texts)
    assert again.values.tolist() == whole.values.tolist()
    assert again.row_splits.tolist() == whole.row_splits.tolist()
    assert [part.tolist() for part in tokenizer.encode([])] == [[], [0]]


def test_lone_surrogates_are_replacement_characters(tokenizer: SentencePieceTokenizer) -> None:
    assert tokenizer.encode(["a\ud800b"]).values.tolist() == tokenizer.encode(["a\ufffdb"]).values.tolist()


def test_wrong_calls(tokenizer: SentencePieceTokenizer) -> None:
    with pytest.raises(InputError, match=r"got one text, 'hello'; pass \[text\]"):
        tokenizer.encode("hello")
    with pytest.raises(InputError, match="the id 800 is not in the vocabulary, whose ids are 0 to 799"):
        tokenizer.decode([800])
