from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from kpt.data.glue import GLUE
from kpt.errors import InputError
from kpt.evaluation import classification_scores, confusion_matrix
from kpt.evaluation.glue import glue_scores


@pytest.mark.parametrize("name", ["MRPC", "QQP"])
def test_f1_is_that_of_the_positive_class(name: str) -> None:
    generator = np.random.default_rng(0)
    truth, guess = generator.integers(0, 2, 50), generator.integers(0, 2, 50)
    # The model's labels are in the order of the alphabet, so the positive one is the first.
    labels = sorted(GLUE[name].names.values())
    positive = labels.index(GLUE[name].names["1"])
    results: dict[str, Any] = {
        **classification_scores(truth, guess, 2),
        "labels": labels,
        "confusion": confusion_matrix(truth, guess, 2).tolist(),
    }
    found = glue_scores(name, results)
    expected = f1_score(truth, guess, pos_label=positive)
    assert found["f1"] == pytest.approx(expected, abs=1e-6) and set(found) == {"accuracy", "f1", "score"}
    assert found["score"] == pytest.approx(50 * (expected + (truth == guess).mean()), abs=0.01)


def test_what_the_other_tasks_count() -> None:
    results = {"accuracy": 0.75, "matthews": 0.5, "pearson": 0.25, "spearman": 0.75, "macro_f1": 0.1}
    assert glue_scores("CoLA", results) == {"matthews": 0.5, "score": 50.0}
    assert glue_scores("STS-B", results) == {"pearson": 0.25, "spearman": 0.75, "score": 50.0}
    for name in ("SST-2", "MNLI", "QNLI", "RTE", "WNLI"):
        assert glue_scores(name, results) == {"accuracy": 0.75, "score": 75.0}
    with pytest.raises(InputError, match="STS-B is scored by pearson, which the evaluation has not"):
        glue_scores("STS-B", {"accuracy": 1.0})
