from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from kpt.objectives.cbow import cbow_gradients, cbow_loss, cbow_softmax_loss
from kpt.objectives.word_blocks import word_blocks
from tests.numbers import array, compiled, normal
from tests.objectives.word2vec_reference import (
    VOCABULARY,
    WIDTH,
    WINDOW,
    Batch,
    cbow,
    random_batch,
    sigmoid,
    softmax_loss,
    windows_of,
)

WORDS, CONTEXTS = (normal(VOCABULARY, WIDTH, seed=seed, scale=0.7) for seed in (1, 2))


def rows_of(table: np.ndarray) -> Any:
    tensor = ops.convert_to_tensor(table)
    return lambda ids: ops.take(tensor, ids, axis=0)


def once(shares: Any, *others: Any) -> Any:
    return ops.ones_like(shares[..., 0])


def gradients(
    batch: Batch, negatives: float, rates: Any = (once, once), measured: int = 1, piece: int | None = None
) -> tuple[Any, ...]:
    """Gradients of both whole tables, loss and number."""
    blocks = word_blocks({name: ops.convert_to_tensor(each) for name, each in batch.items()}, WINDOW, piece)
    found = compiled(lambda: cbow_gradients(rows_of(WORDS), rows_of(CONTEXTS), blocks, negatives, rates, measured))
    tables = np.zeros((2, VOCABULARY, WIDTH))
    for table, (ids, rows) in zip(tables, found[:2], strict=True):
        np.add.at(table, np.asarray(ops.convert_to_numpy(ids)), array(rows))
    return tables[0], tables[1], array(found[2]), array(found[3])


@pytest.mark.parametrize(("block", "piece"), [(4, None), (12, 4)])
def test_gradients_and_loss_are_the_formulas(block: int, piece: int | None) -> None:
    batch = random_batch(block=block)
    loss, predicted, of_words, of_contexts = cbow(batch, WORDS.astype(float), CONTEXTS.astype(float), 3)
    found = gradients(batch, 3, piece=piece)
    np.testing.assert_allclose(found[0], of_words, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], of_contexts, rtol=1e-4, atol=1e-5)
    assert found[2] == pytest.approx(loss, rel=1e-5) and found[3] == predicted < batch["token_ids"].size
    blocks = word_blocks({name: ops.convert_to_tensor(each) for name, each in batch.items()}, WINDOW, piece)
    alone = compiled(lambda: cbow_loss(rows_of(WORDS), rows_of(CONTEXTS), blocks, 3))
    assert array(alone[0]) == pytest.approx(loss, rel=1e-5) and array(alone[1]) == predicted


def test_rates_multiply_the_rows_of_each_occurrence() -> None:
    batch = random_batch()
    whole = gradients(batch, 3)
    chosen = 7
    for name in ("token", "negative"):
        batch[f"{name}_shares"][:] = (batch[f"{name}_ids"] == chosen)[..., None]
    only = gradients(batch, 3, (lambda s, *_: 2 * s[..., 0], lambda s, *_: 3 * s[..., 1]))
    for found, factor, expected in zip(only[:2], (2, 3), whole[:2], strict=True):
        np.testing.assert_allclose(found[chosen], factor * expected[chosen], rtol=1e-5, atol=1e-6)
        assert np.abs(np.delete(found, chosen, axis=0)).max() == 0


def test_the_loss_may_be_that_of_some_blocks() -> None:
    batch = random_batch(rows=1, blocks=4)
    found = gradients(batch, 3, measured=2)
    batch["before"][:, 4:8] = batch["before"][:, 12:] = batch["after"][:, 4:8] = batch["after"][:, 12:] = 0
    loss, predicted, _, _ = cbow(batch, WORDS.astype(float), CONTEXTS.astype(float), 3)
    assert found[2] == pytest.approx(loss, rel=1e-5) and found[3] == predicted


def test_shared_negatives_leave_the_expected_gradient_that_of_the_formula() -> None:
    """The mean over many draws against the expectation, in which each word has its own k negatives."""
    negatives, draws, shared = 5, 4000, 3
    batch = random_batch(rows=1, blocks=2, shared=shared)
    noise = np.concatenate([[0.0], np.random.default_rng(3).dirichlet(np.ones(VOCABULARY - 1))])
    words, contexts = WORDS.astype(float), CONTEXTS.astype(float)
    _, _, of_words, of_contexts = cbow(batch, words, contexts, 0)  # the positive parts
    for _, window, _ in windows_of(batch):
        if not window:
            continue
        mean = words[window].mean(axis=0)
        for target in range(VOCABULARY):
            slope = negatives * noise[target] * sigmoid(contexts[target] @ mean)
            of_contexts[target] += slope * mean
            for context in window:
                of_words[context] += slope * contexts[target]
    many = {name: np.repeat(each, draws, axis=0) for name, each in batch.items()}
    generator = np.random.default_rng(4)
    many["negative_ids"] = generator.choice(VOCABULARY, (draws, 2, shared), p=noise).astype("int32")
    found = gradients(many, negatives)
    np.testing.assert_allclose(found[0] / draws, of_words, atol=0.03 * np.abs(of_words).max())
    np.testing.assert_allclose(found[1] / draws, of_contexts, atol=0.03 * np.abs(of_contexts).max())


def test_the_full_softmax_is_the_formula() -> None:
    batch = random_batch()
    blocks = word_blocks({name: ops.convert_to_tensor(each) for name, each in batch.items()}, WINDOW)
    found = compiled(lambda: cbow_softmax_loss(rows_of(WORDS), ops.convert_to_tensor(CONTEXTS), blocks))
    loss, predicted = softmax_loss(batch, WORDS.astype(float), CONTEXTS.astype(float), "cbow")
    assert array(found[0]) == pytest.approx(loss, rel=1e-5) and array(found[1]) == predicted
