from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpt.cli.main import main
from kpt.tasks import Classifier
from kpt.training.run_folder import RunFolder
from tests.tasks.small_task import small_encoder, small_tokenizer


def test_a_text_is_explained(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tokenizer = small_tokenizer()
    run = RunFolder.create(tmp_path / "tuned", tokenizer, {"kind": "classifier"})
    model = Classifier(small_encoder(tokenizer), ["neg", "pos"], tokenizer=tokenizer, length=16)
    model.compile()
    run.save(model, 1)
    words = ["explain", "--from", str(run.path), "a good end", "--label", "neg"]
    assert main([*words, "--out", str(tmp_path / "a.html"), "--json"]) == 0
    results = json.loads(capfd.readouterr().out)
    assert results["label"] == "neg" and [token for token, _ in results["tokens"]] == [
        "[CLS]",
        "a",
        "good",
        "end",
        "[SEP]",
    ]
    total = sum(value for _, value in results["tokens"])
    assert total - results["sum_differs_by"] == pytest.approx(results["output"] - results["baseline"], abs=1e-4)
    assert (tmp_path / "a.html").is_file() and results["picture"] == str(tmp_path / "a.html")
    for more, message in (
        (["--out", "a.jpg"], "a.jpg is neither a .html nor a .png file"),
        (["--label", "x"], "the model has no label 'x'; it has neg, pos"),
        (["--steps", "0"], "is not a whole number from 1 up"),
    ):
        assert main([*words, *more]) == 2
        assert message in capfd.readouterr().err
