"""Train, evaluate and predict steps of all models, compiled by XLA with static shapes, as a TPU needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kpt.data import Batches, PackedSequences, SentencePairs, TokenStore, Windows
from kpt.models import Decoder, Encoder
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer, Word2Vec
from kpt.tasks import Classifier, Regressor, Tagger
from kpt.text import load_tokenizer
from kpt.training import adamw
from tests.training.small_store import small_store

ROWS, LENGTH = 4, 16


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return small_store(tmp_path_factory.mktemp("data") / "store")


def encoder(store: TokenStore, **options: Any) -> Encoder:
    return Encoder(store.vocabulary.size, 16, depth=1, heads=2, maximum_length=LENGTH, dropout=0.1, **options)


def batch_of(examples: Any, model: Any) -> dict[str, np.ndarray]:
    return Batches(examples, getattr(model, "objectives", ()), batch_size=ROWS, steps=1, prefetch=0).batch(0)


def bert(store: TokenStore) -> tuple[Any, Any]:
    model = Pretrainer(encoder(store, remat=True), [MaskedLM(), NextSentence()])
    return model, batch_of(SentencePairs(store, length=LENGTH), model)


def gpt(store: TokenStore) -> tuple[Any, Any]:
    decoder = Decoder(store.vocabulary.size, 16, depth=1, heads=2, maximum_length=LENGTH)
    model = Pretrainer(decoder, [CausalLM()])
    return model, batch_of(PackedSequences(store, length=LENGTH, separate=True), model)


def word2vec(architecture: str) -> Callable[[TokenStore], tuple[Any, Any]]:
    def make(store: TokenStore) -> tuple[Any, Any]:
        model = Word2Vec(store.vocabulary.size, 8, architecture, window=3)
        return model, batch_of(Windows(store, length=64, block=32, window=3, sample=0.0), model)

    return make


def tuned(kind: Callable[..., Any], labels: np.ndarray) -> Callable[[TokenStore], tuple[Any, Any]]:
    def make(store: TokenStore) -> tuple[Any, Any]:
        ids = np.random.default_rng(0).integers(5, store.vocabulary.size, (ROWS, LENGTH)).astype(np.int32)
        inputs = {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": np.ones(ids.shape, bool)}
        return kind(encoder(store), tokenizer=load_tokenizer(store.tokenizer_folder)), (inputs, labels)

    return make


def classifier(backbone: Any, tokenizer: Any) -> Classifier:
    return Classifier(backbone, ["file", "pet"], tokenizer=tokenizer)


def tagger(backbone: Any, tokenizer: Any) -> Tagger:
    return Tagger(backbone, ["O", "B-X", "I-X"], tokenizer=tokenizer)


MODELS = {
    "bert": bert,
    "gpt": gpt,
    "skip-gram": word2vec("skip-gram"),
    "cbow": word2vec("cbow"),
    "classifier": tuned(classifier, np.array([0, 1, 1, 0], np.int32)),
    "regressor": tuned(Regressor, np.array([0.5, 1.0, -1.0, 0.0], np.float32)),
    "tagger": tuned(tagger, np.tile(np.array([0, 1, 2, 0], np.int32), (ROWS, LENGTH // 4))),
}


@pytest.mark.parametrize("name", MODELS)
def test_steps_are_compiled_by_xla(store: TokenStore, name: str) -> None:
    model, data = MODELS[name](store)
    plain = isinstance(model, Word2Vec)
    optimizer: Any = keras.optimizers.SGD(0.1) if plain else adamw(0.01, 10, gradient_accumulation_steps=2)
    model.compile(optimizer=optimizer, jit_compile=True, steps_per_execution=2)
    inputs, labels = data if isinstance(data, tuple) else (data, None)
    repeated = tf.data.Dataset.from_tensors(inputs if labels is None else (inputs, labels)).repeat(4)
    losses = model.fit(repeated, epochs=2, shuffle=False, verbose=0).history["loss"]
    assert losses[1] < losses[0]
    assert np.isfinite(model.evaluate(repeated, verbose=0, return_dict=True)["loss"])
    model.predict(repeated, verbose=0)
    assert model.jit_compile is True
