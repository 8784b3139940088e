from __future__ import annotations

import numpy as np
import pytest

import kpt
from kpt import InputError
from kpt.data.labelled_batches import LabelledBatches
from kpt.data.tagged import TaggedExamples, encode_words

TOKENIZER = kpt.WordPieceTokenizer.train(["anna sings the song . lower lowest"] * 3, 40)
VOCABULARY = TOKENIZER.vocabulary


def pieces(text: str) -> list[str]:
    return [VOCABULARY.tokens[i] for i in TOKENIZER.encode([text]).values]


def test_words_are_aligned_to_their_pieces() -> None:
    texts = [["anna", "lowest", "\x07", "song"], [], ["the", "the"]]
    encoded = encode_words(TOKENIZER, texts, length=32)
    batch = encoded.texts.batch(np.arange(3))
    for row, words in enumerate(texts):
        tokens = [VOCABULARY.tokens[i] for i in batch["token_ids"][row]]
        expected = [pieces(word) or ["[UNK]"] for word in words]
        assert [tokens[column] for column in encoded.words(row)] == [some[0] for some in expected]
        used = [token for token in tokens if token not in ("[CLS]", "[SEP]", "[PAD]")]
        assert used == [piece for some in expected for piece in some]
    assert max(len(pieces(word)) for word in texts[0]) > 1 and encoded.texts.cut == 0


def test_spaces_belong_to_words_where_a_tokenizer_has_them() -> None:
    tokenizer = kpt.BytePairTokenizer.train(["low lower lowest low low"] * 3, 262)
    encoded = encode_words(tokenizer, [["low", "low", "x"]], length=16)
    assert tokenizer.decode(encoded.texts.first.values) == "low low x"
    assert [tokenizer.vocabulary.tokens[encoded.texts.first.values[c - 1]][0] for c in encoded.words(0)[1:]] == [
        "Ġ"
    ] * 2


def test_words_past_the_length_have_no_column() -> None:
    encoded = encode_words(TOKENIZER, [["."] * 9, ["."]], length=6)
    assert [encoded.words(row).tolist() for row in (0, 1)] == [[1, 2, 3, 4], [1]]
    assert encoded.texts.cut == 1
    with pytest.raises(InputError, match="no room for a token"):
        encode_words(TOKENIZER, [["the"]], length=2)


def test_labels_stand_at_first_pieces_alone() -> None:
    encoded = encode_words(TOKENIZER, [["lowest", "anna"], ["the"]], length=32)
    tags = np.empty(2, object)
    tags[0], tags[1] = np.array([2, 1]), np.array([3])
    batches = LabelledBatches(TaggedExamples(encoded, VOCABULARY, tags, shuffle=False), batch_size=1, repeat=True)
    (_, labels, weights), second = batches.batch(0), batches[1]
    first, other = encoded.words(0)
    assert other - first == len(pieces("lowest")) > 1
    assert labels[0, [first, other]].tolist() == [2, 1] and labels.sum() == 3
    assert np.flatnonzero(weights[0]).tolist() == [first, other]
    assert {part.shape for part in (*second[0].values(), *second[1:])} == {(1, labels.shape[1] + 1)}  # made wider
    assert second[1].sum() == 3 and second[2].sum() == 1
    tags[1] = np.array([3, 3])
    with pytest.raises(InputError, match="text 1 has 1 words and 2 tags"):
        TaggedExamples(encoded, VOCABULARY, tags)
