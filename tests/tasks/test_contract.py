from __future__ import annotations

from pathlib import Path

import pytest

from kpt.models import Encoder
from kpt.tasks import Classifier, MultiTask, QuestionAnswerer, Regressor, Tagger
from tests.batches import inputs_of, random_batch, tiny_decoder, tiny_encoder
from tests.contract import CHECKS, Case, classes_of

INPUTS = inputs_of(random_batch())
INPUTS["padding_mask"][:2] = True  # each position is seen, so that a gradient reaches its vector
LABELS = ["neg", "neutral", "pos"]


def two_tasks(encoder: Encoder) -> MultiTask:
    return MultiTask({"mood": Classifier(encoder, LABELS), "words": Tagger(encoder, ["O", "B-x", "I-x"])})


CASES = {
    "Classifier": Case(lambda **k: Classifier(tiny_encoder(pooler=False, **k), LABELS, dropout=0.3, length=7), INPUTS),
    "Classifier of several": Case(
        lambda **k: Classifier(tiny_encoder(**k), LABELS, multi_label=True, pooling="pooled", document_width=3), INPUTS
    ),
    "Classifier causal": Case(lambda **k: Classifier(tiny_decoder(**k), LABELS, pooling="last"), INPUTS),
    "Regressor": Case(
        lambda **k: Regressor(tiny_encoder(pooler=False, **k), mean=2.0, deviation=0.5, pooling="first"),
        INPUTS,
        lambda made, tensors: made(tensors)[:, None],
    ),
    "QuestionAnswerer": Case(
        lambda **k: QuestionAnswerer(tiny_encoder(pooler=False, **k), stride=3, threshold=1.5),
        INPUTS,
    ),
    "Tagger": Case(
        lambda **k: Tagger(tiny_encoder(pooler=False, **k), ["O", "B-x", "I-x"], dropout=0.3),
        INPUTS,
    ),
    "MultiTask": Case(lambda **k: two_tasks(tiny_encoder(pooler=False, **k)), INPUTS),
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("case", CASES)
def test_contract(case: str, check: str, tmp_path: Path) -> None:
    CHECKS[check](CASES[case], tmp_path)


def test_every_task_model_is_under_contract() -> None:
    assert {case.split()[0] for case in CASES} == classes_of("kpt.tasks") - {"SpanCrossentropy"}  # which is a loss
