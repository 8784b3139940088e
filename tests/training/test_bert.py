from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kpt import InputError
from kpt.data import Batches, prepare
from kpt.models import SIZES
from kpt.objectives import MaskedLM, NextSentence
from kpt.text import CharacterTokenizer
from kpt.training.bert import BertPretraining, BertSettings, pretrain_bert
from tests.training.small_store import DOCUMENTS, small_store


def test_the_model_and_its_examples(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    task = BertPretraining(BertSettings(steps=5, size="tiny", length=24, whole_words=True))
    model = task.model(store.vocabulary)
    assert [type(objective) for objective in model.objectives] == [MaskedLM, NextSentence]
    assert model.objectives[0].whole_words
    assert (model.backbone.width, model.backbone.vocabulary_size) == (SIZES["tiny"][1], 90)
    assert task.examples(store).examples(0, 2)["token_ids"].shape == (2, 24)
    samples = task.samples(model, store)
    assert len(samples) == 8 and all("next_sentence" in sample for sample in samples)


def test_the_next_sentence_needs_no_model_to_be_a_coin(tmp_path: Path) -> None:
    train, held_out = small_store(tmp_path / "store").split(0.2, 0)
    task = BertPretraining(BertSettings(steps=5, length=24))
    batches = Batches(task.examples(held_out), [MaskedLM()], batch_size=4, steps=1, repeat=True)
    baselines = task.baselines(train, batches)
    assert baselines["next_sentence_loss"] == pytest.approx(np.log(2))
    assert baselines["masked_lm_accuracy_words"].startswith("always “")


def test_a_store_without_the_tokens_of_bert_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    store = prepare(DOCUMENTS, CharacterTokenizer.train(DOCUMENTS), tmp_path / "store", progress=False)
    settings = BertSettings(steps=5, size="tiny", length=24, held_out=0.2)
    with pytest.raises(InputError, match="no token for the role"):
        pretrain_bert(store.folder, tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()
