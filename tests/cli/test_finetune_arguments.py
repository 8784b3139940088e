from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from kpt import InputError
from kpt.cli.finetune_arguments import SETTINGS, add_arguments, check_source


def parsed(*words: str, **options: bool) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser, **options)
    return parser.parse_args(words)


def test_one_task_names_its_files_and_several_a_file_of_tasks() -> None:
    one = parsed("--from", "run", "--train", "a", "b", "--validation", "c", "--out", "d")
    assert one.train == ["a", "b"] and one.label_field == "label"
    several = parsed("--from", "run", "--tasks", "t.toml", "--out", "d", several=True)
    assert several.tasks == Path("t.toml") and not hasattr(several, "train") and not hasattr(several, "label_field")
    assert all(hasattr(some, name) for some in (one, several) for name in SETTINGS)


def test_there_is_one_model_to_tune() -> None:
    words = ["--tasks", "t.toml", "--out", "d"]
    check_source(parsed("--size", "tiny", "--tokenizer", "t", *words, several=True))
    for more, message in (
        ([], "there is no model to tune"),
        (["--from", "run", "--size", "tiny"], "comes together with --size"),
        (["--size", "tiny"], "needs both --size NAME and --tokenizer"),
        (["--from", "d"], "is the folder of the model to tune"),
    ):
        with pytest.raises(InputError, match=message):
            check_source(parsed(*more, *words, several=True))
