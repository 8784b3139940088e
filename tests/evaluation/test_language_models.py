from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from kpt.data import TokenStore, prepare
from kpt.errors import InputError
from kpt.evaluation import evaluate_causal_lm, evaluate_masked_lm
from kpt.evaluation.language_models import stream_windows
from kpt.models import Decoder, Encoder
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer
from kpt.text import CharacterTokenizer, WordPieceTokenizer
from tests.numbers import randomize

TEXTS = ["abé cab", "bad", "a cab had a bad dab"]


def windows(count: int, size: int, stride: int) -> list[tuple[list[int], int]]:
    pieces = iter(np.array_split(np.arange(count), 3))
    return [(list(row), first) for row, first in stream_windows(pieces, size, stride)]


@pytest.mark.parametrize(("size", "stride"), [(2, 1), (5, 4), (5, 2), (40, 39), (23, 22), (24, 3)])
def test_each_token_is_predicted_once(size: int, stride: int) -> None:
    found = windows(23, size, stride)
    assert [token for row, first in found for token in row[first:]] == list(range(1, 23))
    assert all(row == list(range(row[0], row[0] + len(row))) and len(row) <= size for row, _ in found)
    assert all(first == size - stride for _, first in found[1:])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    tokenizer = CharacterTokenizer.train(TEXTS, end_token=True)
    return prepare(TEXTS, tokenizer, tmp_path_factory.mktemp("stores") / "characters", progress=False)


@pytest.mark.parametrize(("length", "stride"), [(8, None), (16, 5)])
def test_loss_is_that_of_the_stream(store: TokenStore, length: int, stride: int | None) -> None:
    size = store.vocabulary.size
    decoder = Decoder(size, width=8, depth=1, heads=2, maximum_length=16)
    randomize(decoder, seed=0, scale=0.5)
    found = evaluate_causal_lm(Pretrainer(decoder, [CausalLM()]), store, length=length, stride=stride, batch_size=2)
    end = store.vocabulary.end_id
    stream = [end]
    for index in range(store.documents):
        stream += [*np.concatenate(store.document(index)).tolist(), end]
    # Each token by itself, from what a window of the definition has before it.
    window, step = min(length + 1, 16), stride or length
    step = min(step, window - 1)
    total = 0.0
    for target in range(1, len(stream)):
        start = 0 if target < window else step * (-(-(target - window + 1) // step))
        tokens = ops.convert_to_tensor(np.array([stream[start:target]], np.int32))
        logits = np.float64(ops.convert_to_numpy(decoder.logits(decoder({"token_ids": tokens})["sequence"])))[0, -1]
        total += math.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[stream[target]]
    count = len(stream) - 1
    assert found["tokens"] == count and found["documents"] == 3
    assert found["loss"] == pytest.approx(total / count, rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(total / count), rel=1e-5)
    byte_count = sum(len(text.encode()) for text in TEXTS)
    assert found["bits_per_byte"] == pytest.approx(total / byte_count / math.log(2), rel=1e-5)


def test_refusals(store: TokenStore) -> None:
    decoder = Decoder(store.vocabulary.size, width=8, depth=1, heads=2, maximum_length=16)
    with pytest.raises(InputError, match="length is 17"):
        evaluate_causal_lm(decoder, store, length=17)
    with pytest.raises(InputError, match="stride is 9"):
        evaluate_causal_lm(decoder, store, length=8, stride=9)
    other = Decoder(store.vocabulary.size + 1, width=8, depth=1, heads=2, maximum_length=16)
    with pytest.raises(InputError, match="prepare the text with the model's tokenizer"):
        evaluate_causal_lm(other, store, length=8)
    with pytest.raises(InputError, match="Encoder generates no text"):
        evaluate_causal_lm(Encoder(store.vocabulary.size, width=8, depth=1, heads=2), store, length=8)


def test_masked_tokens(tmp_path: Path) -> None:
    texts = ["the cat sat. the dog ran. it was warm.", "open the file. read it. close the file."]
    store = prepare(texts, WordPieceTokenizer.train(texts, 44), tmp_path / "store", progress=False)
    encoder = Encoder(store.vocabulary.size, width=8, depth=1, heads=2, maximum_length=16)
    model = Pretrainer(encoder, [MaskedLM(), NextSentence()])
    for weight in model.weights:  # all tokens are equally probable
        weight.assign(ops.zeros_like(weight))
    found = evaluate_masked_lm(model, store, length=16, batch_size=4)
    assert found["masked_lm_loss"] == pytest.approx(math.log(store.vocabulary.size), rel=1e-5)
    assert found["next_sentence_loss"] == pytest.approx(math.log(2), rel=1e-5)
    assert 0 <= found["masked_lm_accuracy"] <= 1 and found["documents"] == 2 and found["examples"] >= 1
    with pytest.raises(InputError, match="there is one document"):
        evaluate_masked_lm(model, prepare(texts[:1], WordPieceTokenizer.train(texts, 44), tmp_path / "one"), length=16)
