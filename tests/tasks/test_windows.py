from __future__ import annotations

import numpy as np
import pytest

from kpt import InputError
from kpt.tasks import Classifier
from kpt.tasks.windows import mean_of_windows, split_windows
from tests.batches import tiny_encoder
from tests.export.reference import tiny_tokenizer
from tests.numbers import array, randomize

TOKENIZER = tiny_tokenizer()
TEXTS = ["the cat sat on the mat . the cat sat", "the cat", "", "low lower lowest " * 9]


def classifier(pooling: str = "mean", **options: object) -> Classifier:
    encoder = tiny_encoder(vocabulary_size=TOKENIZER.vocabulary.size)
    model = Classifier(encoder, ["a", "b"], pooling=pooling, tokenizer=TOKENIZER, length=8, **options)  # type: ignore[arg-type]
    randomize(model)
    return model


@pytest.mark.parametrize("pooling", ["mean", "distinct", "first", "last", "pooled"])
def test_the_windows_of_a_text_are_pooled_together(pooling: str) -> None:
    model = classifier(pooling, windows=3)
    kernel, bias = (array(weight).astype("float64") for weight in model.head.weights)
    found = model.predict(TEXTS, batch_size=4)
    vocabulary = TOKENIZER.vocabulary
    for text, logits in zip(TEXTS, found, strict=True):
        ids = TOKENIZER.encode([text]).values.tolist()[:18]
        windows = [[vocabulary.cls_id, *ids[at : at + 6], vocabulary.sep_id] for at in range(0, max(1, len(ids)), 6)]
        outputs = []
        for window in windows:
            one = np.array([window], "int32")
            inputs = {"token_ids": one, "segment_ids": one * 0, "padding_mask": one >= 0}
            outputs.append({n: array(v)[0].astype("float64") for n, v in model.backbone(inputs).items()})
        tokens, vectors = np.concatenate(windows), np.concatenate([each["sequence"] for each in outputs])
        vector = {
            "mean": vectors.mean(axis=0),
            "distinct": np.mean([vectors[tokens == token].mean(axis=0) for token in set(tokens)], axis=0),
            "first": np.mean([each["sequence"][0] for each in outputs], axis=0),
            "last": outputs[-1]["sequence"][-1],
            "pooled": np.mean([each["pooled"] for each in outputs], axis=0),
        }[pooling]
        np.testing.assert_allclose(logits, vector @ kernel + bias, atol=1e-4)


def test_short_texts_are_what_they_are_without_windows() -> None:
    model, texts = classifier(windows=4), ["the cat", ""]
    several = model.predict(texts)
    model.windows = 1
    model.predict_function = None
    np.testing.assert_allclose(several, model.predict(texts), atol=1e-6)


def test_the_end_of_a_text_is_read_with_windows_alone() -> None:
    texts = ["the cat sat on the mat the cat sat on " * 2 + end for end in ("low", "mat") * 8]
    model = classifier(windows=8)
    spreads = []
    for model.windows in (1, 8):
        model.predict_function = None
        spreads.append(np.ptp(model.predict(texts), axis=0).max())
    assert spreads[0] < 1e-6 < 1e-5 < spreads[1]
    model.compile(optimizer="adam")
    assert np.isfinite(model.fit(texts, ["a", "b"] * 8, batch_size=4, verbose=0).history["loss"]).all()


def test_configuration_and_refusal() -> None:
    assert Classifier.from_config(classifier(windows=3).get_config()).windows == 3
    with pytest.raises(InputError, match="windows is 0; give 1 or more"):
        classifier(windows=0)


def test_splitting_and_the_mean() -> None:
    rows = np.arange(10).reshape(2, 5)
    assert array(split_windows(rows, 3)).tolist() == [[0, 1, 2], [3, 4, 0], [5, 6, 7], [8, 9, 0]]
    assert array(split_windows(rows, 9)).tolist() == rows.tolist()
    mask = np.array([[True, True], [False, False], [True, False], [True, True]])
    vectors = np.array([[1.0, 2.0], [5.0, 5.0], [1.0, 3.0], [3.0, 5.0]], "float32")
    assert array(mean_of_windows(vectors, mask, 2)).tolist() == [[1.0, 2.0], [2.0, 4.0]]
