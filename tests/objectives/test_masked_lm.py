from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.objectives import MaskedLM, Pretrainer
from kpt.objectives.masking import mask_tokens
from kpt.text import Vocabulary
from tests import reference
from tests.batches import VOCABULARY, random_batch, tiny_encoder
from tests.numbers import normal, randomize

BATCH = random_batch()


def test_the_loss_is_the_mean_over_the_predicted_tokens() -> None:
    objective, logits = MaskedLM(), normal(4, 3, VOCABULARY, scale=2.0)
    losses = reference.cross_entropy(logits, BATCH["mask_labels"])
    weights = BATCH["mask_weights"]
    assert weights.sum() == 10  # three slots of three rows, and one of the last
    loss = objective.loss(BATCH, ops.convert_to_tensor(logits))
    assert float(loss) == pytest.approx((losses * weights).sum() / 10, rel=1e-6)
    hits = (logits.argmax(axis=-1) == BATCH["mask_labels"]) * weights
    assert float(objective.loss_metric.result()) == pytest.approx(float(loss), rel=1e-6)
    assert float(objective.accuracy_metric.result()) == pytest.approx(hits.sum() / 10)


def test_accuracy_counts_the_weighted_slots_alone() -> None:
    objective = MaskedLM()
    logits = np.full((4, 3, VOCABULARY), -5.0, np.float32)
    np.put_along_axis(logits, BATCH["mask_labels"][..., None], 5.0, axis=-1)
    logits[-1, 1:] = 0.0  # wrong, but of no weight
    logits[0, 0] = 0.0  # wrong
    objective.loss(BATCH, ops.convert_to_tensor(logits))
    assert float(objective.accuracy_metric.result()) == pytest.approx(0.9)


def test_without_any_prediction_the_loss_is_zero() -> None:
    objective = MaskedLM()
    batch = {**BATCH, "mask_weights": np.zeros((4, 3), np.float32)}
    assert float(objective.loss(batch, ops.convert_to_tensor(normal(4, 3, VOCABULARY)))) == 0.0
    assert float(objective.loss_metric.result()) == 0.0


def test_logits_are_of_the_masked_positions_and_tied_to_the_embedding() -> None:
    model = Pretrainer(tiny_encoder(), [MaskedLM()])
    weights = randomize(model.backbone)
    head = randomize(model.objectives[0].head, seed=1)
    sequence, _ = reference.encoder(
        BATCH["token_ids"], BATCH["segment_ids"], BATCH["padding_mask"], weights, depth=2, heads=2
    )
    hidden = np.stack([sequence[row, BATCH["mask_positions"][row]] for row in range(4)])
    hidden = reference.gelu(hidden @ head["transform/kernel"] + head["transform/bias"])
    hidden = reference.layer_norm(hidden, **reference.below(head, "norm"))
    expected = hidden @ weights["token_embedding/embeddings"].T + head["bias"]
    np.testing.assert_allclose(model.predict(BATCH, verbose=0)["masked_lm"], expected, atol=5e-5)
    assert len(model.weights) == len(model.backbone.weights) + 5  # no second embedding


def test_corruption_is_mask_tokens_with_the_arguments() -> None:
    vocabulary = Vocabulary.from_tokens(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"{'##' if i % 3 == 0 else ''}w{i}" for i in range(5, 50))]
    )
    token_ids = np.random.default_rng(0).integers(5, 50, (6, 40)).astype("int32")
    batch = {"token_ids": token_ids, "padding_mask": np.ones((6, 40), bool), "segment_ids": np.zeros((6, 40), np.int32)}
    before = token_ids.copy()
    objective = MaskedLM(rate=0.3, predictions=7, whole_words=True)
    result = objective.corrupt(batch, vocabulary, np.random.default_rng(5))
    expected = mask_tokens(
        token_ids,
        batch["padding_mask"],
        vocabulary,
        np.random.default_rng(5),
        rate=0.3,
        predictions=7,
        whole_words=True,
    )
    names = ("token_ids", "mask_positions", "mask_labels", "mask_weights")
    for name, value in zip(names, expected, strict=True):
        np.testing.assert_array_equal(result[name], value)
    assert set(result) == {*names, "padding_mask", "segment_ids"}
    assert result["mask_positions"].shape == (6, 7)
    np.testing.assert_array_equal(token_ids, before)
    assert set(objective.required) <= set(result)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 15.0])
def test_impossible_rates(rate: float) -> None:
    with pytest.raises(InputError, match=f"The masking rate must lie between 0 and 1, not at {rate}"):
        MaskedLM(rate=rate)


def test_no_slots() -> None:
    with pytest.raises(InputError, match="predictions is 0; give 1 slot or more"):
        MaskedLM(predictions=0)
