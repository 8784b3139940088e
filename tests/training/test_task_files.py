from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpt import InputError
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.task_files import TaskFiles, read_task_files, task_settings

TOML = """
[mood]
task = "classify"
train = ["a.jsonl", "b.jsonl"]
validation = "dev.jsonl"
label_field = "mood"
proportion = 3

[names]
task = "tag"
train = "a.conll"
validation = "b.conll"
dropout = 0.2
"""


def test_toml_and_json_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "tasks.toml").write_text(TOML)
    mood, names = read_task_files(tmp_path / "tasks.toml")
    assert mood == TaskFiles(
        "mood",
        [tmp_path / "a.jsonl", tmp_path / "b.jsonl"],
        [tmp_path / "dev.jsonl"],
        "classify",
        3,
        {"label_field": "mood"},
    )
    assert (names.task, names.proportion, names.own) == ("tag", None, {"dropout": 0.2})
    table = {"task": "classify", "train": ["a.jsonl", "b.jsonl"], "validation": "dev.jsonl", "label_field": "mood"}
    (tmp_path / "tasks.json").write_text(json.dumps({"mood": table | {"proportion": 3}}))
    assert read_task_files(tmp_path / "tasks.json") == [mood]


def test_a_task_has_the_settings_of_the_run_and_its_own() -> None:
    run = FinetuneSettings(epochs=7, dropout=0.3)
    task = TaskFiles(
        "stars", "a.tsv", "b.tsv", "regress", own={"label_field": "stars", "windows": 2, "training_windows": 1}
    )
    own = task_settings(task, run)
    assert (own.task, own.epochs, own.dropout, own.label_field) == ("regress", 7, 0.3, "stars")
    assert (own.windows, own.training_windows) == (2, 1)
    with pytest.raises(InputError, match="the task 'stars' has epochs; it may have multi_label, "):
        task_settings(TaskFiles("stars", "a", "b", own={"epochs": 3}), run)
    with pytest.raises(InputError, match="the task 'stars': task is 'rank'"):
        task_settings(TaskFiles("stars", "a", "b", "rank"), run)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("tasks.yaml", "", r"tasks\.yaml is neither \.toml nor \.json"),
        ("missing.toml", None, r"missing\.toml cannot be read \(No such file"),
        ("tasks.toml", "[mood", r"tasks\.toml is no TOML"),
        ("tasks.json", "{", r"tasks\.json is no JSON"),
        ("tasks.json", "[]", r"tasks\.json has no task"),
        ("tasks.json", '{"mood": 3}', "task 'mood' is 3, not a table"),
        ("tasks.toml", '[mood]\ntask = "tag"\ntrain = "a"', "task 'mood' has no validation; add it"),
        ("tasks.toml", '[m]\ntask = "tag"\ntrain = "a"\nvalidation = []', r"validation is \[\]; give a file or a list"),
        (
            "tasks.toml",
            '[m]\ntask = "tag"\ntrain = "a"\nvalidation = "b"\nepochs = 3',
            "has 'epochs', which is unknown",
        ),
        (
            "tasks.toml",
            '[m]\ntask = "tag"\ntrain = "a"\nvalidation = "b"\nwindows = "x"',
            "give a value of the type int",
        ),
        ("tasks.toml", '[m]\ntask = "tag"\ntrain = "a"\nvalidation = "b"\nproportion = "x"', "proportion is 'x'"),
    ],
)
def test_what_is_wrong_in_a_file(name: str, text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_task_files(tmp_path / name)
