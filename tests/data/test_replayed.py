from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from kpt import InputError
from kpt.data import LabelledBatches
from kpt.data.replayed import ReplayedExamples, stored_rows
from tests.data.test_task_mixture import long_texts, texts, words

TASKS = {"mood": texts(30), "words": words(12), "last": texts(10)}
STORED = {"mood": np.array([3, 17, 20]), "words": np.array([5])}


def test_a_share_of_each_batch_is_stored_texts() -> None:
    replayed = ReplayedExamples(TASKS, "last", STORED, share=0.25, seed=2)
    assert replayed.replayed(8) == 2 and replayed.steps(8) == 2  # of 10 texts, 6 a batch
    both = [replayed.rows(step, 8) for step in (0, 1)]
    assert sorted(row for some in both for name, row in some if name == "last") == list(range(10))
    assert sorted(len(some) for some in both) == [6, 8]
    full = 0 if len(both[0]) == 8 else 1
    assert [name for name, _ in both[full]].count("last") == 6
    old = Counter(row for step in range(4) for row in replayed.rows(step, 8) if row[0] != "last")
    assert old == {("mood", 3): 2, ("mood", 17): 2, ("mood", 20): 2, ("words", 5): 2}  # each in turn
    inputs, labels, weights = LabelledBatches(replayed, batch_size=8).batch(full)
    assert len(inputs["task"]) == 8 and (inputs["task"] == 2).sum() == 6
    assert weights["last"].sum() == 6 and set(labels) == set(TASKS)


def test_without_stored_texts_the_batches_are_the_tasks_own() -> None:
    alone = ReplayedExamples(TASKS, "mood")
    assert alone.steps(8) == 4
    inputs, labels, weights = alone.examples(1, 8)
    own = TASKS["mood"].examples(1, 8)
    np.testing.assert_array_equal(inputs["token_ids"], own[0]["token_ids"])
    np.testing.assert_array_equal(labels["mood"], own[1])
    assert not inputs["task"].any() and not weights["words"].any()


def test_windows_are_drawn_of_stored_texts_too() -> None:
    tasks = {"long": long_texts(), "mood": texts(8)}
    replayed = ReplayedExamples(tasks, "mood", {"long": np.array([0])}, share=0.5)
    seen = set()
    for step in range(40):
        inputs, _, _ = replayed.examples(step, 4)
        (row,) = inputs["token_ids"][inputs["task"] == 0][:1]
        assert np.count_nonzero(row != 0) <= 8 or inputs["token_ids"].shape[1] <= 16
        seen.add(tuple(row[:8]))
    assert len(seen) > 2


def test_hosts_make_their_rows_alone() -> None:
    replayed = ReplayedExamples(TASKS, "last", STORED, share=0.5)
    whole, *parts = (replayed.examples(3, 8, rows)[0]["task"] for rows in (slice(0, 8), slice(0, 4), slice(4, 8)))
    assert sorted(whole) == sorted(np.concatenate(parts)) and replayed.rows(3, 8) == replayed.rows(3, 8)


def test_what_is_stored_is_drawn_at_random() -> None:
    rows = stored_rows(1000, 50, seed=1)
    assert len(set(rows.tolist())) == 50 and rows.max() > 500
    assert rows.tolist() != stored_rows(1000, 50, seed=2).tolist()


def test_refusals() -> None:
    with pytest.raises(InputError, match="there is no task 'x'; there are mood, words, last"):
        ReplayedExamples(TASKS, "x")
    with pytest.raises(InputError, match="share of replayed texts is 1"):
        ReplayedExamples(TASKS, "mood", share=1)
    with pytest.raises(InputError, match="no room for a stored one"):
        ReplayedExamples(TASKS, "last", STORED).steps(1)
