from __future__ import annotations

import numpy as np
import pytest

from kpt.errors import InputError
from kpt.generation.prompts import bucket, decoder_of, encoded, left_padded, new_tokens
from tests.generation.small_model import decoder, tokenizer


def test_buckets() -> None:
    sizes = range(1, 1025)
    assert all(bucket(size) >= size for size in sizes)
    assert len({bucket(size) for size in sizes}) == 8 + 14


def test_padding_stands_before() -> None:
    padded = left_padded([[1, 2, 3], [4]], 4)
    assert padded.token_ids.tolist() == [[0, 1, 2, 3], [0, 0, 0, 4]]
    assert padded.starts.tolist() == [1, 3]
    assert padded.token_ids.dtype == np.int32


def test_prompts_are_texts_or_ids() -> None:
    size = tokenizer().vocabulary.size
    assert encoded(["ab"], tokenizer(), size) == [tokenizer().encode(["ab"]).values.tolist()]
    assert encoded([[0, 3], np.array([2])], None, size) == [[0, 3], [2]]
    assert encoded(["", "a"], tokenizer(), size)[0] == [tokenizer().vocabulary.end_id]


def test_wrong_prompts_are_refused() -> None:
    def refused(message: str, *arguments: object) -> None:
        with pytest.raises(InputError, match=message):
            encoded(*arguments)  # type: ignore[arg-type]

    refused("there are no prompts", [], None, 9)
    refused("tokenizer is None", ["a"], None, 9)
    refused("some prompts are texts and some are ids", ["a", [1]], tokenizer(), 9)
    refused("prompt 1 has the id 9, and the model has 9 tokens", [[8], [9]], None, 9)
    refused("prompt 1 is empty and the tokenizer has no end of text", ["a", ""], tokenizer(end=False), 99)
    refused("prompt 0 is empty", [[]], None, 9)


def test_limits() -> None:
    assert new_tokens([3, 5], 60, 7, None) == [7, 7]
    assert new_tokens([3, 5], 60, None, 20) == [17, 15]
    assert new_tokens([3, 20], 60, None, None) == [50, 40]
    assert new_tokens([3], None, None, None) == [50]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([3], 60, 7, 7), "are both given"),
        (([3], 60, 0, None), "max_new_tokens is 0; give 1 or more"),
        (([3, 60], 60, 1, None), "prompt 1 has 60 tokens, and the model has 60 positions; shorten it"),
        (
            ([3, 50], 60, 11, None),
            "prompt 1 has 50 tokens and is to get 11, and the model has 60 positions; .* most 10",
        ),
        (([3], 60, None, 3), "prompt 0 has 3 tokens, and max_length is 3; give more"),
    ],
)
def test_limits_that_do_not_fit(arguments: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        new_tokens(*arguments)


def test_what_can_generate() -> None:
    assert decoder_of(decoder()) is decoder()
    with pytest.raises(InputError, match="int generates no text"):
        decoder_of(3)
