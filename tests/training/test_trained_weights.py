from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kpt import InputError
from kpt.models import Decoder
from kpt.tasks import Classifier
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetune_sources import Source
from kpt.training.finetuning import finetune, load_task_model
from kpt.training.run_folder import RunFolder
from kpt.training.trained_weights import choose_trained, task_optimizer, trained_parameters, weight_levels
from tests.numbers import array
from tests.tasks.small_task import small_encoder, small_tokenizer
from tests.training.small_finetuning import small_files


def classifier(**options: Any) -> Classifier:
    return Classifier(small_encoder(small_tokenizer(), depth=2, **options), ["neg", "pos"], length=16)


def by_level(model: Classifier) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for weight, level in zip(model.trainable_variables, weight_levels(model), strict=True):
        path = weight.path.split("/")[0]
        found.setdefault(level, set()).add("head" if path.endswith("_head") else path)
    return found


def test_the_levels_of_an_encoder_and_a_decoder() -> None:
    model = classifier(positions="learned", segments=2)
    assert by_level(model) == {
        0: {"token_embedding", "segment_embedding", "positions"},
        1: {"block_0"},
        2: {"block_1"},
        3: {"final_norm", "head"},
    }
    decoder = Decoder(20, width=8, depth=1, heads=2, maximum_length=8)
    levels = by_level(Classifier(decoder, ["a", "b"], pooling="last"))
    assert levels == {0: {"token_embedding", "positions"}, 1: {"block_0"}, 2: {"final_norm", "head"}}
    shared = classifier(shared_blocks=True, norm_first=False)
    assert by_level(shared) == {0: {"token_embedding", "embedding_norm"}, 1: {"block"}, 2: {"head"}}


def test_the_rate_falls_from_level_to_level() -> None:
    model = classifier()
    optimizer = task_optimizer(model, FinetuneSettings(layer_decay=0.5, epochs=3, gradual_unfreezing=True), 10)
    levels = weight_levels(model)
    assert sorted({*zip(levels, optimizer.factors, optimizer.starts, strict=True)}) == [
        (0, 0.125, 30),
        (1, 0.25, 20),
        (2, 0.5, 10),
        (3, 1.0, 0),
    ]


@pytest.mark.parametrize(
    ("options", "trained"),
    [
        ({"freeze": 1}, {2: {"block_1"}, 3: {"final_norm", "head"}}),
        ({"freeze": 2}, {3: {"final_norm", "head"}}),
        ({"freeze": "backbone"}, {3: {"head"}}),
        ({"lora_rank": 2}, {1: {"block_0"}, 2: {"block_1"}, 3: {"head"}}),
    ],
)
def test_what_is_frozen(options: dict[str, Any], trained: dict[int, set[str]]) -> None:
    model = classifier()
    choose_trained(model, FinetuneSettings(**options))
    assert by_level(model) == trained
    if options.get("freeze") == "backbone":
        assert trained_parameters(model) == 16 * 2 + 2


def test_more_blocks_than_there_are() -> None:
    with pytest.raises(InputError, match="freeze is 3; the model has 2 blocks"):
        choose_trained(classifier(), FinetuneSettings(freeze=3))


@pytest.mark.parametrize(
    "options",
    [{"freeze": 1}, {"freeze": "backbone"}, {"lora_rank": 4}, {"layer_decay": 0.7, "gradual_unfreezing": True}],
    ids=lambda options: next(iter(options)),
)
def test_a_run_changes_what_it_should_and_its_checkpoint_is_an_ordinary_model(
    options: dict[str, Any], tmp_path: Path
) -> None:
    tokenizer = small_tokenizer()
    first = small_encoder(tokenizer, depth=2)
    before = {weight.path: array(weight).copy() for weight in first.weights}
    settings = FinetuneSettings(epochs=3, batch_size=8, learning_rate=1e-2, length=16, probe=False, **options)
    results = finetune(Source(lambda _: first, tokenizer, {}), *small_files(tmp_path), tmp_path / "run", settings)
    model = load_task_model(tmp_path / "run")
    after = {weight.path: array(weight) for weight in model.backbone.weights}
    assert after.keys() == before.keys()  # adapters are merged
    changed = {path.split("/")[0] for path in before if np.abs(after[path] - before[path]).max() > 1e-6}
    expected = {
        "freeze": {"block_1", "final_norm"} if options.get("freeze") == 1 else set(),
        "lora_rank": {"block_0", "block_1"},
        "layer_decay": {"block_0", "block_1", "final_norm"},  # the embeddings begin in a fourth epoch
    }
    assert changed == expected[next(iter(options))]
    assert all(weight.trainable for weight in model.backbone.weights)  # may be tuned further, whole
    assert (results["trained_parameters"] < results["parameters"]) == ("layer_decay" not in options)
    assert RunFolder(tmp_path / "run").config["training"]["freeze"] == options.get("freeze", 0)
