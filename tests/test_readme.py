"""The README holds what it says: its script is an example, its commands run, and its links lead somewhere."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest

from kpt.cli.main import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall("```sh\n(.*?)```", README, flags=re.DOTALL) for line in block.splitlines()]
TINY = {"8000": "90", "4000": "300", "3000": "2", "1000": "2", "500": "3", "10": "2", "mini": "tiny"}
TINY_TRAINING = ["--batch-size", "4", "--length", "24", "--evaluations", "1"]


def commands(beginning: str) -> list[list[str]]:
    """The words of the commands that begin with some words, without these."""
    return [shlex.split(line.removeprefix(beginning)) for line in COMMANDS if line.startswith(beginning)]


def test_every_command_is_known_here() -> None:
    known = ("make ", "kpt ", "python examples/", "python -m benchmarks.", "KERAS_BACKEND=jax python -m benchmarks.")
    others = [line for line in COMMANDS if not line.startswith(known)]
    assert [line.split()[:2] for line in others] == [
        ["source", ".venv/bin/activate"],
        ["python", "demo/query.py"],
    ]


def test_the_script_is_the_first_example_and_has_ten_lines() -> None:
    (script,) = re.findall("```python\n(.*?)```", README, flags=re.DOTALL)
    example = (ROOT / "examples" / "00_ten_lines.py").read_text(encoding="utf-8")
    assert example.endswith(f'"""\n\n{script}')
    assert sum(bool(line) for line in script.splitlines()) == len(ast.parse(script).body) == 10


def test_the_targets_are_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    assert targets
    assert {word for words in commands("make ") for word in words} <= set(targets[1].split())


def test_all_examples_are_named_in_their_order() -> None:
    examples = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
    assert ["00_ten_lines.py", *(words[0] for words in commands("python examples/"))] == examples


def test_every_benchmark_is_named_with_options_that_it_takes() -> None:
    calls = commands("python -m ") + commands("KERAS_BACKEND=jax python -m ")
    runnable = [path for path in (ROOT / "benchmarks").glob("*.py") if '"--out"' in path.read_text(encoding="utf-8")]
    assert sorted(module for module, *_ in calls) == sorted(f"benchmarks.{path.stem}" for path in runnable)
    for module, *words in calls:
        source = (ROOT / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8")
        assert all(f'"{word}"' in source for word in words if word.startswith("--")), module


def test_the_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", README)
    assert links and all((ROOT / link).is_file() for link in links)


def test_the_command_line_from_text_to_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews").mkdir()
    for animal in ("cat", "dog", "horse", "bird", "fish", "lion"):
        text = "\n\n".join(
            f"The {animal} saw the {thing}. Then it took the {thing} home. It was a good {time} for the {animal}."
            for thing in ("book", "ball", "apple", "list")
            for time in ("day", "night", "year")
        )
        (tmp_path / "reviews" / f"{animal}.txt").write_text(text, encoding="utf-8")

    (tmp_path / "domain").mkdir()
    for thing in ("zeppelin", "xylophone", "kayak", "jukebox"):
        text = "\n\n".join(
            f"The {thing} was {how}. It was {how} {time}." for how in ("quick", "odd") for time in "abcdef"
        )
        (tmp_path / "domain" / f"{thing}.txt").write_text(text, encoding="utf-8")

    verbs = commands("kpt ")
    assert [words[0] for words in verbs] == [
        *("tokenizer", "prepare", "pretrain", "pretrain", "export"),
        *("tokenizer", "prepare", "pretrain", "evaluate", "generate", "export", "export"),
        *("tokenizer", "prepare", "pretrain"),
        *("finetune", "evaluate", "predict", "export"),
        *("finetune", "explain", "explain"),
        *("tokenizer", "prepare", "pretrain"),
        *("prepare", "pretrain"),
    ]
    for name in ("train", "validation", "test"):
        texts = [{"text": f"the {animal} saw the ball", "label": animal < "d"} for animal in ("cat", "dog") * 4]
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(text)}\n" for text in texts), encoding="utf-8")
    for words in verbs:
        tiny = [TINY.get(word, word) for word in words]
        small = TINY_TRAINING if words[0] == "pretrain" and words[1] != "word2vec" else []
        if "tfrecord" in words:
            small = ["--length", "24"]
        assert main([*tiny, *small]) == 0, capfd.readouterr().err
    assert (tmp_path / "runs" / "bert" / "report.html").is_file()

    ((folder, *texts),) = commands("python demo/query.py ")
    specification = importlib.util.spec_from_file_location("query", ROOT / "kpt" / "cli" / "demo_query.py")
    assert specification and specification.loader
    query = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(query)
    capfd.readouterr()
    query.main([folder, *texts])
    masked, pair = capfd.readouterr().out.splitlines()
    assert masked.startswith('{"text": "Returns the [MASK] of the list.", "guesses": [[["')
    assert pair.startswith('{"first": "It rained.", "second": "The street was wet.", "probability": 0.')
