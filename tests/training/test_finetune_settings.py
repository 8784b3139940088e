from __future__ import annotations

import pytest

from kpt import InputError
from kpt.training.finetune_settings import FinetuneSettings, peak_rate


def test_the_defaults_are_the_recipe() -> None:
    settings = FinetuneSettings()
    assert (settings.epochs, settings.batch_size, settings.pooling) == (4, 32, "distinct")
    config = settings.optimizer(steps=100, width=768).get_config()
    assert (config["epsilon"], config["weight_decay"], config["global_clipnorm"]) == (1e-8, 0.01, 1.0)
    schedule = config["learning_rate"]["config"]
    assert (schedule["peak"], schedule["steps"], schedule["warmup_steps"]) == (2e-5, 100, 10)
    assert (schedule["decay"], schedule["floor"]) == ("linear", 0.0)


def test_the_rate_goes_with_the_width() -> None:
    assert peak_rate(FinetuneSettings(), 1024) == 2e-5
    assert peak_rate(FinetuneSettings(), 512) == 3e-4
    assert peak_rate(FinetuneSettings(learning_rate=1e-3), 512) == 1e-3
    assert peak_rate(FinetuneSettings(lora_rank=8), 768) == 5e-4
    assert peak_rate(FinetuneSettings(lora_rank=8), 512) == 2e-3
    assert peak_rate(FinetuneSettings(freeze="backbone"), 768) == 1e-3


def test_one_step_has_no_warm_up() -> None:
    config = FinetuneSettings(warmup=0.9).optimizer(steps=1, width=8).get_config()
    assert config["learning_rate"]["config"]["warmup_steps"] == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0; give 1 or more"),
        ({"patience": 0}, "patience is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0; give a number above 0"),
        ({"dropout": 1.0}, "dropout is 1.0; give a number from 0 to below 1"),
        ({"seed": -1}, "seed is -1"),
        ({"pooling": "mena"}, "pooling is 'mena'; did you mean mean"),
        ({"task": "tagg"}, "task is 'tagg'; did you mean tag"),
        ({"class_weights": "yes"}, "class_weights is 'yes'"),
        ({"task": "regress", "multi_label": True}, "are for labels of texts; leave them out"),
        ({"task": "tag", "class_weights": "balanced"}, "are for labels of texts; leave them out"),
        ({"layer_decay": 1.5}, "layer_decay is 1.5; give a number above 0 and at most 1"),
        ({"freeze": -1}, "freeze is -1; give a number of blocks"),
        ({"freeze": "all"}, "freeze is 'all'; give a number of blocks from 0 up, or backbone"),
        ({"lora_rank": 0}, "lora_rank is 0; give 1 or more"),
        ({"lora_rank": 2, "freeze": 1}, "leave freeze out"),
        ({"lora_alpha": 2.0}, "give lora_rank too"),
        ({"gradual_unfreezing": True, "epochs": 1}, "a block more in each epoch; give 2 or more"),
        ({"glue": "SST2"}, "GLUE has no task 'SST2'"),
        ({"glue": "STS-B"}, "task is 'classify'; GLUE's STS-B is one to regress"),
        ({"multi_label": True, "class_weights": "balanced"}, "leave them out with multi_label"),
    ],
)
def test_refusals(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FinetuneSettings(**values)
