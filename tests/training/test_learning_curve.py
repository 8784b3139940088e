from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kpt import InputError
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetuning import trained_source
from kpt.training.learning_curve import enough_epochs, learning_curve, scratch_source
from kpt.training.run_folder import RunFolder
from tests.numbers import array
from tests.training.small_finetuning import small_files, small_run

SETTINGS = FinetuneSettings(epochs=1, batch_size=8, learning_rate=1e-2, length=16)


def test_both_sides_on_growing_parts(tmp_path: Path) -> None:
    source, files = trained_source(small_run(tmp_path / "bert").path), small_files(tmp_path)
    told: list[str] = []
    options = {"labels": [12, 6], "updates": 2, "tell": told.append}
    results = learning_curve(source, *files, tmp_path / "tuned", SETTINGS, **options)
    assert [(row["labels"], row["side"], row["seeds"]) for row in results["curve"]] == [
        (6, "pre-trained", 1),
        (6, "from scratch", 1),
        (12, "pre-trained", 1),
        (12, "from scratch", 1),
    ]
    assert len(told) == 4 and told[0].startswith("     6 labels, pre-trained , seed 0: macro_f1 0.")
    run = RunFolder(tmp_path / "tuned")
    assert run.config["data"]["texts"] == results["texts"] == 12 and results["run"] == str(run.path)
    assert run.config["model"]["from"] == str(tmp_path / "bert")
    assert results["macro_f1"] == results["curve"][2]["mean"]["macro_f1"]
    assert json.loads((run.path / "results.json").read_text())["curve"] == results["curve"]
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "<h2>Number of labels</h2>" in page and 'aria-label="Macro-F1 over the number of labels"' in page
    for labels, message in (([6, 21], "21 labelled texts are wanted of 20"), ([], "0 numbers of labels")):
        with pytest.raises(InputError, match=message):
            learning_curve(source, *files, tmp_path / "other", SETTINGS, labels=labels)


def test_from_scratch_is_the_same_model_with_other_weights(tmp_path: Path) -> None:
    source = trained_source(small_run(tmp_path / "bert").path)
    trained, new, again = (each.backbone(SETTINGS) for each in (source, scratch_source(source), source))
    assert new.get_config() == trained.get_config()
    for one, other, third in zip(trained.weights, new.weights, again.weights, strict=True):
        assert one is not third
        np.testing.assert_array_equal(array(one), array(third))  # a source gives the same model each time
        if one.path.endswith("kernel"):
            assert np.abs(array(one) - array(other)).max() > 1e-3


def test_few_texts_are_seen_more_often() -> None:
    assert [enough_epochs(texts, 16, 4) for texts in (50, 200, 400, 1400)] == [32, 8, 4, 4]
