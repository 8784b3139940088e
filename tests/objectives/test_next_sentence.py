from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.objectives import NextSentence, Pretrainer
from tests import reference
from tests.batches import random_batch, tiny_encoder
from tests.numbers import normal, randomize

BATCH = random_batch()


def test_the_loss_is_the_mean_over_the_pairs() -> None:
    objective, logits = NextSentence(), normal(4, 2)
    labels = BATCH["next_sentence_labels"]
    expected = reference.cross_entropy(logits, labels).mean()
    assert float(objective.loss(BATCH, ops.convert_to_tensor(logits))) == pytest.approx(expected, rel=1e-6)
    assert float(objective.loss_metric.result()) == pytest.approx(expected, rel=1e-6)
    assert float(objective.accuracy_metric.result()) == pytest.approx((logits.argmax(-1) == labels).mean())


def test_label_zero_means_that_it_follows() -> None:
    logits = np.array([[2.0, 0.0]] * 2, np.float32)
    losses, hits, weights = NextSentence().losses_and_hits(
        {"next_sentence_labels": np.array([0, 1], np.int32)}, ops.convert_to_tensor(logits)
    )
    assert ops.convert_to_numpy(losses).tolist() == pytest.approx([np.log(1 + np.exp(-2)), np.log(1 + np.exp(2))])
    assert ops.convert_to_numpy(hits).tolist() == [1.0, 0.0]
    assert ops.convert_to_numpy(weights).tolist() == [1.0, 1.0]


def test_logits_are_of_the_pooled_vector() -> None:
    model = Pretrainer(tiny_encoder(), [NextSentence()])
    weights = randomize(model.backbone)
    head = randomize(model.objectives[0].head, seed=1)
    _, pooled = reference.encoder(
        BATCH["token_ids"], BATCH["segment_ids"], BATCH["padding_mask"], weights, depth=2, heads=2
    )
    expected = pooled @ head["kernel"] + head["bias"]
    np.testing.assert_allclose(model.predict(BATCH, verbose=0)["next_sentence"], expected, atol=5e-5)


def test_it_needs_a_pooler() -> None:
    with pytest.raises(
        InputError, match="NextSentence needs the backbone's pooled output; build the encoder with pool"
    ):
        Pretrainer(tiny_encoder(pooler=False), [NextSentence()])
