from __future__ import annotations

import argparse
import json
from pathlib import Path

import keras
import pytest

from kpt.cli.demo_models import DEMO_MODELS, DemoBert, DemoGpt, DemoWord2Vec
from kpt.cli.main import main
from kpt.errors import InputError
from tests.training.small_store import DOCUMENTS


def arguments(**given: object) -> argparse.Namespace:
    """The arguments of the verb, as far as a kind of model reads them."""
    return argparse.Namespace(**{**dict.fromkeys(("size", "steps", "batch_size", "length")), **given})


def test_each_kind_has_its_own_defaults() -> None:
    bert, gpt = DemoBert(arguments()).settings, DemoGpt(arguments(steps=7, size="tiny")).settings
    assert (bert.size, bert.steps, bert.batch_size, bert.length) == ("mini", 450, 32, 128)
    assert (gpt.size, gpt.steps, gpt.batch_size, gpt.length) == ("tiny", 7, 32, 128)
    words = DemoWord2Vec(arguments(batch_size=2)).settings
    assert (words.batch_size, words.length, words.epochs) == (2, None, 5)


@pytest.mark.parametrize("name", ["size", "steps"])
def test_word_vectors_have_no_steps_and_sizes(name: str) -> None:
    with pytest.raises(InputError, match=f"--{name} is for --model bert or gpt, not word2vec; leave it out"):
        DemoWord2Vec(arguments(**{name: 3}))


def test_each_exports_into_a_folder_of_its_own() -> None:
    assert {name: kind.folder for name, kind in DEMO_MODELS.items()} == {name: name for name in DEMO_MODELS}


@pytest.mark.parametrize("name", ["gpt", "word2vec"])
def test_the_whole_flow_small(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """BERT's is in test_demo.py, in a process of its own."""
    text = tmp_path / "text.txt"
    text.write_text("\n".join(DOCUMENTS * 10), encoding="utf-8")
    sizes = {
        "gpt": ["--size", "tiny", "--steps", "2", "--batch-size", "4", "--length", "16", "--vocabulary-size", "270"],
        "word2vec": ["--length", "32"],
    }
    command = ["demo", str(text), "--documents", "line", "--model", name, "--out", str(tmp_path / "out"), "--json"]
    assert main([*command, *sizes[name]]) == 0
    printed = capfd.readouterr()
    results = json.loads(printed.out)
    assert Path(results["saved_model"]) == tmp_path / "out" / "saved_models" / name / "1"
    assert (tmp_path / "out" / "run" / "report.html").is_file()
    described = {"gpt": "GPT (tiny)", "word2vec": "word2vec"}[name]
    assert f"3  Pre-train {described} on {keras.backend.backend()}" in printed.err
    answers = results["answers"]
    assert [answer["text" if name == "gpt" else "word"] for answer in answers] == list(DEMO_MODELS[name].questions)
    if name == "gpt":
        assert results["perplexity_heldout"] > 1
        assert all(answer["continuation"] for answer in answers)
    else:
        assert results["words"] > 0
        assert all(len(answer["neighbours"]) in (0, 5) for answer in answers)
