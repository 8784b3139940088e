from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from kpt.data.encoding import DocumentError, encode_documents
from kpt.text import Vocabulary, WordPieceTokenizer

TOKENIZER = WordPieceTokenizer(
    Vocabulary.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "é", "."]), lowercase=False
)


def by_line(text: str) -> list[str]:
    return text.split("\n")


def test_documents_to_ids() -> None:
    encoded = encode_documents(["a b.\nb\n", "", "é é", "\n"], TOKENIZER, by_line)
    assert encoded.token_ids.tolist() == [5, 6, 8, 6, 7, 7]
    assert encoded.sentence_lengths.tolist() == [3, 1, 2]
    assert encoded.sentence_counts.tolist() == [2, 1]
    assert (encoded.without_tokens, encoded.bytes) == (2, 13)


def test_nothing_but_empty_documents() -> None:
    encoded = encode_documents(["", " "], TOKENIZER, by_line)
    assert [len(part) for part in encoded[:3]] == [0, 0, 0] and encoded.without_tokens == 2


def test_the_document_that_cannot_be_split_is_named() -> None:
    def refuse_b(text: str) -> list[str]:
        if "b" in text:
            raise KeyError("b")
        return [text]

    with pytest.raises(DocumentError) as caught:
        encode_documents(["a", "a b", "b"], TOKENIZER, refuse_b)
    assert (caught.value.index, caught.value.reason) == (1, "refuse_b raised KeyError: 'b'")


def test_the_document_that_cannot_be_encoded_is_named() -> None:
    class Refuses:
        def encode(self, texts: Sequence[str]) -> Any:
            if "b" in texts:
                raise ValueError
            return np.zeros(0, np.int32), np.zeros(len(texts) + 1, np.int64)

    with pytest.raises(DocumentError) as caught:
        encode_documents(["a", "a", "a\nb"], Refuses(), by_line)
    assert (caught.value.index, caught.value.reason) == (2, "encode raised ValueError")
