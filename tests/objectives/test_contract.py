from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest

from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer, Word2Vec
from tests.batches import random_batch, tiny_decoder, tiny_encoder
from tests.contract import CHECKS, Case, classes_of
from tests.objectives import word2vec_reference as word2vec

BATCH = random_batch()
WORDS = word2vec.random_batch()


def pretrainer(**options: Any) -> Pretrainer:
    """A pre-training model; its precision is that of its parts."""
    objectives = [MaskedLM(rate=0.2, **options), NextSentence(weight=0.5, **options)]
    return Pretrainer(tiny_encoder(dropout=0.1, **options), objectives)


def vectors(architecture: str, **options: Any) -> Word2Vec:
    """A word2vec model whose second table is not zero, so that a gradient reaches the first."""
    model = Word2Vec(word2vec.VOCABULARY, word2vec.WIDTH, architecture, window=word2vec.WINDOW, **options)
    model.context_table.assign(model.word_table.value * 2.0)
    return model


def under(objective: Any, case: Case) -> Pretrainer:
    """A backbone that gives the objective just what it reads, so that a gradient reaches every weight."""
    options = {"dtype": objective.dtype_policy, "pooler": isinstance(objective, NextSentence)}
    return Pretrainer(tiny_encoder(**options), [objective])


def built(objective: Any, tensors: Any) -> Any:
    """The logits for made-up vectors of the sequence, with a head of its own."""
    model = under(objective, CASES["MaskedLM"])
    names = {name: tensors[name] for name in model.backbone.input}
    return objective(model.backbone(names), tensors, project=lambda x: model.backbone.token_embedding(x, reverse=True))


CASES = {
    "CausalLM": Case(
        lambda **k: CausalLM(weight=0.5, name="next", **k),
        {name: BATCH[name] for name in ("token_ids", "causal_labels", "causal_weights")},
        lambda objective, tensors: objective(
            CASES["CausalLM"].model(objective, CASES["CausalLM"]).backbone(tensors),
            tensors,
            project=lambda x: keras.ops.matmul(x, keras.ops.ones((16, 23), x.dtype)),
        ),
        lambda objective, case: Pretrainer(tiny_decoder(dtype=objective.dtype_policy), [objective]),
        self_labelled=True,
    ),
    "MaskedLM": Case(
        lambda **k: MaskedLM(rate=0.2, predictions=3, whole_words=True, weight=2.0, name="words", **k),
        BATCH,
        built,
        under,
        self_labelled=True,
    ),
    "NextSentence": Case(
        lambda **k: NextSentence(weight=0.5, name="follows", **k), BATCH, built, under, self_labelled=True
    ),
    "Word2Vec skip-gram": Case(
        lambda **k: vectors("skip-gram", **k), WORDS, model=lambda model, case: model, self_labelled=True
    ),
    "Word2Vec cbow": Case(
        lambda **k: vectors("cbow", negatives=2, **k), WORDS, model=lambda model, case: model, self_labelled=True
    ),
    "Pretrainer": Case(pretrainer, BATCH, model=lambda model, case: model, self_labelled=True),
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("case", CASES)
def test_contract(case: str, check: str, tmp_path: Path) -> None:
    CHECKS[check](CASES[case], tmp_path)


def test_every_objective_is_under_contract() -> None:
    assert {case.split()[0] for case in CASES} == classes_of("kpt.objectives")
