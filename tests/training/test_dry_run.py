from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest
from keras.src.backend.common import global_state

from kpt.data import prepare
from kpt.distribution import Devices
from kpt.text import WordTokenizer
from kpt.training.bert import BertPretraining, BertSettings
from kpt.training.dry_run import bytes_of, costs_of, dry_run, dry_run_word2vec, readable
from kpt.training.gpt import GptPretraining, GptSettings
from kpt.training.pretraining import Pretraining, build_model
from kpt.training.word2vec_settings import Word2VecSettings
from tests.training.small_store import DOCUMENTS, small_store

VOCABULARY: Any = SimpleNamespace(size=90)
TASKS = {
    "bert": BertPretraining(BertSettings(steps=10, size="tiny", architecture="published")),
    "gpt accumulated": GptPretraining(GptSettings(steps=10, size="tiny", accumulate=5)),
    "gpt float16": GptPretraining(GptSettings(steps=10, size="tiny", precision="mixed_float16")),
}


@pytest.mark.parametrize("name", TASKS)
def test_parameters_and_optimizer_are_those_of_the_model_that_is_made(name: str) -> None:
    task: Pretraining = TASKS[name]
    table = costs_of(task, VOCABULARY, Devices())
    model = build_model(task, VOCABULARY)
    model.optimizer.build(model.trainable_variables)
    assert table["parameter_bytes"] == sum(keras.ops.convert_to_numpy(each).nbytes for each in model.variables)
    assert table["optimizer_bytes"] == bytes_of(model.optimizer.variables)
    slots = 3 if "accumulated" in name else 2
    assert table["optimizer_bytes"] // table["gradient_bytes"] == slots
    parts = ("parameter_bytes", "optimizer_bytes", "gradient_bytes", "activation_bytes")
    assert table["memory_bytes"] == sum(table[part] for part in parts)


def test_nothing_is_made(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store").folder
    before = len(global_state.get_global_attribute("uninitialized_variables") or [])
    task = GptPretraining(GptSettings(steps=10, size="xl", accumulate=2, length=1024, batch_size=4))
    table = dry_run(task, store)  # 18 GiB of weights and optimizer
    assert table["parameters"] == 48 * 12 * 1600**2 + 90 * 1600 + 97 * 1600
    assert (table["tokens_per_step"], table["tokens_per_update"]) == (4096, 8192)
    assert table["flops_per_step"] > 6 * table["parameters"] * 4096
    assert len(global_state.get_global_attribute("uninitialized_variables") or []) == before
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    assert keras.ops.shape(layer.kernel) == (3, 2)  # what comes next is made as ever


def test_devices_share_the_batch() -> None:
    task = TASKS["bert"]
    shared = costs_of(task, VOCABULARY, Devices(strategy=SimpleNamespace(num_replicas_in_sync=4)))
    alone = costs_of(task, VOCABULARY, Devices())
    assert shared["activation_bytes"] == pytest.approx(alone["activation_bytes"] / 4)
    assert (shared["devices"], shared["parameter_bytes"]) == (4, alone["parameter_bytes"])
    assert shared["flops_per_step"] == alone["flops_per_step"]


def test_word_vectors(tmp_path: Path) -> None:
    tokenizer = WordTokenizer.train(DOCUMENTS, minimum_frequency=1)
    store = prepare(DOCUMENTS, tokenizer, tmp_path / "store", progress=False)
    table = dry_run_word2vec(Word2VecSettings(width=16), store.folder)
    assert table["parameter_bytes"] == 2 * 4 * 16 * store.vocabulary.size
    assert table["optimizer_bytes"] <= 16
    assert table["tokens_per_step"] > 0 and table["flops_per_step"] > 0


def test_a_table_in_words() -> None:
    table = {
        "activation_bytes": 3 << 20,
        "device_memory_bytes": None,
        "flops_per_step": 2_147_979_755_520,
        "fits": None,
    }
    assert readable(table) == {
        "activations, about": "3 MiB",
        "memory of the device": "unknown",
        "FLOPs per step": "2.15 TFLOP",
        "fits": "unknown",
    }
