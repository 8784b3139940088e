from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt.data import Batches, TokenStore, Windows, prepare
from kpt.errors import InputError
from kpt.objectives import Word2Vec
from kpt.objectives.word2vec import CURVATURE
from kpt.text import WordTokenizer
from kpt.training import WarmupDecay
from tests.numbers import array, gradients, randomize
from tests.objectives.word2vec_reference import (
    REFERENCES,
    VOCABULARY,
    WIDTH,
    WINDOW,
    random_batch,
    softmax_loss,
    windows_of,
)

ARCHITECTURES = ["skip-gram", "cbow"]


def tiny(architecture: str = "skip-gram", **options: Any) -> Word2Vec:
    return Word2Vec(VOCABULARY, WIDTH, architecture, window=WINDOW, **options)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    """Sentences of words from one of four groups: words of a group occur together."""
    generator = np.random.default_rng(0)
    sentences = []
    for _ in range(1500):
        group = generator.integers(4)
        sentences.append(" ".join(f"{group}-{word}" for word in generator.integers(0, 8, 12)))
    tokenizer = WordTokenizer.train(sentences, minimum_frequency=1)
    return prepare(sentences, tokenizer, tmp_path_factory.mktemp("groups") / "store", split=str.splitlines)


def batches(store: TokenStore, steps: int, rows: int = 1, **options: Any) -> Batches:
    maker = Windows(store, length=256, window=WINDOW, sample=0, seed=1)
    return Batches(maker, batch_size=rows, steps=steps, **options)


def damped(
    batch: dict[str, np.ndarray], per_word: np.ndarray, architecture: str, rate: float, tables: Any
) -> tuple[Any, Any]:
    """The factors on the rows of both tables for k = 3, where every occurrence of a word has the same shares."""
    words, contexts = tables
    length = batch["token_ids"].shape[1]
    block = length // batch["negative_ids"].shape[1]
    own = batch["token_ids"].reshape(-1, block)
    targets = np.concatenate([own, batch["negative_ids"].reshape(len(own), -1)], axis=1)
    if architecture == "skip-gram":
        pairs = WINDOW + 1
        inputs = words[batch["token_ids"]]
    else:
        pairs = 1
        windows = [window for _, window, _ in windows_of(batch)]
        inputs = np.array([words[window].mean(axis=0) if window else 0 * words[0] for window in windows])
    reach = CURVATURE * rate * pairs * batch["token_ids"].size
    kept, drawn = per_word.T.astype(float)
    of_targets, of_inputs = (np.square(rows).sum(axis=-1).mean() for rows in (contexts[targets], inputs))
    return 1 / np.maximum(1, reach * of_targets * 4 * kept), 1 / np.maximum(1, reach * of_inputs * (kept + 3 * drawn))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shares", [0.0, 3.0])
