from __future__ import annotations

from pathlib import Path

import pytest

from kpt.errors import InputError
from kpt.text import WordPieceTokenizer, load_tokenizer
from kpt.text.wordpiece_extension import extend_wordpiece

OLD = WordPieceTokenizer.train(["the cat sat on the mat, that rat ate oats"] * 4, 39)


def test_the_words_that_save_most_come_behind_the_old_pieces(tmp_path: Path) -> None:
    corpus = ["sonnet the sonnet tea"] * 6 + ["tease"] * 2
    pieces = {word: len(OLD.encode([word]).values) for word in ("sonnet", "tea", "tease")}
    new = extend_wordpiece(OLD, corpus, 2, minimum_frequency=2)
    assert new.vocabulary.tokens[: OLD.vocabulary.size] == OLD.vocabulary.tokens
    expected = sorted(
        [
            (12 * (pieces["sonnet"] - 1), "sonnet"),
            (6 * (pieces["tea"] - 1), "tea"),
            (2 * (pieces["tease"] - 1), "tease"),
        ],
        reverse=True,
    )
    assert new.vocabulary.tokens[OLD.vocabulary.size :] == tuple(word for _, word in expected[:2])
    assert len(new.encode(["Sonnet"]).values) == 1  # lowercased as the old ones are
    assert new.encode(["the cat sat"]).values.tolist() == OLD.encode(["the cat sat"]).values.tolist()
    new.save(tmp_path)
    assert load_tokenizer(tmp_path).fingerprint == new.fingerprint != OLD.fingerprint


def test_a_word_that_could_not_be_spelled_counts_too() -> None:
    unknown = OLD.vocabulary.unk_id
    assert OLD.encode(["zebu"]).values.tolist() == [unknown]
    new = extend_wordpiece(OLD, ["zebu the cat"] * 5, 1)
    assert new.encode(["zebu"]).values.tolist() == [OLD.vocabulary.size]


@pytest.mark.parametrize(
    ("new_tokens", "frequency", "message"),
    [
        (0, 5, "new_tokens is 0"),
        (1, 0, "minimum_frequency 0; give 1 or more"),
        (3, 1, "the corpus has 2 new words that occur 1 times or more, and 3 were wanted"),
    ],
)
def test_refusals(new_tokens: int, frequency: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        extend_wordpiece(OLD, ["zebu gnu the"], new_tokens, minimum_frequency=frequency)
