from __future__ import annotations

import numpy as np
import pytest

from kpt.data.questions import QuestionExamples, encode_questions
from kpt.errors import InputError
from kpt.text import WordPieceTokenizer

WORDS = "a b c d e f g h"


@pytest.fixture(scope="module")
def tokenizer() -> WordPieceTokenizer:
    return WordPieceTokenizer.train([f"{WORDS} ? abc"] * 2, 24)


def ids(tokenizer: WordPieceTokenizer, text: str) -> list[int]:
    special = tokenizer.vocabulary.roles
    return [
        special[word] if word in ("cls", "sep") else int(tokenizer.encode([word]).values[0]) for word in text.split()
    ]


def test_windows_overlap(tokenizer: WordPieceTokenizer) -> None:
    encoded = encode_questions(tokenizer, ["?", "?"], [WORDS, "a b"], length=8, stride=3)
    assert encoded.owners.tolist() == [0, 0, 0, 1] and encoded.offsets.tolist() == [0, 3, 6, 0]
    batch = encoded.texts.batch(np.arange(4))
    assert batch["token_ids"][0].tolist() == ids(tokenizer, "cls ? sep a b c d sep")
    assert batch["token_ids"][1].tolist() == ids(tokenizer, "cls ? sep d e f g sep")
    assert batch["segment_ids"][0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


def test_each_piece_is_in_a_window_and_labels_follow(tokenizer: WordPieceTokenizer) -> None:
    encoded = encode_questions(tokenizer, ["?"], [WORDS], length=8, stride=3)
    assert encoded.owners.tolist() == [0, 0, 0]
    at = WORDS.index
    assert encoded.labels([(at("d"), at("d") + 1)]).tolist() == [[6, 6], [3, 3], [0, 0]]
    assert encoded.labels([(at("c"), at("e") + 1)]).tolist() == [[0, 0], [0, 0], [0, 0]]
    assert encoded.labels([(at("g"), at("h") + 1)]).tolist() == [[0, 0], [0, 0], [3, 4]]
    assert encoded.labels([None]).tolist() == [[0, 0]] * 3


def test_answers_within_words_are_taken_to_whole_ones(tokenizer: WordPieceTokenizer) -> None:
    encoded = encode_questions(tokenizer, ["?"], ["a abc, b"], length=32)
    first, columns = encoded.words(0)
    assert first == 0 and len(columns) == 4
    assert encoded.labels([(3, 4)]).tolist() == [[columns[1], columns[1]]]


def test_words_are_nearest_to_the_window_with_the_most_context(tokenizer: WordPieceTokenizer) -> None:
    encoded = encode_questions(tokenizer, ["?", "?"], [WORDS, "a b"], length=8, stride=3)
    # The windows have a b c d, d e f g and g h; d has no context on one side of either, and both are of one size.
    assert [some.tolist() for some in encoded.nearest()] == [[0, 0, 0, 0, 1, 1, 1, 2], [3, 3]]
    overlapping = encode_questions(tokenizer, ["?"], [WORDS], length=8, stride=1)
    assert overlapping.nearest()[0].tolist() == [0, 0, 0, 1, 2, 3, 4, 4]


def test_long_texts(tokenizer: WordPieceTokenizer) -> None:
    text = " ".join(["a"] * 99_999 + ["b"])
    encoded = encode_questions(tokenizer, ["?"], [text], length=384, stride=128)
    assert len(encoded.owners) == 1 + -(-(100_000 - 380) // 128)
    labels = encoded.labels([(len(text) - 1, len(text))])
    assert np.count_nonzero(labels.sum(axis=1)) == 1 and labels[-1].tolist() == [labels[-1, 0]] * 2


def test_long_questions_are_cut(tokenizer: WordPieceTokenizer) -> None:
    encoded = encode_questions(tokenizer, [WORDS], ["a b c"], length=11)
    assert encoded.texts.cut == 1 and encoded.texts.sizes.tolist() == [[4, 3]]


def test_batches_have_each_window_once(tokenizer: WordPieceTokenizer) -> None:
    encoded = encode_questions(tokenizer, ["?"] * 4, [WORDS, "a", "a b", WORDS], length=8, stride=3)
    answers = [(0, 1), (0, 1), None, None]
    examples = QuestionExamples(encoded, tokenizer.vocabulary, answers, truth=np.arange(4))
    rows = [int(row) for step in range(examples.steps(3)) for row in examples.rows(step, 3)]
    assert sorted(rows) == list(range(8)) and examples.truth.tolist() == [0, 1, 2, 3]
    inputs, labels = examples.examples(0, 3)
    assert inputs["token_ids"].shape[0] == 3 and labels.shape == (3, 2)


def test_refusals(tokenizer: WordPieceTokenizer) -> None:
    with pytest.raises(InputError, match="1 questions and 2 texts"):
        encode_questions(tokenizer, ["?"], ["a", "b"], length=8)
    with pytest.raises(InputError, match="length is 4 and stride 128"):
        encode_questions(tokenizer, ["?"], ["a"], length=4)
    with pytest.raises(InputError, match="2 answers for 1 questions"):
        encode_questions(tokenizer, ["?"], ["a"], length=8).labels([None, None])
