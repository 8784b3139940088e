from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kpt import InputError, WordVectors
from kpt.evaluation import evaluate_word_pairs, read_word_pairs
from tests.evaluation.made import both

PAIRS = """# made by hand
# Word 1\tWord 2\tHuman (mean)
cat\tdog\t7.5
Cat\tKing\t1.2
king\tqueen\t9
man\twoman\t8.25
paris\trome\t6
unicorn\tcat\t2
boy\tgirl\t8.25
the\tw3\t0.5
w4\tw5\t3
w25\tcat\t4
"""


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("ignore_case", [True, False])
@pytest.mark.parametrize("restrict", [300_000, 30])
def test_figures_are_gensims(seed: int, ignore_case: bool, restrict: int, tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text(PAIRS)
    vectors, keyed = both(seed)
    score = evaluate_word_pairs(
        vectors, read_word_pairs(tmp_path / "pairs.tsv"), restrict_vocabulary=restrict, ignore_case=ignore_case
    )
    pearson, spearman, oov = keyed.evaluate_word_pairs(
        str(tmp_path / "pairs.tsv"), restrict_vocab=restrict, case_insensitive=ignore_case
    )
    assert score.spearman == pytest.approx(spearman.statistic, abs=1e-6)
    assert score.pearson == pytest.approx(pearson.statistic, abs=1e-6)
    assert 100 * score.oov / (score.pairs + score.oov) == pytest.approx(oov)
    assert score.pairs + score.oov == 10 and score.oov == 1 + (restrict == 30) + (not ignore_case)


@pytest.mark.parametrize(
    "content",
    [
        "tiger\tcat\t7.35\nbook\tpaper\t5.25\n",
        "Word 1\tWord 2\tHuman (mean)\t1\t2\ntiger\tcat\t7.35\t9\t8\nbook\tpaper\t5.25\t1\t2\n",
        "Word 1,Word 2,Human (mean)\ntiger,cat,7.35\nbook,paper,5.25\n",
        "word1\tword2\tPOS\tSimLex999\tconc(w1)\r\ntiger\tcat\tN\t7.35\t3\r\nbook\tpaper\tN\t5.25\t4\r\n",
    ],
    ids=["plain", "wordsim353", "wordsim353 csv", "simlex999"],
)
def test_the_published_forms(content: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content.encode())
    assert read_word_pairs(tmp_path / "a") == [("tiger", "cat", 7.35), ("book", "paper", 5.25)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cat\tdog\t1\ncat dog 2\n", "line 2: 1 columns, and the score is in column 3"),
        ("cat\tdog\t1\ncat\tdog\n", "line 2: 2 columns"),
        ("cat\tdog\t1\n\n\tdog\t2\n", "line 3: a word is empty"),
        ("cat\tdog\t1\ncat\tdog\thigh\n", "line 2: the score 'high' is no finite number"),
        ("cat\tdog\tnan\n", "line 1: the score 'nan'"),
        ("word1\tword2\tPOS\tvalue\ncat\tdog\tN\t1\n", "line 1 names no column of scores"),
        ("# nothing\n", "has no pair of words"),
        ("Word 1\tWord 2\tHuman (mean)\n", "has no pair of words"),
    ],
)
def test_a_damaged_file_is_named_by_line(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(content)
    with pytest.raises(InputError, match=message) as error:
        read_word_pairs(tmp_path / "a.tsv")
    assert str(tmp_path / "a.tsv") in str(error.value)


def test_pairs_of_other_words_are_refused() -> None:
    vectors = WordVectors(["a", "b"], np.eye(2))
    with pytest.raises(InputError, match="1 of 2 pairs have both words among the 2 that count"):
        evaluate_word_pairs(vectors, [("a", "b", 1), ("a", "c", 2)])


def test_figures_by_name() -> None:
    vectors = WordVectors(["a", "b", "c"], [[1, 0], [1, 0.1], [0, 1]])
    score = evaluate_word_pairs(vectors, [("a", "b", 2), ("a", "c", 1)], restrict_vocabulary=None)
    assert score.summary() == {"spearman": 1.0, "pearson": pytest.approx(1), "pairs": 2, "oov": 0}
