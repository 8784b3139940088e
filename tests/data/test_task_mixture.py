from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kpt import InputError
from kpt.data import LabelledBatches, LabelledExamples, TaskMixture, encode_texts
from kpt.data.tagged import TaggedExamples, encode_words
from kpt.data.task_mixture import joint_batch, mixing_proportions, steps_of_tasks
from tests.tasks.small_task import LABELS, TEXTS, small_tokenizer

TOKENIZER = small_tokenizer()
IDS = np.array([label == "pos" for label in LABELS], np.int32)


def texts(count: int, labels: np.ndarray | None = None, **options: Any) -> LabelledExamples:
    encoded = encode_texts(TOKENIZER, TEXTS[:count], length=16)
    return LabelledExamples(encoded, TOKENIZER.vocabulary, IDS[:count] if labels is None else labels, **options)


def long_texts(**options: Any) -> LabelledExamples:
    """Texts of several windows, of which each epoch draws one."""
    encoded = encode_texts(TOKENIZER, [" ".join(TEXTS[at : at + 6]) for at in range(4)], length=8, windows=9)
    assert encoded.totals.min() > 16
    return LabelledExamples(encoded, TOKENIZER.vocabulary, IDS[:4], drawn_windows=1, **options)


def words(count: int) -> TaggedExamples:
    split = [text.split() for text in TEXTS[:count]]
    tags = np.empty(count, object)
    for number, some in enumerate(split):
        tags[number] = np.arange(len(some)) % 3
    return TaggedExamples(encode_words(TOKENIZER, split, length=16), TOKENIZER.vocabulary, tags)


@pytest.mark.parametrize(
    ("sizes", "temperature", "shares"),
    [
        ([300, 100], 1.0, [0.75, 0.25]),
        ([900, 100], 2.0, [0.75, 0.25]),
        ([1000, 1], 3.0, [10 / 11, 1 / 11]),
        ([5, 5, 5], 7.0, [1 / 3] * 3),
        ([10**9, 1], 0.01, [1.0, 0.0]),  # nothing overflows
    ],
)
def test_proportions_are_sizes_to_a_power(sizes: list[int], temperature: float, shares: list[float]) -> None:
    np.testing.assert_allclose(mixing_proportions(sizes, temperature), shares, rtol=1e-12, atol=1e-12)


def test_steps_are_the_nearest_whole_numbers() -> None:
    assert steps_of_tasks([0.5, 0.3, 0.2], 10).tolist() == [5, 3, 2]
    assert steps_of_tasks([0.5, 0.3, 0.2], 11).tolist() == [6, 3, 2]  # 5.5, 3.3, 2.2
    assert steps_of_tasks([0.999, 0.001], 2).tolist() == [1, 1]
    generator = np.random.default_rng(0)
    for _ in range(50):
        shares = generator.dirichlet(np.ones(5))
        counts = steps_of_tasks(shares, 40)
        assert counts.sum() == 40 and counts.min() >= 1


def test_each_round_has_the_tasks_in_their_proportions_exactly() -> None:
    mixture = TaskMixture({"a": texts(30), "b": texts(10)}, temperature=2.0, seed=3)
    share = 30**0.5 / (30**0.5 + 10**0.5)  # of 14 steps 8.88 and 5.12
    assert mixture.proportions["a"] == pytest.approx(share)
    assert mixture.steps(3) == 10 + 4
    for round_ in range(3):
        names = [mixture.task(step, 3) for step in range(14 * round_, 14 * (round_ + 1))]
        assert [step for name, step in names if name == "a"] == list(range(9 * round_, 9 * (round_ + 1)))
        assert [step for name, step in names if name == "b"] == list(range(5 * round_, 5 * (round_ + 1)))
    given = TaskMixture({"a": texts(30), "b": texts(10)}, proportions={"b": 3, "a": 4})
    assert sum(given.task(step, 3)[0] == "a" for step in range(14)) == 8


def test_in_proportion_to_the_sizes_each_text_comes_once_an_epoch() -> None:
    mixture = TaskMixture({"a": texts(24), "b": texts(8)}, seed=1)
    for epoch in range(2):
        seen: dict[str, list[int]] = {"a": [], "b": []}
        for step in range(8 * epoch, 8 * epoch + 8):
            name, own = mixture.task(step, 4)
            seen[name] += mixture.tasks[name].rows(own, 4).tolist()
        assert sorted(seen["a"]) == list(range(24)) and sorted(seen["b"]) == list(range(8))


