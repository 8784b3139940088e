from __future__ import annotations

import numpy as np
import pytest

from kpt.data import LabelledTexts
from kpt.errors import InputError
from kpt.evaluation.groups import group_scores
from kpt.tasks import Classifier
from tests.tasks.small_task import LABELS, TEXTS, small_encoder, small_tokenizer

CLASSES = ["neg", "pos"]


def test_scores_and_the_gap_of_the_groups() -> None:
    tokenizer = small_tokenizer()
    model = Classifier(small_encoder(tokenizer), CLASSES, tokenizer=tokenizer, length=16)
    model.head.kernel.assign(np.zeros((16, 2)))
    model.head.bias.assign([0.0, 1.0])  # all are taken for positive
    data = LabelledTexts(TEXTS, None, LABELS, [f"f, line {n}" for n in range(len(TEXTS))])
    films = ["film" if "film" in text else "other" for text in TEXTS]
    films[0] = "other"  # a positive film fewer among 6, of which 3 are
    found = group_scores(model, data, films, resamples=20)
    assert found["groups"]["film"]["accuracy"] == pytest.approx(2 / 5)
    assert found["groups"]["other"]["accuracy"] == pytest.approx(13 / 25)
    assert found["gap"] == {"score": "accuracy", "difference": 0.12, "best": "other", "worst": "film"}
    assert found["groups"]["film"]["texts"] == 5 and "accuracy" in found["groups"]["film"]["intervals"]
    with pytest.raises(InputError, match="2 groups for 30 texts"):
        group_scores(model, data, ["a", "b"])
    with pytest.raises(InputError, match="all 30 texts are of one group, 'a'; group by another field"):
        group_scores(model, data, ["a"] * 30)
