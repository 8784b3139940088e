from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kpt import InputError, WordVectors
from kpt.vectors.word_vectors import near_misses
from tests.vectors.made import assert_same_answers, in_gensim, made_vectors


@pytest.fixture(scope="module")
def vectors() -> WordVectors:
    return made_vectors()


@pytest.fixture(scope="module")
def gensim(vectors: WordVectors) -> Any:
    return in_gensim(vectors)


def test_it_is_a_table_of_words(vectors: WordVectors) -> None:
    assert len(vectors) == 60 and vectors.dimensions == 8
    assert "中文" in vectors and "nothing" not in vectors and 3 not in vectors
    assert list(vectors)[:2] == ["word0", "word1"]
    assert vectors["word1"].tolist() == vectors.vectors[1].tolist()
    assert vectors[["word1", "中文"]].tolist() == vectors.vectors[[1, 58]].tolist()
    assert repr(vectors) == "WordVectors(60 words, 8 dimensions)"
    assert vectors.counts is not None and vectors.counts[0] == 60


def test_what_is_given_is_kept_and_cannot_be_changed() -> None:
    values = np.eye(2, dtype=np.float32)
    vectors = WordVectors(["a", "b"], values)
    assert np.shares_memory(vectors.vectors, values)
    with pytest.raises(ValueError, match="read-only"):
        vectors["a"][0] = 5
    values[0, 0] = 1  # the caller's own array stays writable


@pytest.mark.parametrize(
    ("positive", "negative"),
    [("word3", []), (["word3"], ["word4"]), (["word1", "word2", "中文"], ["word4", "word5"]), ([], ["word7"])],
)
@pytest.mark.parametrize("restrict", [None, 20])
def test_most_similar_is_gensims(
    vectors: WordVectors, gensim: Any, positive: Any, negative: Any, restrict: int | None
) -> None:
    theirs = gensim.most_similar(positive=positive, negative=negative, topn=7, restrict_vocab=restrict)
    assert_same_answers(vectors.most_similar(positive, negative, 7, restrict_vocabulary=restrict), theirs)


def test_most_similar_to_a_vector(vectors: WordVectors, gensim: Any) -> None:
    query = np.arange(8, dtype=np.float32) - 3
    assert_same_answers(vectors.most_similar(query, k=5), gensim.most_similar(positive=[query], topn=5))
    mixed = [query, "word9"]
    assert_same_answers(vectors.most_similar(mixed, "word2"), gensim.most_similar(positive=mixed, negative=["word2"]))


def test_many_words_at_once(vectors: WordVectors, gensim: Any) -> None:
    for word, answers in zip(vectors.words, vectors.nearest(vectors.words, 4), strict=True):
        assert_same_answers(answers, gensim.most_similar(word, topn=4))
    assert len(vectors.nearest(["word0"], 1000)[0]) == 59


