from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kpt.data import Batches, LabelledBatches, LabelledExamples, PackedSequences, SentencePairs
from kpt.data.text_sequences import encode_texts
from kpt.distribution.replica_batches import ReplicaBatches, split_rows, worker_position
from kpt.objectives import CausalLM, MaskedLM
from tests.training.small_store import DOCUMENTS, small_store


class Strategy:
    """What is asked of a strategy: a worker of several, each with the same number of replicas."""

    def __init__(self, workers: int = 1, worker: int = 0, replicas: int = 1, chief: bool = False) -> None:
        spec = {"worker": [f"w:{number}" for number in range(workers)]}
        task = ("worker", worker)
        if chief:
            spec = {"chief": ["c:0"], "worker": [f"w:{number}" for number in range(workers - 1)]}
            task = ("chief", 0) if worker == 0 else ("worker", worker - 1)
        self.cluster_resolver = SimpleNamespace(
            cluster_spec=lambda: SimpleNamespace(as_dict=lambda: spec), task_type=task[0], task_id=task[1]
        )
        devices = [f"CPU:{number}" for number in range(replicas)]
        self.extended = SimpleNamespace(worker_devices=devices, _in_multi_worker_mode=lambda: workers > 1)
        self.datasets: list[Any] = []

    def distribute_datasets_from_function(self, make: Any) -> Any:
        return make(None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return small_store(tmp_path_factory.mktemp("data") / "store")


def rows_of_step(make: Any, step: int, workers: int, replicas: int) -> list[tuple]:
    """The examples of a step in the order of workers and replicas, when a run goes on there."""
    rows: list[tuple] = []
    for worker in range(workers):
        adapter = ReplicaBatches(make(step), Strategy(workers, worker, replicas))
        parts = [part for _, part in zip(range(replicas), adapter.get_tf_dataset(), strict=False)]
        for part in parts:
            arrays = {name: value.numpy() for name, value in part.items()}
            count = len(arrays["token_ids"])
            rows += [tuple((name, arrays[name][row].tobytes()) for name in sorted(arrays)) for row in range(count)]
    return rows


@pytest.mark.parametrize("kind", ["pairs", "packed"])
def test_the_examples_of_a_run_do_not_depend_on_its_replicas(store: Any, kind: str) -> None:
    """A run of 2 replicas goes on with 1, with 4, and with 2 workers of 2: the examples of each step are listed."""
    maker = SentencePairs(store, length=24, seed=1) if kind == "pairs" else PackedSequences(store, length=16, seed=1)
    objectives = [MaskedLM() if kind == "pairs" else CausalLM()]

    def make(step: int) -> Batches:
        return Batches(maker, objectives, batch_size=8, steps=2, start_step=step, prefetch=0)

    for step in (0, 7):
        global_batch = make(0).batch(step)
        expected = [
            tuple((name, global_batch[name][row].tobytes()) for name in sorted(global_batch)) for row in range(8)
        ]
        assert len(set(expected)) >= 7  # the store has a few documents, all of the same sentences
        for workers, replicas in ((1, 1), (1, 2), (1, 4), (2, 1), (2, 2)):
            assert rows_of_step(make, step, workers, replicas) == expected, (step, workers, replicas)


def test_a_worker_makes_its_own_rows_alone(store: Any) -> None:
    batches = Batches(SentencePairs(store, length=24, seed=1), [MaskedLM()], batch_size=8, steps=3)
    whole = batches.batch(2)
    ReplicaBatches(batches, Strategy(workers=4, worker=3))
    np.testing.assert_array_equal(batches.batch(2)["token_ids"], whole["token_ids"][6:])


def test_batches_that_were_divided_by_hand_stay_so(store: Any) -> None:
    maker = SentencePairs(store, length=24, seed=1)
    batches = Batches(maker, [MaskedLM()], batch_size=8, steps=3, host_index=1, host_count=2)
    before = batches.batch(0)["token_ids"]
    ReplicaBatches(batches, Strategy(workers=4, worker=3))
    np.testing.assert_array_equal(batches.batch(0)["token_ids"], before)


def test_static_shapes_where_all_parts_are_alike(store: Any) -> None:
    batches = Batches(SentencePairs(store, length=24, seed=1), [MaskedLM()], batch_size=8, steps=3)
    spec = ReplicaBatches(batches, Strategy(replicas=2)).get_tf_dataset().element_spec
    assert spec["token_ids"].shape == (4, 24)
    assert spec["mask_labels"].shape[0] == 4
    uneven = ReplicaBatches(batches, Strategy(replicas=3)).get_tf_dataset().element_spec
    assert uneven["token_ids"].shape.as_list() == [None, 24]


def labelled(store: Any, count: int, batch_size: int = 4, shuffle: bool = False, seed: int = 0) -> LabelledBatches:
    from kpt.text import load_tokenizer

    tokenizer = load_tokenizer(store.tokenizer_folder)
    texts = encode_texts(tokenizer, DOCUMENTS[:count], length=24)
    examples = LabelledExamples(texts, tokenizer.vocabulary, np.arange(count), shuffle=shuffle, seed=seed)
    return LabelledBatches(examples, batch_size=batch_size, repeat=True)


def test_the_last_batch_of_few_texts_is_divided_too(store: Any) -> None:
    adapter = ReplicaBatches(labelled(store, 9), Strategy(replicas=2))
    sizes = [len(part[1]) for part in adapter.get_tf_dataset()]
    assert sizes == [2, 2, 2, 2, 1, 0]


def test_a_batch_of_few_texts_is_divided_wherever_it_comes(store: Any) -> None:
    """Keras looks at the first two, and at the last one."""
    places = set()
    for seed in range(12):
        batches = labelled(store, 9, batch_size=2, shuffle=True, seed=seed)
        sizes = [len(part[1]) for part in ReplicaBatches(batches, Strategy(replicas=2)).get_tf_dataset()]
        assert sorted(sizes) == [0, *[1] * 9]
        places.add(sizes.index(0) // 2)
    assert places == {0, 1, 2, 3, 4}


def test_parts_to_predict_come_in_the_order_in_which_keras_joins_them(store: Any) -> None:
    """By the replica, then by the worker."""
    workers, replicas = 2, 2
    found = {}
    for worker in range(workers):
        batches = labelled(store, 8)
        adapter = ReplicaBatches(batches, Strategy(workers, worker, replicas), predict=True)
        first = [part for _, part in zip(range(replicas), adapter.get_tf_dataset(), strict=False)]
        found |= {(replica, worker): part[1].numpy().tolist() for replica, part in enumerate(first)}
    joined = [label for place in sorted(found) for label in found[place]]
    assert joined == labelled(store, 8).maker.order(4)[:4].tolist()


def test_split_rows_keeps_the_structure() -> None:
    parts = split_rows(({"a": np.arange(3)}, np.arange(3) * 2), 2)
    assert [(part[0]["a"].tolist(), part[1].tolist()) for part in parts] == [([0, 1], [0, 2]), ([2], [4])]


def test_positions_of_workers() -> None:
    assert worker_position(Strategy()) == (1, 0)
    assert worker_position(Strategy(workers=3, worker=2)) == (3, 2)
    assert worker_position(Strategy(workers=3, worker=0, chief=True)) == (3, 0)
    assert worker_position(Strategy(workers=3, worker=2, chief=True)) == (3, 2)