def test_a_step_descends_the_gradient_of_the_sum_of_the_losses(architecture: str, shares: float) -> None:
    model = tiny(architecture, negatives=3)
    before = randomize(model, scale=0.7)
    words, contexts = before["word_vectors"], before["context_vectors"]
    batch = random_batch()
    per_word = np.random.default_rng(5).uniform(0, shares, (VOCABULARY, 2)).astype("float32")
    for name in ("token", "negative"):
        batch[f"{name}_shares"] = per_word[batch[f"{name}_ids"]]
    rate = 0.1
    model.compile(optimizer=keras.optimizers.SGD(rate))
    history = model.fit(batch, batch_size=2, verbose=0)
    _, _, of_words, of_contexts = REFERENCES[architecture](batch, words, contexts, 3)
    word_rates, context_rates = damped(batch, per_word, architecture, rate, (words, contexts))
    after = array(model.word_table.value), array(model.context_table.value)
    np.testing.assert_allclose(after[0], words - rate * word_rates[:, None] * of_words, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(after[1], contexts - rate * context_rates[:, None] * of_contexts, rtol=1e-4, atol=1e-5)
    assert int(ops.convert_to_numpy(model.optimizer.iterations.value)) == 1
    assert np.isfinite(history.history["loss"][0])
    assert (np.minimum(word_rates, context_rates).min() < 0.9) == (shares > 0)
    if not shares:
        assert (word_rates == 1).all() and (context_rates == 1).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_loss_is_the_mean_and_its_gradient_the_formulas(architecture: str) -> None:
    model = tiny(architecture, negatives=3)
    tables = randomize(model, scale=0.7)
    batch = random_batch()
    tensors = {name: ops.convert_to_tensor(each) for name, each in batch.items()}
    loss, number, *expected = REFERENCES[architecture](batch, tables["word_vectors"], tables["context_vectors"], 3)
    found = gradients(lambda: model.compute_loss(tensors), model.trainable_variables)
    for gradient, table in zip(found, expected, strict=True):
        np.testing.assert_allclose(array(gradient), table / number, rtol=1e-4, atol=1e-6)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    assert model.evaluate(batch, batch_size=2, verbose=0) == pytest.approx(loss / number, rel=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_full_softmax_is_the_reference_for_few_words(architecture: str) -> None:
    model = tiny(architecture, negatives=0)
    tables = randomize(model, scale=0.7)
    batch = random_batch()
    loss, number = softmax_loss(batch, tables["word_vectors"], tables["context_vectors"], architecture)
    model.compile(optimizer=keras.optimizers.SGD(0.5))
    assert model.evaluate(batch, batch_size=2, verbose=0) == pytest.approx(loss / number, rel=1e-5)
    losses = model.fit(batch, batch_size=2, epochs=20, verbose=0).history["loss"]
    assert losses[0] == pytest.approx(loss / number, rel=1e-5) and losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_words_that_occur_together_come_together(architecture: str, store: TokenStore) -> None:
    keras.utils.set_random_seed(1)
    steps = 800
    model = Word2Vec(store.vocabulary.size, 16, architecture, window=WINDOW)
    model.compile(optimizer=keras.optimizers.SGD(WarmupDecay(0.1, steps, floor=0.01)))
    model.fit(batches(store, steps), verbose=0)
    vectors = model.vectors[1:] / np.linalg.norm(model.vectors[1:], axis=1, keepdims=True)
    groups = np.array([token[0] for token in store.vocabulary.tokens[1:]])
    similar = vectors @ vectors.T - 2 * np.eye(len(vectors))
    nearest = groups[np.argsort(-similar, axis=1)[:, :7]]
    assert (nearest == groups[:, None]).mean() > 0.95


def test_a_large_step_on_few_words_does_not_diverge(store: TokenStore) -> None:
    model = Word2Vec(store.vocabulary.size, 16, window=WINDOW)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    losses = model.fit(batches(store, 40, rows=16), verbose=0).history["loss"]
    assert losses[0] < 6 * np.log(2) and np.abs(model.vectors).max() < 10


def test_epochs_and_steps_per_execution_change_nothing(store: TokenStore) -> None:
    tables = []
    together = 1 if keras.backend.backend() == "torch" else 4  # Keras on PyTorch has no more than one at a time
    for options, fit in (({}, {}), ({"steps_per_execution": together}, {"epochs": 2, "steps_per_epoch": 8})):
        keras.utils.set_random_seed(3)
        model = Word2Vec(store.vocabulary.size, 8, window=WINDOW)
        model.compile(optimizer=keras.optimizers.SGD(0.05), **options)
        model.fit(batches(store, 16), verbose=0, **fit)
        assert int(ops.convert_to_numpy(model.optimizer.iterations.value)) == 16
        tables.append(model.vectors)
    np.testing.assert_allclose(tables[0], tables[1], rtol=1e-5, atol=1e-6)


def test_any_other_optimizer_trains_it_too(store: TokenStore) -> None:
    for optimizer in (keras.optimizers.Adam(0.01), keras.optimizers.SGD(1.0, momentum=0.9)):
        model = Word2Vec(store.vocabulary.size, 8, window=WINDOW)
        model.compile(optimizer=optimizer)
        losses = model.fit(batches(store, 40), epochs=2, steps_per_epoch=20, verbose=0).history["loss"]
        assert losses[1] < losses[0] < 6 * np.log(2) + 0.1


def test_predictions_are_the_vectors_of_the_words() -> None:
    model = tiny()
    batch = random_batch()
    np.testing.assert_array_equal(model.predict(batch, verbose=0), model.vectors[batch["token_ids"]])


def test_a_grown_model_keeps_its_vectors(store: TokenStore) -> None:
    model = Word2Vec(store.vocabulary.size, 8, "cbow", window=WINDOW)
    model.compile(optimizer=keras.optimizers.SGD(0.05))
    model.fit(batches(store, 5), verbose=0)
    grown = model.extend(store.vocabulary.size + 10)
    for old, new in zip(model.weights, grown.weights, strict=True):
        np.testing.assert_array_equal(array(new.value)[: store.vocabulary.size], array(old.value))
    fresh = grown.vectors[store.vocabulary.size :]
    assert 0 < np.abs(fresh).max() <= 3 / 8 and grown.architecture == "cbow"
    grown.compile(optimizer=keras.optimizers.SGD(0.05))
    assert np.isfinite(grown.fit(batches(store, 5), verbose=0).history["loss"][0])
    with pytest.raises(InputError, match="are fewer"):
        model.extend(3)


def test_what_does_not_fit_is_refused(store: TokenStore) -> None:
    with pytest.raises(InputError, match="Unknown architecture 'glove'"):
        tiny("glove")
    with pytest.raises(InputError, match="width is 0"):
        Word2Vec(5, 0)
    model = Word2Vec(5, 4)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    with pytest.raises(InputError, match="33 ids and the model 5"):
        model.fit(batches(store, 1))
    narrow = Word2Vec(33, 4, window=2)
    narrow.compile(optimizer=keras.optimizers.SGD(0.1))
    with pytest.raises(InputError, match="windows of up to 3"):
        narrow.fit(batches(store, 1))


def run(script: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-2000:]


PARALLEL = """
import keras, numpy as np
from kpt.objectives import Word2Vec
from kpt.objectives.word2vec import CURVATURE
from tests.objectives.word2vec_reference import VOCABULARY, WIDTH, WINDOW, random_batch
batch = random_batch(rows=8)
def train(architecture):
    keras.utils.set_random_seed(2)
    model = Word2Vec(VOCABULARY, WIDTH, architecture, window=WINDOW)
    model.context_table.assign(np.random.default_rng(1).normal(size=(VOCABULARY, WIDTH)))
    model.compile(optimizer=keras.optimizers.SGD(0.05))
    model.fit(batch, batch_size=8, epochs=3, verbose=0)
    return model.vectors, np.asarray(keras.ops.convert_to_numpy(model.context_table.value))
alone = [*train("skip-gram"), *train("cbow")]
{strategy}
for one, other in zip(alone, parallel):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
"""


def test_data_parallel_training_gives_the_same_vectors() -> None:
    if keras.backend.backend() == "jax":
        strategy = "\n".join(
            [
                "import jax",
                "assert len(jax.devices()) == 8",
                "keras.distribution.set_distribution(keras.distribution.DataParallel(devices=jax.devices()))",
                'parallel = [*train("skip-gram"), *train("cbow")]',
            ]
        )
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
        run(PARALLEL.format(strategy=strategy), XLA_FLAGS=flags, KERAS_BACKEND="jax")
    elif keras.backend.backend() == "tensorflow":
        strategy = "\n".join(
            [
                "import tensorflow as tf",
                "cpus = tf.config.list_logical_devices('CPU')",
                "assert len(cpus) == 2",
                "with tf.distribute.MirroredStrategy(cpus).scope():",
                '    parallel = [*train("skip-gram"), *train("cbow")]',
            ]
        )
        devices = "\n".join(
            [
                "import tensorflow as tf",
                "cpu = tf.config.list_physical_devices('CPU')[0]",
                "tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)",
                "",
            ]
        )
        run(devices + PARALLEL.format(strategy=strategy), KERAS_BACKEND="tensorflow")
    else:
        assert keras.backend.backend() == "torch"  # on which Keras has no distribution
