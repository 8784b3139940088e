from __future__ import annotations

import numpy as np
import pytest

from kpt import InputError
from kpt.data.text_sequences import encode_texts, sequence_marks
from kpt.text import CharacterTokenizer, WordPieceTokenizer
from tests.export.reference import encode, sequence, tiny_tokenizer

TEXTS = ["the cat sat", "", "low lower lowest " * 9, "the mat"]
SECONDS = ["on the mat .", "the cat", "who were there", ""]


@pytest.fixture(scope="module")
def tokenizer() -> WordPieceTokenizer:
    return tiny_tokenizer()


@pytest.mark.parametrize("length", [8, 13, 24])
@pytest.mark.parametrize("paired", [False, True])
def test_sequences_are_those_of_berts_loop(tokenizer: WordPieceTokenizer, length: int, paired: bool) -> None:
    texts, seconds = TEXTS, SECONDS if paired else None
    encoded = encode_texts(tokenizer, texts, seconds, length=length)
    rows = np.array([2, 0, 3, 1])
    batch = encoded.batch(rows, columns=length)
    for row, number in enumerate(rows):
        second = encode(tokenizer, SECONDS[number]) if paired else None
        expected = sequence(tokenizer, length, encode(tokenizer, texts[number]), second)
        for name, value in expected.items():
            np.testing.assert_array_equal(batch[name][row], value[0], err_msg=name)
            assert batch[name].dtype == value.dtype
    assert encoded.totals.tolist() == encoded.batch(np.arange(4))["padding_mask"].sum(axis=1).tolist()
    assert encoded.cut == sum(
        len(encode(tokenizer, text)) + (len(encode(tokenizer, other)) + 3 if paired else 2) > length
        for text, other in zip(texts, SECONDS, strict=True)
    )


def test_a_batch_is_as_wide_as_its_longest_text_needs(tokenizer: WordPieceTokenizer) -> None:
    encoded = encode_texts(tokenizer, TEXTS, length=24)
    assert encoded.batch(np.array([1, 0]))["token_ids"].shape == (2, 8)
    assert encoded.batch(np.array([1, 2]))["token_ids"].shape == (2, 24)
    for rows in ([1, 0], [1, 2], [0]):
        assert encoded.batch(np.array(rows), exact=True)["token_ids"].shape[1] == encoded.totals[rows].max()
    windows = encode_texts(tokenizer, [TEXTS[2] + " the"], length=11, windows=9)
    assert windows.totals[0] > 11 and windows.totals[0] % 11
    assert windows.batch(np.array([0]), exact=True)["token_ids"].shape[1] == -(-windows.totals[0] // 11) * 11


def test_a_long_text_is_read_in_windows(tokenizer: WordPieceTokenizer) -> None:
    ids = encode(tokenizer, TEXTS[2])
    assert len(ids) > 15
    encoded = encode_texts(tokenizer, TEXTS, length=5, windows=5)
    batch = encoded.batch(np.array([2, 1, 0]))
    cls, sep = tokenizer.vocabulary.cls_id, tokenizer.vocabulary.sep_id
    assert batch["token_ids"][0].tolist() == [
        piece for begin in range(0, 15, 3) for piece in (cls, *ids[begin : begin + 3], sep)
    ]
    assert batch["token_ids"].shape == (3, 25)
    cat = encode(tokenizer, TEXTS[0])
    assert [
        row[mask].tolist() for row, mask in zip(batch["token_ids"][1:], batch["padding_mask"][1:], strict=True)
    ] == [
        [cls, sep],
        [cls, *cat[:3], sep, *([cls, *cat[3:], sep] if len(cat) > 3 else [])],
    ]
    assert not batch["segment_ids"].any()
    assert encoded.cut == 1 and encode_texts(tokenizer, TEXTS, length=5, windows=50).cut == 0
    assert encoded.totals[[2, 1]].tolist() == [25, 2]
    paired = encode_texts(tokenizer, TEXTS, SECONDS, length=8, windows=5)
    assert paired.windows == 1 and paired.totals.max() == 8


def test_a_stretch_of_a_long_text_is_some_of_its_windows(tokenizer: WordPieceTokenizer) -> None:
    encoded = encode_texts(tokenizer, TEXTS, length=5, windows=50)
    whole = encoded.batch(np.array([2]))
    ids, tokens = whole["token_ids"][0], int(whole["padding_mask"].sum())
    present = -(-tokens // 5)
    assert present > 3
    for count in (1, 2, present, present + 1):
        begins = max(0, present - count)
        for number in range(begins + 1):
            fraction = (number + 0.5) / (begins + 1)
            some = encoded.stretches(count, np.full(len(TEXTS), int(fraction * 2**64), np.uint64))
            assert some.totals[2] == min(tokens, (number + count) * 5) - number * 5
            batch = some.batch(np.array([2]))
            row = batch["token_ids"][0, batch["padding_mask"][0]]
            np.testing.assert_array_equal(row, ids[number * 5 : number * 5 + len(row)])
    short = encoded.totals <= 5
    assert short.any()
    some = encoded.stretches(1, np.full(len(TEXTS), 2**64 - 1, np.uint64))
    np.testing.assert_array_equal(some.totals[short], encoded.totals[short])


def test_windows_of_a_tokenizer_without_marks() -> None:
    tokenizer = CharacterTokenizer.train(["abc", "cab"], end_token=False)
    encoded = encode_texts(tokenizer, ["abcab"], length=2, windows=2)
    ids = tokenizer.encode(["abca"]).values.tolist()
    assert encoded.batch(np.array([0]))["token_ids"].tolist() == [ids]
    assert encoded.cut == 1
    last = encoded.stretches(1, np.array([2**63], np.uint64))
    assert last.batch(np.array([0]))["token_ids"].tolist() == [ids[2:]]


@pytest.mark.parametrize("end_token", [False, True])
def test_a_decoders_text_stands_between_two_ends(end_token: bool) -> None:
    tokenizer = CharacterTokenizer.train(["abc", "cab"], end_token=end_token)
    a, b, _ = tokenizer.encode(["abc"]).values
    batch = encode_texts(tokenizer, ["ab"], length=9).batch(np.array([0]))
    end = tokenizer.vocabulary.roles.get("end")
    assert (end is not None) == end_token
    assert batch["token_ids"][0, batch["padding_mask"][0]].tolist() == ([end, a, b, end] if end_token else [a, b])
    if not end_token:
        with pytest.raises(InputError, match="no token to stand between two texts"):
            encode_texts(tokenizer, ["a"], ["b"], length=9)
        with pytest.raises(InputError, match="text 1 has no token"):
            encode_texts(tokenizer, ["a", ""], length=9)


def test_marks_of_each_kind_of_vocabulary(tokenizer: WordPieceTokenizer) -> None:
    vocabulary = tokenizer.vocabulary
    assert sequence_marks(vocabulary) == (vocabulary.cls_id, vocabulary.sep_id, vocabulary.pad_id)


def test_refusals(tokenizer: WordPieceTokenizer) -> None:
    with pytest.raises(InputError, match="4 texts and 3 second ones"):
        encode_texts(tokenizer, TEXTS, SECONDS[:3], length=24)
    with pytest.raises(InputError, match="length is 4, which leaves room for 1 tokens"):
        encode_texts(tokenizer, TEXTS, SECONDS, length=4)
