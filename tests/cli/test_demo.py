from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kpt.cli.demo import query, remove_earlier, words
from kpt.cli.main import main
from tests.training.small_store import DOCUMENTS

KEYS = {
    "seconds",
    "documents",
    "tokens",
    "vocabulary_size",
    "steps",
    "mlm_loss_first",
    "mlm_loss_last",
    "mlm_accuracy_heldout",
    "mlm_accuracy_baseline",
    "nsp_accuracy_heldout",
    "saved_model",
    "report",
}


def test_the_whole_flow_small(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\n".join(DOCUMENTS * 2), encoding="utf-8")
    command = [sys.executable, "-m", "kpt.cli.main", "demo", "text.txt", "--documents", "line", "--out", "out"]
    command += ["--size", "tiny", "--vocabulary-size", "90", "--steps", "3", "--batch-size", "4", "--length", "24"]
    command += ["--json"]
    places = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": places}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results.keys() >= KEYS
    assert (results["documents"], results["vocabulary_size"], results["steps"]) == (60, 90, 3)
    assert results["saved_model"] == "out/saved_models/bert/1"
    assert [len(answer["guesses"]) for answer in results["answers"][:3]] == [1, 1, 1]
    assert all(0 <= answer["probability"] <= 1 for answer in results["answers"][3:])
    for name in ("tokenizer/tokenizer.json", "store/manifest.json", "run/report.html", "query.py", "demo.json"):
        assert (tmp_path / "out" / name).is_file(), name
    for stage in ("1  Read your files", "2  Write a token store", "3  Pre-train", "4  Export", "5  Query", "Done in"):
        assert stage in done.stderr, stage


def test_an_earlier_demo_is_replaced_only_on_demand(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "demo.json").write_text('{"format": "kpt-demo"}', encoding="utf-8")
    assert "add --overwrite" in refused(tmp_path, capfd)


def refused(tmp_path: Path, capfd: pytest.CaptureFixture[str], *words: str | Path, text: str = "text.txt") -> str:
    """What `kpt demo` says when it refuses a text and the folder `out`."""
    (tmp_path / text).write_text("one\n", encoding="utf-8")
    assert main(["demo", str(tmp_path / text), "--out", str(tmp_path / "out"), *map(str, words)]) == 2
    return capfd.readouterr().err


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "query.py").touch()
    assert "holds something else (it has no demo.json)" in refused(tmp_path, capfd, "--overwrite")
    (tmp_path / "out" / "demo.json").write_text('{"slides": 3}', encoding="utf-8")
    assert "holds something else (its demo.json is not ours)" in refused(tmp_path, capfd, "--overwrite")
    assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == ["demo.json", "query.py"]


def test_texts_in_the_folder_of_the_demo_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "demo.json").write_text('{"format": "kpt-demo"}', encoding="utf-8")
    assert "lies in the folder" in refused(tmp_path, capfd, "--overwrite", text="out/text.txt")
    assert (tmp_path / "out" / "text.txt").is_file()


def test_the_folder_of_the_export_is_tried_first(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert "cannot write to the folder" in refused(tmp_path, capfd, "--saved-models", tmp_path / "file")
    assert not (tmp_path / "out").exists()


def test_only_what_a_demo_writes_is_removed(tmp_path: Path) -> None:
    for name in ("run/config.json", "saved_models/bert/1/x", "saved_models/mine/1/x", "query.py", "demo.json", "a.tex"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_earlier(tmp_path)
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(files) == ["a.tex", "saved_models/mine/1/x"]


def test_wrong_settings_before_any_work(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--size", "huge", "--out", str(tmp_path / "out")]) == 2
    assert "There is no size 'huge'" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_query_that_fails_says_why(tmp_path: Path) -> None:
    script = tmp_path / "query.py"
    script.write_text("import kpt", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"the query of m/1 failed: .*import of kpt halted"):
        query(script, Path("m/1"), [])
    script.write_text("import sys, json; print(json.dumps({'text': sys.argv[2]}))", encoding="utf-8")
    assert query(script, Path("m/1"), ["ü"]) == [{"text": "ü"}]


def test_words_for_answers() -> None:
    assert words({"text": "a\nb", "continuation": " c\nd"}) == "a b  ->  c d"
    assert words({"word": "a", "neighbours": [["b", 0.5]]}) == "a  ->  b 0.50"
    assert words({"word": "x", "neighbours": []}) == "x  ->  not in the vocabulary"
    assert (
        words({"text": "[MASK] [MASK]", "guesses": [[["a", 0.5]], [["b", 0.25]]]})
        == "[MASK] [MASK]  ->  a 50 %; b 25 %"
    )
    assert words({"first": "a", "second": "b", "probability": 0.9}) == "a  +  b  ->  follows: 90 %"
