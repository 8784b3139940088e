from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kpt import InputError, WordVectors
from kpt.evaluation import analogies, evaluate_analogies, read_analogies
from tests.evaluation.made import both


def questions(seed: int) -> str:
    """Questions with and without an answer, some about words that are not there or in other cases."""
    generator = np.random.default_rng(seed)
    pairs = [("king", "queen"), ("man", "woman"), ("boy", "girl"), ("w1", "w2"), ("Man", "WOMAN"), ("lord", "lady")]
    family = [f"{a} {b} {c} {d}" for a, b in pairs for c, d in pairs if a.lower() != c.lower()]
    words = ["the", "cat", "CAT", "Paris", "rome", *(f"w{i}" for i in range(40))]
    other = [" ".join(generator.choice(words, 4)) for _ in range(60)]
    return "\n".join([": family", *family, ": empty", ": other  things", *other, ""])


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("ignore_case", [True, False])
@pytest.mark.parametrize("restrict", [300_000, 30])
@pytest.mark.parametrize("cells", [1, 1 << 24])
def test_figures_are_gensims(
    seed: int, ignore_case: bool, restrict: int, cells: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analogies, "CELLS", cells)
    (tmp_path / "questions.txt").write_text(questions(seed))
    vectors, keyed = both(seed)
    score = evaluate_analogies(
        vectors, read_analogies(tmp_path / "questions.txt"), restrict_vocabulary=restrict, ignore_case=ignore_case
    )
    accuracy, sections = keyed.evaluate_word_analogies(
        str(tmp_path / "questions.txt"), restrict_vocab=restrict, case_insensitive=ignore_case
    )
    *sections, total = sections
    assert list(score.sections) == [section["section"] for section in sections]
    for ours, theirs in zip([*score.sections.values(), score.total], [*sections, total], strict=True):
        assert ours.correct == len(theirs["correct"])
        assert ours.questions == len(theirs["correct"]) + len(theirs["incorrect"])
    assert score.total.accuracy == pytest.approx(accuracy)
    assert score.total.correct > 0 and score.total.correct < score.total.questions
    asked = {name: len(section) for name, section in read_analogies(tmp_path / "questions.txt").items()}
    assert {name: section.questions + section.oov for name, section in score.sections.items()} == asked
    assert score.total.oov > 0


def test_figures_by_name() -> None:
    vectors = WordVectors(["a", "b", "c", "d"], [[1, 0, 0.1], [0, 1, 0.1], [1, 0, 1], [0, 1, 1]])
    score = evaluate_analogies(
        vectors, {"one": [("a", "b", "c", "d")], "two": [("a", "b", "c", "x")]}, restrict_vocabulary=None
    )
    whole = {"accuracy": 1.0, "correct": 1, "questions": 1}
    assert score.summary() == {
        **whole,
        "oov": 1,
        "sections": {
            "one": {**whole, "oov": 0},
            "two": {"accuracy": 0.0, "correct": 0, "questions": 0, "oov": 1},
        },
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a b c d\n", "line 1: a question before the first section"),
        (": one\na b c d\n\na b c\n", "line 4: 3 words where a question has four"),
        (": one\na b c d e\n", "line 2: 5 words"),
        (":\na b c d\n", "line 1: the section's name '' is empty"),
        (": one\na b c d\n: one\n", "line 3: the section's name 'one'"),
        (": one\n", "has no question"),
    ],
)
def test_a_damaged_file_is_named_by_line(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(InputError, match=message) as error:
        read_analogies(tmp_path / "a.txt")
    assert str(tmp_path / "a.txt") in str(error.value)


def test_questions_about_other_words_are_refused() -> None:
    vectors = WordVectors(["a", "b"], np.eye(2))
    with pytest.raises(InputError, match="none of the 1 questions has all its words among the 2"):
        evaluate_analogies(vectors, {"one": [("a", "b", "c", "d")]})
