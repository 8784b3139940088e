from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kpt.cli.main import main
from kpt.evaluation import (
    evaluate_analogies,
    evaluate_causal_lm,
    evaluate_word_pairs,
    read_analogies,
    read_word_pairs,
)
from kpt.files import write_json
from kpt.training import BertSettings, GptSettings, RunFolder, pretrain_bert, pretrain_gpt
from tests.evaluation.made import both
from tests.training.small_store import DOCUMENTS, small_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of questions, of vectors, and a run folder with these."""
    both()[0].save(tmp_path / "vectors.txt")
    pairs = "Word 1\tWord 2\tHuman (mean)\nking\tqueen\t9\nMan\tWoman\t8\ncat\trome\t2\ncat\tunicorn\t1\n"
    (tmp_path / "wordsim.tsv").write_text(pairs, encoding="utf-8")
    simlex = "word1\tword2\tPOS\tSimLex999\nking\tqueen\tN\t9\ndog\tgirl\tN\t4\nboy\tparis\tN\t1\n"
    (tmp_path / "simlex.txt").write_text(simlex, encoding="utf-8")
    questions = ": family\nman woman king queen\nboy girl man woman\n: other\ncat dog boy w3\nx y z w3\n"
    (tmp_path / "questions.txt").write_text(questions, encoding="utf-8")
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "config.json", {"format": "kpt-run", "kind": "word2vec"})
    both()[0].save(tmp_path / "run" / "vectors.safetensors")
    return tmp_path


@pytest.mark.parametrize("source", ["vectors.txt", "run"])
def test_each_file_is_scored_by_what_it_has(source: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files = [folder / name for name in ("wordsim.tsv", "simlex.txt", "questions.txt")]
    assert main(["evaluate", "--from", str(folder / source), "--data", *map(str, files), "--json"]) == 0
    results = json.loads(capfd.readouterr().out)
    vectors, keyed = both()
    assert (results["from"], results["words"], results["dimensions"]) == (str(folder / source), 40, 10)
    assert results["wordsim"] == {
        "kind": "word_pairs",
        **evaluate_word_pairs(vectors, read_word_pairs(files[0])).summary(),
    }
    assert (results["simlex"]["pairs"], results["simlex"]["oov"]) == (3, 0)
    analogies = evaluate_analogies(vectors, read_analogies(files[2])).summary()
    assert results["questions"] == {"kind": "analogies", **analogies}
    assert results["questions"]["accuracy"] == keyed.evaluate_word_analogies(str(files[2]))[0]
    assert set(results["questions"]["sections"]) == {"family", "other"}


def test_people_get_a_line_a_file(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["--data", str(folder / "questions.txt"), "--restrict-vocabulary", "12", "--keep-case"]
    assert main(["evaluate", "--from", str(folder / "vectors.txt"), *words]) == 0
    out = capfd.readouterr().out
    assert "questions   kind analogies, accuracy " in out and "questions 2, oov 2" in out and "sections" not in out


def test_refusals(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def refused(source: str, *files: str) -> str:
        words = [str(folder / file) for file in files]
        assert main(["evaluate", "--from", str(folder / source), "--data", *words]) == 2
        err = capfd.readouterr().err
        assert err.startswith("kpt evaluate: ") and err.count("\n") == 1
        return err

    assert "neither a run folder, nor a Hugging Face folder, nor a file" in refused("missing", "simlex.txt")
    assert "neither a run folder, nor a Hugging Face folder, nor a file" in refused(".", "simlex.txt")
    assert "missing.txt is missing" in refused("run", "simlex.txt", "missing.txt")
    (folder / "run" / "vectors.safetensors").unlink()
    assert "has no vectors yet" in refused("run", "simlex.txt")
    write_json(folder / "run" / "config.json", {"format": "kpt-run", "kind": "glove", "title": "GloVe"})
    assert "'GloVe', for which there is no evaluation" in refused("run", "simlex.txt")


SMALL: Any = {"size": "tiny", "batch_size": 2, "length": 8, "held_out": 0.2, "evaluations": 1, "evaluation_batches": 1}


def test_language_models(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = small_store(tmp_path / "store")
    pretrain_gpt(store.folder, tmp_path / "gpt", GptSettings(steps=1, **SMALL))
    pretrain_bert(store.folder, tmp_path / "bert", BertSettings(steps=1, **SMALL))
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(DOCUMENTS), encoding="utf-8")

    def evaluated(run: str, data: Path, *words: str) -> dict[str, Any]:
        capfd.readouterr()
        assert main(["evaluate", "--from", str(tmp_path / run), "--data", str(data), *words, "--json"]) == 0
        return dict(json.loads(capfd.readouterr().out))

    part = evaluated("gpt", store.folder)
    assert part["held_out"] and part["documents"] == store.split(0.2, 0)[1].documents and part["length"] == 8
    whole = evaluated("gpt", text, "--stride", "4")
    assert not whole["held_out"] and whole["documents"] == store.documents
    assert whole["tokens"] == store.tokens + store.documents
    model, found = RunFolder(tmp_path / "gpt").load(compile=False), {"loss", "perplexity", "bits_per_byte"}
    expected = evaluate_causal_lm(model, store, length=8, stride=4)
    assert {name: whole[name] for name in found} == pytest.approx({name: expected[name] for name in found}, rel=1e-5)

    masked = evaluated("bert", text)
    assert {"masked_lm_loss", "masked_lm_accuracy", "next_sentence_accuracy"} <= set(masked)
    for words, sentence in (
        (["bert", "--data", str(text), "--stride", "2"], "there is no --stride"),
        (["gpt", "--data", str(text), str(store.folder)], "is a token store, which is evaluated alone"),
        (["gpt", "--data", str(text), "--length", "5000"], "positions"),
        (["gpt", "--data", str(tmp_path / "missing.txt")], "missing.txt"),
    ):
        assert main(["evaluate", "--from", str(tmp_path / words[0]), *words[1:]]) == 2
        error = capfd.readouterr().err
        assert sentence in error and error.count("\n") == 1, error
