"""The examples, one after the other, each as a person runs it, in a folder of its own and tiny."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import kpt

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
WITHOUT_KERAS = ROOT / "tests" / "flow" / "without_keras"

REVIEWS = [
    f"<p>The {animal} sat on the {place} &amp; looked at the {thing}.<br>Then the {animal} took the {thing} home."
    for animal in ("cat", "dog", "horse", "bird")
    for place in ("mat", "roof", "table")
    for thing in ("book", "ball", "file")
]
ARGUMENTS = {
    "01_read_and_clean": "reviews.csv",
    "02_train_a_tokenizer": "--vocabulary-size 75",
    "03_write_a_token_store": "",
    "04_pretrain_bert": "--size tiny --length 24 --batch-size 4 --epochs 2 --steps-per-epoch 3",
    "05_go_on": "--steps 2",
    "06_export": "",
    "07_query": "",
    "10_sentiment": "--count 80 --epochs 1",
    "15_questions": "--count 40 --epochs 1",
    "16_multi_task": "--packages jinja2 rich --count 60 --epochs 1",
    "17_continual": "--packages jinja2 rich safetensors packaging --count 40 --epochs 1 --methods replay",
    "18_entities": "--count 40 --epochs 1",
    "19_zero_shot": "--count 60 --steps 3 --labels 8 --epochs 1",
}
ORDER = tuple(ARGUMENTS)
#: The examples of other symbols than words, each by itself.
SYMBOLS = {
    "08_items": "--departments 4 --items 12 --sessions 800 --width 16 --epochs 4",
    "09_dna": "--families 4 --motifs 12 --genes 200 --width 16 --epochs 4",
}
#: Those of several devices and hosts, which `test_devices.py` runs.
DEVICES = ("11_several_gpus", "12_several_hosts", "13_tpu", "14_jax_mesh")


def run(folder: Path, *words: str, path: Path = ROOT) -> str:
    """Run Python in a folder; returns what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(path), "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Flow:
    """A folder in which each example runs once, after those before it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        records = "".join(f'"{review}",{number % 2}\n' for number, review in enumerate(REVIEWS))
        (folder / "reviews.csv").write_text(f"text,label\n{records}", encoding="utf-8")
        self.output = cache(self._output)

    def _output(self, name: str) -> str:
        if name != ORDER[0]:
            self.output(ORDER[ORDER.index(name) - 1])
        path = WITHOUT_KERAS if name == "07_query" else ROOT
        return run(self.folder, str(EXAMPLES / f"{name}.py"), *ARGUMENTS[name].split(), path=path)


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    return Flow(tmp_path_factory.mktemp("examples"))


def test_every_example_is_run_here() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == sorted(["00_ten_lines", *ORDER, *SYMBOLS, *DEVICES])


def test_ten_lines_from_text_to_a_served_model(tmp_path: Path) -> None:
    script = (EXAMPLES / "00_ten_lines.py").read_text(encoding="utf-8")
    for full, tiny in {
        "documentation()": 'documentation(["jinja2"])',
        "8000": "500",
        '"mini"': '"tiny"',
        "steps=450": "steps=3",
        "length=128": "length=16",
        "batch_size=32": "batch_size=4",
    }.items():
        assert full in script
        script = script.replace(full, tiny)
    run(tmp_path, "-c", script)
    assert (tmp_path / "saved_models" / "bert" / "1" / "saved_model.pb").is_file()
    assert kpt.TokenStore.open(tmp_path / "runs" / "ten-lines").vocabulary.size == 500


def test_read_and_clean(flow: Flow) -> None:
    assert flow.output("01_read_and_clean").splitlines() == [
        "met on the way: nothing odd",
        "36 documents of 648 words: runs/corpus.jsonl",
    ]
    with (flow.folder / "runs" / "corpus.jsonl").open(encoding="utf-8") as file:
        assert json.loads(next(file)) == {
            "text": "The cat sat on the mat & looked at the book.\nThen the cat took the book home.",
            "label": "0",
            "id": None,
        }


def test_read_the_documentation_of_a_package(tmp_path: Path) -> None:
    output = run(tmp_path, str(EXAMPLES / "01_read_and_clean.py"), "--packages", "jinja2", "--out", "jinja2.jsonl")
    count = re.fullmatch(r"(\d+) documents of [\d,]+ words: jinja2\.jsonl\n", output)
    documents = list(kpt.Corpus(tmp_path / "jinja2.jsonl"))
    assert count and len(documents) == int(count[1]) > 100
    assert {document.label for document in documents} == {"jinja2"}


def test_train_a_tokenizer(flow: Flow) -> None:
    first, *_, text = flow.output("02_train_a_tokenizer").splitlines()
    assert first == "75 pieces: runs/tokenizer"
    assert text.startswith("text:   ")
    assert kpt.WordPieceTokenizer.load(flow.folder / "runs" / "tokenizer").vocabulary.size == 75


def test_write_a_token_store(flow: Flow) -> None:
    output = flow.output("03_write_a_token_store")
    assert re.search(r"^36 documents, 72 sentences, [\d,]+ tokens: runs/store$", output, flags=re.MULTILINE)
    assert re.search(r"^   then the \w+ took the \w+ home \.$", output, flags=re.MULTILINE)
    assert re.search(r"^   \[CLS\] .* \[SEP\] .* \[SEP\]$", output, flags=re.MULTILINE)
    assert re.search(r"^   --> the second segment (is from elsewhere|follows the first)$", output, flags=re.MULTILINE)


def test_pretrain_bert(flow: Flow) -> None:
    output = flow.output("04_pretrain_bert")
    assert output.count("If the file does not exist, a [MASK] is raised. ->") == 2
    assert "val_masked_lm_accuracy" in output
    assert "6 steps: runs/bert/checkpoints/step-00000006" in output
    assert (flow.folder / "runs" / "bert" / "report.html").is_file()


def test_go_on(flow: Flow) -> None:
    output = flow.output("05_go_on")
    assert "going on after 6 steps, lion at a rate of 0.0003" in output
    assert "8 steps: runs/bert/checkpoints/step-00000008" in output
    lines = (flow.folder / "runs" / "bert" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines if '"train"' in line] == [1, 3, 6, 7, 8]


def test_export(flow: Flow) -> None:
    assert flow.output("06_export").splitlines()[-1] == "8 steps: saved_models/bert/1"


def test_query_without_kpt_and_keras(flow: Flow) -> None:
    lines = flow.output("07_query").splitlines()
    assert len(lines) == 5
    assert all(line.count("%") == 5 for line in lines[:2])
    assert all(re.search(r"-> follows: \d+%$", line) for line in lines[2:4])
    assert re.fullmatch(r"128 values a text; cosine of the two texts: -?[01]\.\d\d", lines[4])


def test_sentiment(flow: Flow) -> None:
    lines = flow.output("10_sentiment").splitlines()
    assert re.fullmatch(r"epoch [01] of 1 is the best; curves and errors: runs/sentiment/report\.html", lines[0])
    assert re.fullmatch(r"8 test reviews: accuracy \S+% \(\S+% to \S+%\)", lines[1])
    assert "('negative', 'positive') taken for each: [[" in lines[2]
    assert len(lines) == 5 and all(re.search(r"\. -> (negative|positive) \d+%$", line) for line in lines[3:])
    tuned = json.loads((flow.folder / "runs" / "sentiment" / "config.json").read_text(encoding="utf-8"))
    assert (tuned["kind"], tuned["data"]["texts"]) == ("classifier", 64)
    assert (flow.folder / "saved_models" / "sentiment" / "1" / "saved_model.pb").is_file()


def test_multi_task(flow: Flow) -> None:
    lines = flow.output("16_multi_task").splitlines()
    assert re.fullmatch(r"epoch [01] of 1 is the best; curves and errors: runs/two-tasks/report\.html", lines[0])
    assert re.fullmatch(r"package: accuracy \S+% of 6 test texts", lines[1])
    assert re.fullmatch(r"code: entity F1 \S+% on the validation texts", lines[2])
    assert re.fullmatch(r"(jinja2|rich); names of code: \d+", lines[3])
    assert (flow.folder / "saved_models" / "two-tasks" / "1" / "saved_model.pb").is_file()


def test_questions(flow: Flow) -> None:
    lines = flow.output("15_questions").splitlines()
    assert lines[0] == "best epoch 1 of 1: runs/questions/report.html"
    assert re.fullmatch(r"validation: exact match \S+%, F1 \S+% \(\S+% to \S+%\)", lines[1])
    assert [line.split("?")[0] for line in lines[2:]] == ["which person", "which number", "which month"]


def test_entities(flow: Flow) -> None:
    lines = flow.output("18_entities").splitlines()
    assert re.fullmatch(r"best epoch [01] of 1: runs/entities/report\.html", lines[0])
    assert re.fullmatch(r"validation: entity F1 \S+% \(\S+% to \S+%\)", lines[1])
    assert [line.split(":")[0] for line in lines[2:4]] == ["  person", "  place"]
    count = re.fullmatch(r"She flew to Old York and talked to Jordan\. -> (\d) entities", lines[4])
    assert count and len(lines) == 5 + int(count[1])


def test_zero_shot_against_tuned(flow: Flow) -> None:
    lines = flow.output("19_zero_shot").splitlines()
    assert re.fullmatch(r"a decoder of [\d,]+ parameters: runs/zero-shot/gpt/report\.html", lines[0])
    assert re.fullmatch(r"no label, zero-shot: accuracy \S+% on 300 texts", lines[1])
    assert re.fullmatch(r"8 labels, tuned: accuracy \S+% \(\S+% to \S+%\)", lines[2]) and len(lines) == 3


def test_continual(flow: Flow) -> None:
    lines = flow.output("17_continual").splitlines()
    assert re.fullmatch(r"replay: -?\S+ forgotten, \S+ known at the end", lines[0])
    rows = [re.fullmatch(r"  after (\w+) +(\d\.\d\d) (\d\.\d\d)", line) for line in lines[1:3]]
    assert [row and row[1] for row in rows] == ["jinja2_rich", "safetensors_packaging"]
    assert lines[3] == "  heat map: runs/one-after-another-replay/report.html" and len(lines) == 4


@pytest.mark.parametrize("name", SYMBOLS)
def test_the_neighbours_of_symbols_are_from_their_own_cluster(name: str, tmp_path: Path) -> None:
    lines = run(tmp_path, str(EXAMPLES / f"{name}.py"), *SYMBOLS[name].split()).splitlines()
    count = re.fullmatch(r"48 (?:items|motifs); (\S+)% of their ten nearest are from their own \w+", lines[-1])
    assert count and float(count[1]) >= 95, lines
    assert len(lines) == 4
