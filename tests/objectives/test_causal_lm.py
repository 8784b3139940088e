from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt.objectives import CausalLM, Pretrainer
from tests import reference
from tests.batches import tiny_decoder
from tests.numbers import array, gradients, randomize


def corrupted(**batch: Any) -> dict[str, np.ndarray]:
    arrays = {name: np.asarray(value) for name, value in batch.items()}
    return CausalLM().corrupt(arrays, None, np.random.default_rng(0))  # type: ignore[arg-type]


def test_labels_are_the_inputs_shifted() -> None:
    batch = corrupted(token_ids=[[5, 6, 7, 8], [9, 5, 6, 7]], positions=[[0, 1, 2, 3], [0, 1, 2, 3]], rows=[3, 4])
    assert {name: value.tolist() for name, value in batch.items()} == {
        "token_ids": [[5, 6, 7], [9, 5, 6]],
        "positions": [[0, 1, 2], [0, 1, 2]],
        "rows": [3, 4],
        "causal_labels": [[6, 7, 8], [5, 6, 7]],
        "causal_weights": [[1, 1, 1], [1, 1, 1]],
    }
    assert batch["causal_weights"].dtype == np.float32


def test_padding_and_the_first_token_of_another_segment_are_not_predicted() -> None:
    batch = corrupted(token_ids=[[5, 6, 7, 0]], padding_mask=[[True, True, True, False]])
    assert batch["causal_weights"].tolist() == [[1, 1, 0]]
    assert batch["padding_mask"].tolist() == [[True, True, True]]
    batch = corrupted(token_ids=[[5, 6, 7, 8]], segment_ids=[[0, 0, 1, 1]])
    assert batch["causal_weights"].tolist() == [[1, 0, 1]]


def model_and_batch() -> tuple[Pretrainer, dict[str, np.ndarray]]:
    model = Pretrainer(tiny_decoder(), [CausalLM(weight=2.0)])
    randomize(model)
    tokens = np.random.default_rng(0).integers(0, 23, (4, 10)).astype("int32")
    return model, corrupted(token_ids=tokens, padding_mask=np.arange(10) < np.array([[10], [7], [2], [1]]))


def test_the_loss_in_numpy() -> None:
    model, batch = model_and_batch()
    logits = model.predict(batch, verbose=0)["causal_lm"]
    assert logits.shape == (4, 9, 23)
    losses = reference.cross_entropy(logits, batch["causal_labels"])
    weights = batch["causal_weights"]
    assert weights.sum() == 9 + 6 + 1 + 0
    hits = logits.argmax(axis=-1) == batch["causal_labels"]
    model.compile(optimizer="sgd")
    found = model.evaluate(batch, verbose=0, return_dict=True, batch_size=4)
    assert found["causal_lm_loss"] == pytest.approx((losses * weights).sum() / weights.sum(), abs=1e-5)
    assert found["causal_lm_accuracy"] == pytest.approx((hits * weights).sum() / weights.sum(), abs=1e-6)
    assert found["loss"] == pytest.approx(2 * found["causal_lm_loss"], abs=1e-5)


def test_the_gradient_of_the_tied_embedding_has_both_ways() -> None:
    model, batch = model_and_batch()
    tensors = {name: ops.convert_to_tensor(value) for name, value in batch.items()}
    table = model.backbone.token_embedding.embeddings

    def loss() -> Any:
        return model.compute_loss(tensors, y_pred=model(tensors, training=True))

    gradient = array(gradients(loss, [table])[0])
    direction = np.random.default_rng(1).standard_normal(gradient.shape).astype("float32")
    start, step = array(table.value), 1e-2
    values = []
    for sign in (1, -1):
        table.assign(start + sign * step * direction)
        values.append(float(array(loss())))
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(float((gradient * direction).sum()), rel=0.02)


def test_mixed_precision_sums_in_float32() -> None:
    logits = np.zeros((1, 1, 1000), np.float32)
    inputs = {"causal_labels": np.array([[3]]), "causal_weights": np.ones((1, 1), np.float32)}
    tensors = {name: ops.convert_to_tensor(value) for name, value in inputs.items()}
    losses, hits, _ = CausalLM().losses_and_hits(tensors, ops.cast(ops.convert_to_tensor(logits), "bfloat16"))
    assert keras.backend.standardize_dtype(losses.dtype) == "float32"
    assert float(array(losses)[0, 0]) == pytest.approx(np.log(1000), abs=1e-5)  # in bfloat16 6.90625 or 6.9375
    assert float(array(hits)[0, 0]) == 0.0
