from __future__ import annotations

import numpy as np
import pytest

from kpt import InputError
from kpt.evaluation.entities import entity_counts, entity_scores, scores_by_type

# Truth, guess, and what the definition counts: entities right, true, guessed.
CASES = [
    ("all right", "B-x I-x O B-y", "B-x I-x O B-y", (2, 2, 2)),
    ("nothing found", "B-x I-x O", "O O O", (0, 1, 0)),
    ("nothing there", "O O O", "O B-x O", (0, 0, 1)),
    ("too short", "B-x I-x I-x", "B-x I-x O", (0, 1, 1)),
    ("too long", "B-x I-x O", "B-x I-x I-x", (0, 1, 1)),
    ("another type", "B-x I-x", "B-y I-y", (0, 1, 1)),
    ("two side by side taken for one", "B-x B-x O", "B-x I-x O", (0, 2, 1)),
    ("one taken for two", "B-x I-x I-x", "B-x B-x I-x", (0, 1, 2)),
    ("an I that nothing precedes begins one", "B-x I-x O B-y", "I-x I-x O I-y", (2, 2, 2)),
    ("an I of another type begins one", "B-x B-y I-y", "B-x I-y I-y", (2, 2, 2)),
]


@pytest.mark.parametrize(("name", "truth", "guess", "counts"), CASES, ids=[case[0] for case in CASES])
def test_cases_written_out(name: str, truth: str, guess: str, counts: tuple[int, int, int]) -> None:
    assert entity_counts([truth.split()], [guess.split()])[0, :3].tolist() == list(counts)
    right, true, guessed = counts
    scores = entity_scores([truth.split()], [guess.split()])
    assert scores["precision"] == (right / guessed if guessed else 0)
    assert scores["recall"] == (right / true if true else 0)
    assert scores["f1"] == pytest.approx(2 * right / (true + guessed))


def begins(before: str, tag: str) -> bool:
    """Whether an entity begins at a tag, by the rules of conlleval for B, I and O."""
    if tag == "O":
        return False
    return tag[0] == "B" or before == "O" or before[2:] != tag[2:]


def ends(before: str, tag: str) -> bool:
    """Whether an entity ends before a tag."""
    return before != "O" and (tag == "O" or tag[0] == "B" or before[2:] != tag[2:])


def conlleval(truth: list[list[str]], guess: list[list[str]]) -> tuple[int, int, int, int, int]:
    """Count as the scorer does, word by word: an entity is right if both begin at once and end at once, of one type."""
    right = true = guessed = words = total = 0
    for tags, told in zip(truth, guess, strict=True):
        together, before, before_told = False, "O", "O"
        for tag, other in zip([*tags, "O"], [*told, "O"], strict=True):
            if together:
                end, end_told = ends(before, tag), ends(before_told, other)
                if end and end_told:
                    together, right = False, right + 1
                elif end != end_told:
                    together = False
            start, start_told = begins(before, tag), begins(before_told, other)
            together = together or (start and start_told and tag[2:] == other[2:])
            true, guessed = true + start, guessed + start_told
            before, before_told = tag, other
        words += sum(tag == other for tag, other in zip(tags, told, strict=True))
        total += len(tags)
    return right, true, guessed, words, total


def test_random_tags_against_counting_word_by_word() -> None:
    generator = np.random.default_rng(0)
    names = np.array(["O", "B-x", "I-x", "B-y", "I-y"])
    truth = [names[generator.integers(0, 5, size)].tolist() for size in generator.integers(0, 9, 400)]
    guess = [
        np.where(generator.random(len(tags)) < 0.7, tags, names[generator.integers(0, 5, len(tags))]).tolist()
        for tags in truth
    ]
    found = entity_counts(truth, guess).sum(axis=0)
    assert tuple(found) == conlleval(truth, guess) and found[0] > 100


def test_types_are_scored_apart() -> None:
    truth, guess = [["B-x", "B-y"], ["B-x"]], [["B-x", "B-x"], ["O"]]
    assert scores_by_type(truth, guess) == {
        "x": {"f1": 0.5, "precision": 0.5, "recall": 0.5, "entities": 2},
        "y": {"f1": 0, "precision": 0, "recall": 0, "entities": 1},
    }


def test_refusals() -> None:
    with pytest.raises(InputError, match="there is no sentence"):
        entity_scores([], [])
    with pytest.raises(InputError, match="sentence 0 has 1 tags and 2 guesses"):
        entity_scores([["O"]], [["O", "O"]])
    with pytest.raises(InputError, match="2 sentences and guesses for 1"):
        entity_scores([["O"], ["O"]], [["O"]])
