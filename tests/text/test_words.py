from __future__ import annotations

import pickle
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import kpt
from kpt.data import prepare
from kpt.errors import InputError
from kpt.text import Vocabulary, WordTokenizer
from kpt.text.words import UNKNOWN
from tests.text.hostile_texts import HOSTILE, generated_texts

TEXTS = ["a b a c", "b a d", "a e e"]


def test_ids_follow_frequency_and_equal_counts_the_alphabet() -> None:
    tokenizer = WordTokenizer.train(TEXTS, minimum_frequency=1)
    assert tokenizer.vocabulary.tokens == (UNKNOWN, "a", "b", "e", "c", "d")
    assert tokenizer.counts is not None and tokenizer.counts.tolist() == [0, 4, 2, 2, 1, 1]
    backwards = WordTokenizer.train(TEXTS[::-1], minimum_frequency=1)
    assert backwards.fingerprint == tokenizer.fingerprint


def test_rare_words_and_those_beyond_the_size_are_the_unknown_one() -> None:
    tokenizer = WordTokenizer.train(TEXTS, 3, minimum_frequency=2)
    assert tokenizer.vocabulary.tokens == (UNKNOWN, "a", "b")
    assert tokenizer.counts is not None and tokenizer.counts.tolist() == [4, 4, 2]
    encoded = tokenizer.encode(["a e b", "", "[UNK] d a"])
    assert encoded.values.tolist() == [1, 0, 2, 0, 0, 1]
    assert encoded.row_splits.tolist() == [0, 3, 3, 6]
    assert encoded.values.dtype == np.int32 and encoded.row_splits.dtype == np.int64
    assert tokenizer.decode([1, 0, 2]) == "a [UNK] b"


def test_encoding_is_looking_up_what_python_splits() -> None:
    texts = [*HOSTILE, *generated_texts(1, 300)]
    tokenizer = WordTokenizer.train(texts, minimum_frequency=2)
    index = tokenizer.vocabulary.index
    encoded = tokenizer.encode(texts)
    for i, text in enumerate(texts):
        assert encoded.row(i).tolist() == [index.get(word, 0) for word in text.split()]


def test_documents_count_as_their_texts() -> None:
    documents = [kpt.text.Document("x y x"), "y"]
    assert WordTokenizer.train(documents, minimum_frequency=2).vocabulary.tokens == (UNKNOWN, "x", "y")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"corpus": "one text"}, "one string"),
        ({"corpus": ["a a"], "minimum_frequency": 3}, "none of the 1 different words"),
        ({"corpus": ["a a"], "minimum_frequency": 0}, "minimum_frequency is 0"),
        ({"corpus": ["a a"], "vocabulary_size": 1}, "vocabulary_size is 1"),
        ({"corpus": ["a a"], "word_pattern": "("}, "word pattern"),
    ],
)
def test_what_cannot_be_trained_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        WordTokenizer.train(**arguments)


def test_wrong_calls_are_refused() -> None:
    tokenizer = WordTokenizer.train(TEXTS, minimum_frequency=1)
    with pytest.raises(InputError, match="pass \\[text\\]"):
        tokenizer.encode("a b")
    with pytest.raises(InputError, match="the id 6 is not in the vocabulary"):
        tokenizer.decode([6])
    with pytest.raises(InputError, match="give 6 of 0 or more"):
        WordTokenizer(tokenizer.vocabulary, [1, 2])
    with pytest.raises(InputError, match="no token for the role 'unk'"):
        WordTokenizer(Vocabulary(("a", "b"), {}, ()))


def test_new_words_come_behind_the_old() -> None:
    tokenizer = WordTokenizer.train(TEXTS, minimum_frequency=2)
    assert tokenizer.vocabulary.tokens == (UNKNOWN, "a", "b", "e")
    grown = tokenizer.extend(["z z z a f f", "f f g"], minimum_frequency=2)
    assert grown.vocabulary.tokens == (UNKNOWN, "a", "b", "e", "f", "z")
    assert grown.counts is not None and grown.counts.tolist() == [3, 5, 2, 2, 4, 3]
    assert tokenizer.extend(["z z"], 4, minimum_frequency=1).vocabulary == tokenizer.vocabulary
    with pytest.raises(InputError, match="vocabulary_size is 3"):
        tokenizer.extend(["z z"], 3)


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    tokenizer = WordTokenizer.train(TEXTS, minimum_frequency=1, lowercase=True, word_pattern="[a-z]+")
    tokenizer.save(tmp_path)
    loaded = kpt.text.load_tokenizer(tmp_path)
    assert isinstance(loaded, WordTokenizer)
    assert loaded.fingerprint == tokenizer.fingerprint and loaded.options == tokenizer.options
    np.testing.assert_array_equal(loaded.counts, tokenizer.counts)
    again = pickle.loads(pickle.dumps(loaded))
    assert again.encode(["A, b?"]).values.tolist() == [1, 2]


def test_options_and_words_decide_the_fingerprint() -> None:
    tokenizer = WordTokenizer.train(TEXTS, minimum_frequency=1)
    others = [
        WordTokenizer(tokenizer.vocabulary, lowercase=True),
        WordTokenizer(tokenizer.vocabulary, word_pattern="a"),
        WordTokenizer.train(["a b"], minimum_frequency=1),
    ]
    assert len({tokenizer.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert WordTokenizer(tokenizer.vocabulary).fingerprint == tokenizer.fingerprint  # without the counts


def test_a_store_keeps_sentences_and_unknown_words(tmp_path: Path) -> None:
    corpus = ["It rained. It poured.", "It stopped."]
    tokenizer = WordTokenizer.train(corpus, minimum_frequency=2)
    store = prepare(corpus, tokenizer, tmp_path / "store")
    assert [sentence.tolist() for sentence in store.document(0)] == [[1, 0], [1, 0]]
    assert store.vocabulary.tokens == (UNKNOWN, "It")


def test_symbols_of_any_kind_are_words(tmp_path: Path) -> None:
    generator = random.Random(0)
    sessions = [" ".join(f"item:{generator.randrange(9)}" for _ in range(5)) for _ in range(40)]
    tokenizer = WordTokenizer.train(sessions, minimum_frequency=1)
    counts = Counter(item for session in sessions for item in session.split())
    assert tokenizer.counts is not None
    assert dict(zip(tokenizer.vocabulary.tokens[1:], tokenizer.counts[1:].tolist(), strict=True)) == counts
    store = prepare(sessions, tokenizer, tmp_path / "store", split=str.splitlines)
    assert store.summary["sentences"] == 40 and store.tokens == 200
