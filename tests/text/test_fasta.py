from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kpt import InputError
from kpt.text import FastaCorpus, fasta
from kpt.text.fasta import kmers


def read(folder: Path, content: str, **options: Any) -> tuple[list[tuple[str | None, str]], dict[str, int]]:
    (folder / "a.fasta").write_text(content, encoding="utf-8")
    corpus = FastaCorpus(folder / "a.fasta", **options)
    return [(document.id, document.text) for document in corpus], dict(corpus.problems)


def test_records_become_documents_of_kmers(tmp_path: Path) -> None:
    content = ";made\n>one first gene\nacg\n\n tac\n>two\nAC\n>three\nACG-TTTT*ACGNNACGT"
    documents, problems = read(tmp_path, content, k=3)
    assert documents == [("one", "ACG CGT GTA TAC"), ("three", "ACG\nTTT TTT\nACG CGN GNN NNA NAC ACG CGT")]
    assert problems == {"short": 1}
    documents, problems = read(tmp_path, content, k=3, step=3, alphabet="tgca")
    assert documents == [("one", "ACG TAC"), ("three", "ACG\nTTT\nACG\nACG")]
    assert problems == {"short": 1, "outside": 2}
    assert [document.position for document in FastaCorpus(tmp_path / "a.fasta", k=3)] == [2, 8]


def test_kmers_are_those_of_the_whole_sequence_wherever_lines_end(tmp_path: Path) -> None:
    sequence = "".join(np.random.default_rng(0).choice(list("ACGT"), 200))
    for width in (1, 7, 200):
        lines = "\n".join(sequence[i : i + width] for i in range(0, 200, width))
        ((_, text),), _ = read(tmp_path, f">x\n{lines}\n", k=5, step=2)
        assert text.split() == [sequence[i : i + 5] for i in range(0, 196, 2)] == kmers(sequence, 5, 2)


def test_long_sequences_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fasta, "LONGEST", 8)
    documents, problems = read(tmp_path, ">x\nACGT\nACGT\nTTTT\nTTTT\nA\n>y\nA\n", k=4)
    assert documents == [("x", "ACGT CGTA GTAC TACG ACGT"), ("x", "TTTT TTTT TTTT TTTT TTTT")]
    assert problems == {"long": 2, "short": 1}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("ACGT\n>x\nACGT\n", r"line 1: a sequence before the first record"),
        (">x\nACGT\n>  \nACGT\n", r"line 3: the record has no name"),
        (">x\nACGT\nAC1T\n", r"line 3: '1' is no residue"),
        (">x\nAÄ\n", r"line 2: 'Ä' is no residue"),
        (">x\nA\n", r"no sequence was found"),
    ],
)
def test_what_does_not_fit_is_named_by_its_line(content: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, content, k=3)


@pytest.mark.parametrize("options", [{"k": 0}, {"step": 0}, {"alphabet": "AC-"}, {"alphabet": ""}])
def test_wrong_options(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        read(tmp_path, ">x\nACGT\n", **options)
