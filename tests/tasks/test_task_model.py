from __future__ import annotations

import numpy as np
import pytest

from kpt import InputError
from kpt.tasks import Classifier, TaskModel
from kpt.tasks.task_model import as_labels
from tests.batches import inputs_of, random_batch, tiny_decoder, tiny_encoder
from tests.numbers import array, randomize

INPUTS = inputs_of(random_batch())
LABELS = ["a", "b"]


@pytest.mark.parametrize("pooling", ["mean", "distinct", "first", "last", "pooled"])
def test_the_head_reads_what_the_pooling_says(pooling: str) -> None:
    encoder = tiny_encoder()
    model = Classifier(encoder, LABELS, pooling=pooling, dropout=0.5)
    randomize(model)
    outputs = {name: array(value).astype("float64") for name, value in encoder(INPUTS).items()}
    mask = INPUTS["padding_mask"]
    vectors = {
        "mean": [row[real].mean(axis=0) for row, real in zip(outputs["sequence"], mask, strict=True)],
        "distinct": [
            np.mean([row[real & (ids == token)].mean(axis=0) for token in set(ids[real])], axis=0)
            for row, real, ids in zip(outputs["sequence"], mask, INPUTS["token_ids"], strict=True)
        ],
        "first": outputs["sequence"][:, 0],
        "last": outputs["sequence"][np.arange(4), mask.sum(axis=1) - 1],
        "pooled": outputs["pooled"],
    }[pooling]
    kernel, bias = (array(weight).astype("float64") for weight in model.head.weights)
    np.testing.assert_allclose(array(model(INPUTS)), np.asarray(vectors) @ kernel + bias, atol=1e-4)


@pytest.mark.parametrize("windows", [1, 4])
def test_the_vectors_of_distinct_tokens_stand_beside_the_pooled_one(windows: int) -> None:
    encoder = tiny_encoder()
    model = Classifier(encoder, LABELS, document_width=3, dropout=0.5, length=8, windows=windows)
    assert model.document_vectors.name == f"{model.name}_documents"
    randomize(model)
    plain = Classifier(encoder, LABELS, length=8, windows=windows)
    kernel, bias = (array(weight).astype("float64") for weight in model.head.weights)
    plain.head.kernel.assign(kernel[: encoder.width])
    plain.head.bias.assign(bias)
    table = array(model.document_vectors.kernel).astype("float64")
    ids, mask = INPUTS["token_ids"], INPUTS["padding_mask"]
    means = [table[sorted(set(row[real]))].mean(axis=0) for row, real in zip(ids, mask, strict=True)]
    expected = array(plain(INPUTS)) + np.asarray(means) @ kernel[encoder.width :]
    np.testing.assert_allclose(array(model(INPUTS)), expected, atol=1e-4)


def test_the_vectors_of_distinct_tokens_are_read_in_32_bits_by_a_model_of_16() -> None:
    """They have a great part in common, beside which 16 bits would leave nothing of what tells texts apart."""
    model = Classifier(tiny_encoder(dtype="mixed_bfloat16"), LABELS, document_width=3, length=8)
    table = 1000 + np.random.default_rng(0).normal(size=model.document_vectors.kernel.shape)
    model.document_vectors.kernel.assign(table)
    model.head.kernel.assign(np.concatenate([np.zeros((model.backbone.width, 2)), np.eye(3)[:, :2]]))
    ids, mask = INPUTS["token_ids"], INPUTS["padding_mask"]
    means = [table[sorted(set(row[real]))].mean(axis=0) for row, real in zip(ids, mask, strict=True)]
    np.testing.assert_allclose(array(model(INPUTS)), np.asarray(means)[:, :2], atol=1e-3)


def test_a_document_width_is_for_whole_texts() -> None:
    for options in ({"document_width": -1}, {"document_width": 4, "pooling": None}):
        with pytest.raises(InputError, match="document_width is"):
            TaskModel(tiny_encoder(), 2, **options)


def test_padding_changes_nothing_of_a_decoder_either() -> None:
    model = Classifier(tiny_decoder(), LABELS, pooling="last")
    randomize(model)
    short = {name: value[:, :6] for name, value in INPUTS.items()}
    short["padding_mask"] = np.ones((4, 6), bool)
    padded = {name: np.pad(value, ((0, 0), (0, 3))) for name, value in short.items()}
    np.testing.assert_allclose(array(model(short)), array(model(padded)), atol=1e-5)
    segments = {**short, "segment_ids": np.ones((4, 6), "int32") * (np.arange(6) > 2)}
    np.testing.assert_array_equal(array(model(short)), array(model(segments)))  # no wall between two texts


def test_a_pooler_that_nothing_reads_is_not_trained() -> None:
    assert any(
        "pooler" in weight.path for weight in Classifier(tiny_encoder(), LABELS, pooling="pooled").trainable_weights
    )
    assert not any("pooler" in weight.path for weight in Classifier(tiny_encoder(), LABELS).trainable_weights)


def test_labels_keep_their_kind() -> None:
    assert as_labels(np.array(["a", "b"])) == ["a", "b"] and as_labels(("a",)) == ["a"]
    assert as_labels(np.array([1, 2])).dtype.kind == "i"


def test_refusals() -> None:
    with pytest.raises(InputError, match="no output 'pooled'"):
        Classifier(tiny_decoder(), LABELS, pooling="pooled")
    with pytest.raises(InputError, match="Unknown pooling 'max'"):
        Classifier(tiny_encoder(), LABELS, pooling="max")
    with pytest.raises(InputError, match="length is 10; the positions of the model allow 1 to 9"):
        Classifier(tiny_encoder(), LABELS, length=10)
    with pytest.raises(InputError, match="the model has no tokenizer"):
        Classifier(tiny_encoder(), LABELS).predict(["a"])
