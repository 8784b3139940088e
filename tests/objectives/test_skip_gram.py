from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from kpt.objectives.skip_gram import skip_gram_gradients, skip_gram_loss, skip_gram_softmax_loss
from kpt.objectives.word_blocks import word_blocks
from tests.numbers import array, compiled, normal
from tests.objectives.word2vec_reference import (
    VOCABULARY,
    WIDTH,
    WINDOW,
    Batch,
    random_batch,
    sigmoid,
    skip_gram,
    softmax_loss,
)

WORDS, CONTEXTS = (normal(VOCABULARY, WIDTH, seed=seed, scale=0.7) for seed in (1, 2))


def rows_of(table: np.ndarray) -> Any:
    tensor = ops.convert_to_tensor(table)
    return lambda ids: ops.take(tensor, ids, axis=0)


def once(shares: Any, *others: Any) -> Any:
    return ops.ones_like(shares[..., 0])


def gradients(
    batch: Batch, negatives: float, rates: Any = (once, once), measured: int = 1, whole: bool = False
) -> tuple[Any, ...]:
    """Gradients of both whole tables, loss and number; by blocks, or by the places of windows of whole passages."""
    piece = batch["token_ids"].shape[1] if whole else None
    blocks = word_blocks({name: ops.convert_to_tensor(each) for name, each in batch.items()}, WINDOW, piece)
    found = compiled(lambda: skip_gram_gradients(rows_of(WORDS), rows_of(CONTEXTS), blocks, negatives, rates, measured))
    tables = np.zeros((2, VOCABULARY, WIDTH))
    for table, (ids, rows) in zip(tables, found[:2], strict=True):
        np.add.at(table, np.asarray(ops.convert_to_numpy(ids)), array(rows))
    return tables[0], tables[1], array(found[2]), array(found[3])


@pytest.mark.parametrize("whole", [False, True], ids=["blocks", "passages"])
def test_gradients_and_loss_are_the_formulas(whole: bool) -> None:
    batch = random_batch()
    loss, pairs, of_words, of_contexts = skip_gram(batch, WORDS.astype(float), CONTEXTS.astype(float), 3)
    found = gradients(batch, 3, whole=whole)
    np.testing.assert_allclose(found[0], of_words, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], of_contexts, rtol=1e-4, atol=1e-5)
    assert found[2] == pytest.approx(loss, rel=1e-5) and found[3] == pairs > 50
    blocks = word_blocks({name: ops.convert_to_tensor(each) for name, each in batch.items()}, WINDOW)
    alone = compiled(lambda: skip_gram_loss(rows_of(WORDS), rows_of(CONTEXTS), blocks, 3))
    assert array(alone[0]) == pytest.approx(loss, rel=1e-5) and array(alone[1]) == pairs


@pytest.mark.parametrize("whole", [False, True], ids=["blocks", "passages"])
def test_rates_multiply_the_rows_of_each_occurrence(whole: bool) -> None:
    batch = random_batch()
    double, triple = (
        gradients(batch, 3, (lambda s, *o: 2 * once(s, *o), lambda s, *o: 3 * once(s, *o)), whole=whole),
        gradients(batch, 3, whole=whole),
    )
    np.testing.assert_allclose(double[0], 2 * triple[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(double[1], 3 * triple[1], rtol=1e-5, atol=1e-6)
    # by the share of the word at its place: here 1 for one id and 0 for all others
    chosen = 7
    for name in ("token", "negative"):
        batch[f"{name}_shares"][:] = (batch[f"{name}_ids"] == chosen)[..., None]
    only = gradients(batch, 3, (lambda s, *_: s[..., 0], lambda s, *_: s[..., 1]), whole=whole)
    for found, whole in zip(only[:2], triple[:2], strict=True):
        np.testing.assert_allclose(found[chosen], whole[chosen], rtol=1e-5, atol=1e-6)
        assert np.abs(np.delete(found, chosen, axis=0)).max() == 0


@pytest.mark.parametrize("whole", [False, True], ids=["blocks", "passages"])
def test_the_loss_may_be_that_of_some_blocks(whole: bool) -> None:
    batch = random_batch(rows=1, blocks=4)
    found = gradients(batch, 3, measured=2, whole=whole)
    batch["before"][:, 4:8] = batch["before"][:, 12:] = batch["after"][:, 4:8] = batch["after"][:, 12:] = 0
    loss, pairs, _, _ = skip_gram(batch, WORDS.astype(float), CONTEXTS.astype(float), 3)
    assert found[2] == pytest.approx(loss, rel=1e-5) and found[3] == pairs


def test_shared_negatives_leave_the_expected_gradient_that_of_the_formula() -> None:
    """The mean over many draws against the expectation, in which each pair has its own k negatives."""
    negatives, draws, shared = 5, 4000, 3
    batch = random_batch(rows=1, blocks=2, shared=shared)
    noise = np.random.default_rng(3).dirichlet(np.ones(VOCABULARY - 1))
    noise = np.concatenate([[0.0], noise])
    words, contexts = WORDS.astype(float), CONTEXTS.astype(float)
    _, _, of_words, of_contexts = skip_gram(batch, words, contexts, 0)  # the positive parts
    ids = batch["token_ids"][0]
    for i, word in enumerate(ids.tolist()):
        pairs = int(batch["before"][0, i] + batch["after"][0, i])
        for target in range(VOCABULARY):
            slope = pairs * negatives * noise[target] * sigmoid(contexts[target] @ words[word])
            of_words[word] += slope * contexts[target]
            of_contexts[target] += slope * words[word]
    many = {name: np.repeat(each, draws, axis=0) for name, each in batch.items()}
    generator = np.random.default_rng(4)
    many["negative_ids"] = generator.choice(VOCABULARY, (draws, 2, shared), p=noise).astype("int32")
    found = gradients(many, negatives)
    scale = np.abs(of_contexts).max()
    np.testing.assert_allclose(found[0] / draws, of_words, atol=0.03 * np.abs(of_words).max())
    np.testing.assert_allclose(found[1] / draws, of_contexts, atol=0.03 * scale)
    biased = gradients(many, shared)  # the negatives counted once each: what forgetting the weight would give
    assert np.abs(biased[1] / draws - of_contexts).max() > 0.1 * scale


def test_the_full_softmax_is_the_formula() -> None:
    batch = random_batch()
    blocks = word_blocks({name: ops.convert_to_tensor(each) for name, each in batch.items()}, WINDOW)
    found = compiled(lambda: skip_gram_softmax_loss(rows_of(WORDS), ops.convert_to_tensor(CONTEXTS), blocks))
    loss, pairs = softmax_loss(batch, WORDS.astype(float), CONTEXTS.astype(float), "skip-gram")
    assert array(found[0]) == pytest.approx(loss, rel=1e-5) and array(found[1]) == pairs