def test_the_order_is_a_function_of_seed_and_step() -> None:
    def names(seed: int, steps: range) -> list[str]:
        mixture = TaskMixture({"a": texts(30), "b": texts(20)}, seed=seed)
        return [mixture.task(step, 2)[0] for step in steps]

    assert names(0, range(50)) == [*names(0, range(25)), *names(0, range(25, 50))]
    assert names(0, range(25)) != names(1, range(25)) != names(1, range(25, 50))


def test_batches_of_all_tasks_have_one_form() -> None:
    several = np.eye(3, dtype=np.float32)[np.arange(20) % 3]
    weighted = texts(20, np.linspace(0, 1, 20, dtype=np.float32), weights=np.full(20, 0.5, np.float32))
    tasks = {"mood": texts(30), "words": words(12), "several": texts(20, several), "score": weighted}
    mixture = TaskMixture(tasks)
    batches = LabelledBatches(mixture, batch_size=4)
    forms, seen = set(), set()
    for step in range(len(batches)):
        inputs, labels, weights = batches.batch(step)
        name = mixture.task(step, 4)[0]
        number = list(tasks).index(name)
        seen.add(name)
        assert (inputs["task"] == number).all() and list(labels) == list(weights) == list(tasks)
        rows, columns = inputs["token_ids"].shape
        assert labels["words"].shape == weights["words"].shape == (rows, columns)
        forms.add(tuple((labels[each].dtype, labels[each].shape[2:], weights[each].ndim) for each in tasks))
        for other in tasks:
            if other != name:
                assert not weights[other].any() and not labels[other].any()
        assert weights[name].max() == (0.5 if name == "score" else 1)
    assert len(forms) == 1 and seen == set(tasks)


def test_rows_of_several_tasks_are_put_together() -> None:
    tasks = {"mood": texts(30), "words": words(12)}
    inputs, labels, weights = joint_batch(tasks, [("words", np.array([5])), ("mood", np.array([2, 29]))])
    assert inputs["task"].tolist() == [1, 0, 0]
    assert labels["mood"].tolist() == [0, 1, 0] and weights["mood"].tolist() == [0, 1, 1]
    alone = tasks["words"].batch_of(np.array([5]))
    wide = alone[0]["token_ids"].shape[1]
    np.testing.assert_array_equal(labels["words"][0, :wide], alone[1][0])
    assert labels["words"].shape == inputs["token_ids"].shape and not weights["words"][1:].any()
    wider = TaskMixture(tasks).widened((inputs, labels, weights), 3)
    assert wider[0]["token_ids"].shape[1] == wider[1]["words"].shape[1] == labels["words"].shape[1] + 3
    assert wider[2]["words"].sum() == weights["words"].sum() and wider[0]["task"].tolist() == [1, 0, 0]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="there is no task to mix"):
        TaskMixture({})
    with pytest.raises(InputError, match="the task 'a' has no labels"):
        TaskMixture({"a": LabelledExamples(texts(3).texts, TOKENIZER.vocabulary)})
    with pytest.raises(InputError, match="temperature is 0"):
        TaskMixture({"a": texts(3)}, temperature=0)
    with pytest.raises(InputError, match="proportions are for b; give one for each task, 'a'"):
        TaskMixture({"a": texts(3)}, proportions={"b": 1})
    with pytest.raises(InputError, match="the proportion of 'a' is -1"):
        TaskMixture({"a": texts(3)}, proportions={"a": -1})


def test_a_task_draws_windows_as_it_does_alone() -> None:
    alone = long_texts(seed=5)
    mixture = TaskMixture({"long": alone, "words": words(6)}, seed=1)
    widths = set()
    for step in range(40):
        name, own = mixture.task(step, 2)
        if name == "long":
            inputs, wanted = mixture.examples(step, 2)[0], alone.examples(own, 2)[0]
            np.testing.assert_array_equal(inputs["token_ids"], wanted["token_ids"])
            widths.add(inputs["token_ids"].shape[1])
    assert widths == {8}
    firsts = {tuple(alone.batch_of(np.array([0]), epoch)[0]["token_ids"][0]) for epoch in range(20)}
    assert len(firsts) > 2 and alone.batch_of(np.array([0]))[0]["token_ids"].shape[1] > 16
