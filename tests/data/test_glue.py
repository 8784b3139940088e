"""The files that tests write here have the first lines, the order of fields and the marks of GLUE's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpt.data.glue import GLUE, glue_files, read_glue
from kpt.errors import InputError
from tests.data.glue_folders import FIRST_LINES, write_glue


@pytest.mark.parametrize("name", GLUE)
def test_each_task_is_read_from_its_own_layout(name: str, tmp_path: Path) -> None:
    folder = write_glue(tmp_path, name)
    train, others = glue_files(name, folder)
    assert [file.name for file in others] == (
        ["dev_matched.tsv", "dev_mismatched.tsv"] if name == "MNLI" else ["dev.tsv"]
    )
    for file in (train, *others):
        data = read_glue(name, file)
        assert data.texts == [f'a "{word} film' for word in ("fine", "poor", "great", "bad")]
        assert data.pairs == (None if GLUE[name].pair is None else [f"the {n} pair" for n in range(4)])
        first = 1 if name == "CoLA" else 2
        assert data.places == [f"{file}, line {first + n}" for n in range(4)]
        assert data.problems == {}


def test_the_names_of_the_labels(tmp_path: Path) -> None:
    found = {name: read_glue(name, write_glue(tmp_path, name) / "train.tsv").labels for name in GLUE}
    assert found == {
        "CoLA": ["acceptable", "unacceptable"] * 2,
        "SST-2": ["positive", "negative"] * 2,
        "MRPC": ["equivalent", "not_equivalent"] * 2,
        "QQP": ["duplicate", "not_duplicate"] * 2,
        "STS-B": [4.75, 0.5, 4.75, 0.5],
        "MNLI": ["contradiction", "entailment", "neutral", "contradiction"],
        "QNLI": ["entailment", "not_entailment"] * 2,
        "RTE": ["entailment", "not_entailment"] * 2,
        "WNLI": ["entailment", "not_entailment"] * 2,
    }


def test_what_is_counted_and_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_text(FIRST_LINES["QQP"] + "0\t1\t2\tWhy ?\tHow ?\t0\n1\t1\t2\tbroken\n2\t1\t2\tWhy ?\t\t1\n")
    data = read_glue("QQP", path)
    assert len(data) == 2 and data.problems == {"short": 1, "empty": 1}
    path.write_text("index\tsentence\n0\tno label\n")
    with pytest.raises(InputError, match=r"train\.tsv, line 1: no field 'label' \(fields: 'index', 'sentence'\)"):
        read_glue("SST-2", path)
    path.write_text("sentence\tlabel\nfine\t1\npoor\t2\n")
    with pytest.raises(InputError, match=r"train\.tsv, line 3: the label '2' is none of 0, 1"):
        read_glue("SST-2", path)
    path.write_text(FIRST_LINES["STS-B"] + "\t".join(["0", "g", "f", "2012", "0", "n", "n", "a", "b", "high"]))
    with pytest.raises(InputError, match="line 2: 'high' is no finite number"):
        read_glue("STS-B", path)
    path.write_text("sentence\tlabel\n")
    with pytest.raises(InputError, match="has no record of SST-2"):
        read_glue("SST-2", path)
    with pytest.raises(InputError, match="GLUE has no task 'SST2'; there are CoLA, SST-2"):
        read_glue("SST2", path)
    with pytest.raises(InputError, match=r"dev\.tsv does not exist; give the folder of RTE as GLUE has it"):
        glue_files("RTE", tmp_path)