def test_similarity_and_analogy_are_gensims(vectors: WordVectors, gensim: Any) -> None:
    first, second = ["word1", "中文", "word3"], ["word2", "word9", "word3"]
    expected = [gensim.similarity(a, b) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(vectors.similarities(first, second), expected, atol=1e-6)
    assert vectors.similarity("word1", "word2") == pytest.approx(expected[0], abs=1e-6)
    theirs = gensim.most_similar(positive=["word2", "word3"], negative=["word1"], topn=3)
    assert_same_answers(vectors.analogy("word1", "word2", "word3", 3), theirs)


def test_the_odd_one_and_means_are_gensims(vectors: WordVectors, gensim: Any) -> None:
    generator = np.random.default_rng(2)
    for _ in range(20):
        words = [vectors.words[i] for i in generator.choice(60, 5, replace=False)]
        assert vectors.doesnt_match(words) == gensim.doesnt_match(words)
        words.append("not there")
        for normalize in (True, False):
            expected = gensim.get_mean_vector(words, pre_normalize=normalize)
            np.testing.assert_allclose(vectors.sentence_mean(words, normalize=normalize), expected, atol=1e-6)


def test_means_of_sentences(vectors: WordVectors) -> None:
    means = vectors.sentence_means([["word1", "word1"], ["not there"], []], normalize=False)
    np.testing.assert_allclose(means[0], vectors["word1"], rtol=1e-6)
    assert not means[1:].any() and means.shape == (3, 8) and means.dtype == np.float32
    assert vectors.sentence_means([]).shape == (0, 8)


def test_a_vector_of_zeros_is_like_nothing() -> None:
    vectors = WordVectors(["zero", "one", "two"], [[0, 0], [1, 0], [1, 1]])
    assert vectors.similarity("zero", "one") == 0
    assert vectors.most_similar("zero") == [("one", 0), ("two", 0)]
    assert vectors.most_similar("one", k=2)[1] == ("zero", 0)
    assert not vectors.sentence_mean(["zero"]).any()


def test_unknown_words_are_named_with_what_is_near() -> None:
    vectors = WordVectors(["Paris", "london", "band", "bank"], np.eye(4))
    with pytest.raises(InputError, match="no word 'paris' among the 4; near it: 'Paris'"):
        vectors["paris"]
    with pytest.raises(InputError, match="near it: 'band', 'bank'"):
        vectors.most_similar(["Paris", "bannd"])
    with pytest.raises(InputError, match=r"no word 'xyz' among the 4; ask for words that are in \.words"):
        vectors.similarity("Paris", "xyz")
    with pytest.raises(InputError, match="no word 7"):
        vectors.rows([7])  # type: ignore[list-item]
    assert near_misses("", vectors.words, vectors.index) == []


@pytest.mark.parametrize(
    ("words", "values", "counts", "message"),
    [
        ("abc", np.eye(3), None, "the words are one string, 'abc'"),
        ([], np.zeros((0, 2)), None, "there are no words"),
        (["a", 3], np.eye(2), None, "word 1 is int, not a string"),
        (["a", "a"], np.eye(2), None, "the word 'a' comes twice"),
        (["a", ""], np.eye(2), None, "word 1 is empty"),
        (["a", "b"], np.eye(3), None, r"2 words have vectors of the shape \[3, 3\]"),
        (["a", "b"], np.zeros(2), None, r"give \[2, dimensions\]"),
        (["a", "b"], np.zeros((2, 0)), None, "shape"),
        (["a", "b"], [[1, 2], [3, np.nan]], None, r"the vector of 'b' \(word 2\) has a value that is no finite number"),
        (["a", "b"], [[1e300, 2], [3, 4]], None, "the vector of 'a'"),
        (["a", "b"], np.eye(2), [1], "counts must be 2 whole numbers"),
        (["a", "b"], np.eye(2), [1, -1], "counts must be 2 whole numbers"),
    ],
)
def test_what_is_no_table_is_refused(words: Any, values: Any, counts: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        WordVectors(words, values, counts)


def test_questions_without_sense_are_refused(vectors: WordVectors) -> None:
    for question, message in (
        (lambda: vectors.most_similar(), "nothing is asked for"),
        (lambda: vectors.most_similar("word1", k=0), "k is 0"),
        (lambda: vectors.most_similar("word1", restrict_vocabulary=0), "restrict_vocabulary 0"),
        (lambda: vectors.most_similar(np.zeros(3)), "give 8 numbers"),
        (lambda: vectors.most_similar([np.full(8, np.nan)]), "give 8 numbers"),
        (lambda: vectors.nearest("word1"), "one string"),
        (lambda: vectors.sentence_mean("word1 word2"), "text.split"),
        (lambda: vectors.doesnt_match([]), "no words were given"),
        (lambda: vectors.similarities(["word1"], []), "two lists of one length"),
    ):
        with pytest.raises(InputError, match=message):
            question()
