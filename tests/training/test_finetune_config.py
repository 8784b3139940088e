from __future__ import annotations

from kpt.data.conll import TaggedWords
from kpt.data.labelled import LabelledTexts
from kpt.data.squad import Questions
from kpt.training.finetune_config import labelled_content


def texts(labels: list[object], places: list[str]) -> LabelledTexts:
    return LabelledTexts(["one", "two"], None, labels, places)


def test_texts_and_labels_are_known_wherever_their_files_are() -> None:
    here = labelled_content(texts(["a", "b"], ["x, line 1", "x, line 2"]))
    assert len(here) == 64
    assert labelled_content(texts(["a", "b"], ["y, line 3", "y, line 9"])) == here
    assert labelled_content(texts(["a", "a"], ["x, line 1", "x, line 2"])) != here
    assert labelled_content(texts([("a",), ()], ["", ""])) != labelled_content(texts([(), ("a",)], ["", ""]))
    assert labelled_content(texts([0.5, 1.0], ["", ""])) != labelled_content(texts([0.5, 1.5], ["", ""]))


def test_which_texts_are_trained_on_makes_a_difference() -> None:
    one, other = texts(["a", "b"], ["", ""]), texts(["b", "a"], ["", ""])
    assert labelled_content(one, other) != labelled_content(other, one)


def test_tags_and_answers_count() -> None:
    words = [TaggedWords([["a", "b"]], [tags], ["f, line 1"]) for tags in (["O", "B-x"], ["B-x", "O"])]
    assert labelled_content(words[0]) != labelled_content(words[1])
    asked = [Questions(["who"], ["he or she"], [[span]], [name], [""]) for span, name in (((0, 2), "1"), ((6, 9), "1"))]
    assert labelled_content(asked[0]) != labelled_content(asked[1])
    assert labelled_content(asked[0]) == labelled_content(Questions(["who"], ["he or she"], [[(0, 2)]], ["2"], ["f"]))
