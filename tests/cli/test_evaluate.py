from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpt.cli.evaluate import named
from kpt.cli.main import main
from kpt.evaluation import evaluate_analogies, evaluate_word_pairs, read_analogies, read_word_pairs
from kpt.files import write_json
from tests.evaluation.made import both


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

    assert "neither a run folder nor a file" in refused("missing", "simlex.txt")
    assert "neither a run folder nor a file" in refused(".", "simlex.txt")
    assert "missing.txt is missing" in refused("run", "simlex.txt", "missing.txt")
    (folder / "run" / "vectors.safetensors").unlink()
    assert "has no vectors yet" in refused("run", "simlex.txt")
    write_json(folder / "run" / "config.json", {"format": "kpt-run", "title": "BERT pre-training"})
    assert "'BERT pre-training', for which there is no evaluation" in refused("run", "simlex.txt")


def test_files_of_one_name_keep_their_paths() -> None:
    assert list(named([Path("a/x.txt"), Path("b/x.txt")])) == ["a/x.txt", "b/x.txt"]
    assert list(named([Path("words.txt")])) == ["words.txt"]
