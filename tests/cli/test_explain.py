from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpt.cli.main import main
from kpt.models import Decoder
from kpt.objectives import CausalLM, Pretrainer
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
    attend = [*words, "--attention", "--layer", "1", "--out", str(tmp_path / "b.html")]
    assert main([*attend, "--json"]) == 0
    results = json.loads(capfd.readouterr().out)
    attention = results["attention"]
    assert results["label"] == "neg" and attention["tokens"] == ["[CLS]", "a", "good", "end", "[SEP]"]
    assert (attention["layer"], attention["head"], attention["tokens_cut"]) == (1, "mean", 0)
    assert [sum(row) for row in attention["weights"]] == pytest.approx([1.0] * 5, abs=1e-5)
    page = (tmp_path / "b.html").read_text(encoding="utf-8")
    assert "The logit of neg" in page and "Layer 1, head 2" in page
    for more, message in (
        (["--out", "a.jpg"], "a.jpg is neither a .html nor a .png file"),
        (["--label", "x"], "the model has no label 'x'; it has neg, pos"),
        (["--steps", "0"], "is not a whole number from 1 up"),
        (["--head", "1"], "--head is of the attention; add --attention"),
        (["--attention", "--head", "3"], "there is no head 3; the model has heads 1 to 2"),
    ):
        assert main([*words, *more]) == 2
        assert message in capfd.readouterr().err


def test_a_decoder_without_a_task_shows_its_attention(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tokenizer = small_tokenizer()
    run = RunFolder.create(tmp_path / "gpt", tokenizer, {"title": "GPT"})
    decoder = Decoder(tokenizer.vocabulary.size, width=16, depth=1, heads=2, maximum_length=32)
    run.save(Pretrainer(decoder, [CausalLM()]), 1)
    words = ["explain", "--from", str(run.path), "a good end"]
    assert main([*words, "--attention", "--head", "2", "--tokens", "3", "--out", str(tmp_path / "a.png")]) == 0
    printed = capfd.readouterr().out
    assert "[CLS] -> [CLS], 1\n" in printed and "tokens_read  5" in printed and "The first 3 of 5 tokens" in printed
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert main(words) == 2
    assert "has no task model" in capfd.readouterr().err
    assert main([*words, "--attention", "--label", "neg"]) == 2
    assert "tells no label of a text; leave --label out" in capfd.readouterr().err
