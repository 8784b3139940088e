from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

import kpt
from kpt.data import encode_texts
from kpt.interop.tokenizer_files import set_batches, set_marks
from tests.interop.checkpoints import byte_pair, roberta_pieces, wordpiece

TEXTS = ["the cat", "", "[CLS] the [MASK]", "<|endoftext|> <mask> café", "the cat " * 30]
TOKENIZERS: dict[str, Any] = {
    "words and pieces": wordpiece,
    "byte pairs": byte_pair,
    "RoBERTa's": roberta_pieces,
    "characters": lambda: kpt.CharacterTokenizer.train(TEXTS),
}


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_the_file_alone_makes_the_batches_of_the_training(kind: str, tmp_path: Path) -> None:
    tokenizer = TOKENIZERS[kind]()
    tokenizer.save(tmp_path)
    set_marks(tmp_path, tokenizer, 12)
    set_batches(tmp_path, tokenizer, 12)
    texts = TEXTS if tokenizer.vocabulary.roles else [text for text in TEXTS if text]
    found = Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode_batch(texts)
    ours = encode_texts(tokenizer, texts, length=12).batch(np.arange(len(texts)), 12)
    assert [each.ids for each in found] == ours["token_ids"].tolist()
    assert [each.attention_mask for each in found] == ours["padding_mask"].astype(int).tolist()


def test_pairs_have_their_segments(tmp_path: Path) -> None:
    for number, tokenizer in enumerate((wordpiece(), byte_pair())):
        folder = tmp_path / str(number)
        tokenizer.save(folder)
        set_marks(folder, tokenizer, 12)
        set_batches(folder, tokenizer, 12)
        pairs = [("the cat", "the"), ("the", "cat the cat the cat")]
        found = Tokenizer.from_file(str(folder / "tokenizer.json")).encode_batch(pairs)
        ours = encode_texts(tokenizer, *zip(*pairs, strict=True), length=12).batch(np.arange(2))
        width = len(found[0].ids)
        assert [each.ids for each in found] == ours["token_ids"][:, :width].tolist()
        assert [each.type_ids for each in found] == ours["segment_ids"][:, :width].tolist()
