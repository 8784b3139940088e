from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kpt import InputError
from kpt.tasks import Classifier, Regressor, Tagger
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetune_sources import Source
from kpt.training.joint_tasks import joint_config, joint_tasks, main_scores
from kpt.training.task_files import TaskFiles
from tests.tasks.small_task import small_encoder, small_tokenizer
from tests.training.small_tasks import small_tasks

TOKENIZER = small_tokenizer()
SOURCE = Source(lambda _: small_encoder(TOKENIZER), TOKENIZER, {"from": "scratch"})
SETTINGS = FinetuneSettings(batch_size=8, length=16)


def test_the_tasks_share_an_encoder_and_have_their_own_data(tmp_path: Path) -> None:
    joint = joint_tasks(SOURCE, small_tasks(tmp_path), SETTINGS)
    model = joint.model
    assert [type(task) for task in model.tasks.values()] == [Classifier, Tagger, Regressor]
    assert all(task.backbone is model.backbone and task.tokenizer is TOKENIZER for task in model.tasks.values())
    assert {name: len(some.texts) for name, some in joint.examples.items()} == {"mood": 20, "names": 20, "score": 20}
    assert {name: len(some) for name, some in joint.held_out.items()} == {"mood": 10, "names": 10, "score": 10}
    assert model.windows == 16 and model.tasks["mood"].windows == 2
    config = joint_config(SOURCE, joint, SETTINGS, "Several tasks")
    assert (config["kind"], config["model"]["width"]) == ("multi_task", 16)
    assert config["tasks"]["score"]["label_field"] == "score" and config["training"]["label_field"] == "label"
    assert config["data"]["mood"] == {"texts": 20, "validation_texts": 10, "labels": ["neg", "pos"]}
    scores = {"mood": {"macro_f1": 0.5}, "names": {"f1": 0.25}, "score": {"pearson": float("nan")}}
    assert main_scores(model, scores) == {"mood": 0.5, "names": 0.25, "score": 0.0}


def test_what_does_not_fit_is_refused_with_the_task(tmp_path: Path) -> None:
    mood, names, _ = small_tasks(tmp_path)
    with pytest.raises(InputError, match="the tasks are mood; give two or more"):
        joint_tasks(SOURCE, [mood], SETTINGS)
    with pytest.raises(InputError, match="the tasks are mood, mood; give two or more of different names"):
        joint_tasks(SOURCE, [mood, mood], SETTINGS)
    with pytest.raises(InputError, match=r"the task 'names': .*no-file\.conll"):
        joint_tasks(SOURCE, [mood, replace(names, train=tmp_path / "no-file.conll")], SETTINGS)
    for name, value in {"freeze": "backbone", "lora_rank": 2, "layer_decay": 0.9}.items():
        with pytest.raises(InputError, match=f"^{name}: for runs on one task"):
            joint_tasks(SOURCE, [mood, names], replace(SETTINGS, **{name: value}))
    (tmp_path / "other.jsonl").write_text('{"text": "a good film", "label": "odd"}\n')
    other = TaskFiles("other", mood.train, tmp_path / "other.jsonl")
    with pytest.raises(InputError, match=r"the task 'other': .*other\.jsonl, line 1: the label 'odd' is not among"):
        joint_tasks(SOURCE, [mood, other], SETTINGS)
