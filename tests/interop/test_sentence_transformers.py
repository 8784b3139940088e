from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kpt
from kpt.data import encode_texts
from kpt.errors import InputError
from kpt.interop import write_sentence_transformers
from kpt.layers import pool_sequence
from kpt.models import Encoder, encoder_config
from kpt.objectives import MaskedLM, NextSentence, Pretrainer
from kpt.tasks import Classifier, MultiTask, Regressor
from kpt.text import SentencePieceTokenizer
from tests.batches import tiny_decoder
from tests.interop.checkpoints import byte_pair, wordpiece
from tests.numbers import array, randomize
from tests.text.hostile_texts import HOSTILE

TEXTS = [*HOSTILE, "[CLS] the [MASK] cat [SEP] [PAD]", "the cat " * 200, ""]
BERT: dict[str, Any] = {"width": 16, "depth": 1, "heads": 2, "maximum_length": 24}
MODERN: dict[str, Any] = {**encoder_config("tiny"), **BERT}


def vectors_of(model: Any, tokenizer: Any, texts: list[str], length: int, pooling: str) -> np.ndarray:
    """Our own, of all texts in one padded batch."""
    batch = encode_texts(tokenizer, texts, length=length).batch(np.arange(len(texts)))
    sequence = getattr(model, "backbone", model)(batch)["sequence"]
    return array(pool_sequence(sequence, batch["padding_mask"], pooling))


@pytest.mark.parametrize(
    "make, length, pooling",
    [
        (lambda: Pretrainer(Encoder(270, **BERT), [MaskedLM(), NextSentence()]), 24, "mean"),
        (lambda: Pretrainer(Encoder(270, **MODERN), [MaskedLM()]), 16, "mean"),
        (lambda: Classifier(Encoder(270, **MODERN), ["a", "b"], pooling="first", length=12), 12, "first"),
        (lambda: Regressor(Encoder(270, **BERT, segments=0, pooler=False), length=9), 9, "mean"),
    ],
    ids=["BERT", "modern", "first", "DistilBERT"],
)
def test_embeddings_are_our_own(make: Any, length: int, pooling: str, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = make()
    randomize(model, scale=0.7)
    given = length if isinstance(model, Pretrainer) else None
    folder = write_sentence_transformers(model, wordpiece(), tmp_path / "out", length=given)
    loaded = SentenceTransformer(str(folder), device="cpu")
    assert loaded.max_seq_length == length
    found = loaded.encode(TEXTS, batch_size=8)
    wanted = vectors_of(model, wordpiece(), TEXTS, length, pooling)
    assert np.std(wanted, axis=0).max() > 0.1
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    np.testing.assert_allclose(loaded.encode(TEXTS[3]), wanted[3], atol=1e-5)


@pytest.mark.parametrize("kind", ["byte pairs", "sentencepiece"])
def test_the_end_of_a_text_stands_around_it_where_there_is_no_other_mark(kind: str, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    tokenizer: Any = byte_pair()
    texts = ["the cat", "", "naïve <|endoftext|> 中 ", "the cat " * 30, " low  lower"]
    if kind == "sentencepiece":
        texts[2] = "naïve 中 "  # to `tokenizers` a piece of SentencePiece that a text spells is that piece
        tokenizer = SentencePieceTokenizer.train(["the cat sat on the mat. low lower lowest\n"] * 3, 275)
    model = Encoder(tokenizer.vocabulary.size, **MODERN, pooler=False)
    randomize(model, scale=0.7)
    folder = write_sentence_transformers(model, tokenizer, tmp_path / "out")
    found = SentenceTransformer(str(folder), device="cpu").encode(texts)
    np.testing.assert_allclose(found, vectors_of(model, tokenizer, texts, 24, "mean"), atol=1e-5)


def test_what_has_no_form_of_theirs(tmp_path: Path) -> None:
    def refused(message: str, model: Any, **options: Any) -> None:
        with pytest.raises(InputError, match=message):
            write_sentence_transformers(model, wordpiece(), tmp_path / "out", **options)

    encoder = Encoder(270, **BERT)
    refused("a Decoder has no form of sentence-transformers'; give an Encoder", tiny_decoder())
    refused("the pooling 'last', which sentence-transformers has not", Classifier(encoder, ["a", "b"], pooling="last"))
    refused("the model has several tasks, and such a folder has one", MultiTask({"stars": Regressor(encoder)}))
    refused("length is 25; give at least 3 and at most the model's 24", encoder, length=25)
    refused("no architecture of Hugging Face's is exactly this encoder", Encoder(270, **BERT, gated=True))
    assert not any(tmp_path.iterdir())
    write_sentence_transformers(encoder, wordpiece(), tmp_path / "out")
    refused("exists and is not empty", encoder)
    write_sentence_transformers(encoder, wordpiece(), tmp_path / "out", overwrite=True)
    assert isinstance(kpt.load(tmp_path / "out").model, Encoder)
