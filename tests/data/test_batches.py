from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys
import threading
from typing import Any

import keras
import numpy as np
import pytest

from kpt.data import Batches, SentencePairs, TokenStore
from kpt.errors import InputError
from kpt.objectives.masking import mask_tokens
from kpt.text import Vocabulary


class Mask:
    """The corruption of a masked language model."""

    def corrupt(
        self, batch: dict[str, np.ndarray], vocabulary: Vocabulary, generator: np.random.Generator
    ) -> dict[str, np.ndarray]:
        hidden, positions, _, weights = mask_tokens(batch["token_ids"], batch["padding_mask"], vocabulary, generator)
        return {**batch, "token_ids": hidden, "mask_positions": positions, "mask_weights": weights}


class StepExamples:
    """Examples that say which step they are of."""

    seed = 0
    vocabulary: Any = None

    def __init__(self) -> None:
        self.threads: set[threading.Thread] = set()

    def examples(self, step: int, batch_size: int, rows: slice = slice(None)) -> dict[str, np.ndarray]:
        self.threads.add(threading.current_thread())
        return {"step": np.full((batch_size, 3), step, np.float32)[rows]}


class StepModel(keras.Model):
    """Keeps the steps of the batches that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.mean = keras.metrics.Mean(name="step")

    def call(self, inputs: dict[str, Any]) -> Any:
        return self.dense(inputs["step"])

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any) -> Any:
        self.mean.update_state(x["step"])
        return keras.ops.mean(keras.ops.square(y_pred))

    @property
    def metrics(self) -> list[Any]:
        return [self.mean]


class Watch(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.trained: list[int] = []
        self.tested: list[int] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.mean.reset_state()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.trained.append(int(self.model.mean.result()))

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.mean.reset_state()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.tested.append(int(self.model.mean.result()))


def step_batches(steps: int, **options: Any) -> Batches:
    return Batches(StepExamples(), batch_size=2, steps=steps, **options)


def fit(batches: Batches, **options: Any) -> Watch:
    model, watch = StepModel(), Watch()
    model.compile("sgd")
    model.fit(batches, verbose=0, callbacks=[watch], **{"shuffle": False, **options})
    return watch


def test_fit_takes_the_steps_in_order() -> None:
    assert fit(step_batches(6)).trained == [0, 1, 2, 3, 4, 5]
    assert fit(step_batches(5, start_step=7)).trained == [7, 8, 9, 10, 11]
    assert fit(step_batches(6, prefetch=0)).trained == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("prefetch", "ahead"), [(3, 5), (8, 8), (0, 0)])
def test_as_many_are_made_ahead_as_are_taken_at_once(prefetch: int, ahead: int) -> None:
    made, told = [], threading.Semaphore(0)

    class Telling(StepExamples):
        def examples(self, step: int, *rest: Any) -> dict[str, np.ndarray]:
            made.append(step)
            told.release()
            return super().examples(step, *rest)

    batches = Batches(Telling(), batch_size=2, steps=20, prefetch=prefetch)
    with batches.made_ahead(5):
        assert batches[0]["step"][0, 0] == 0
        assert all(told.acquire(timeout=60) for _ in range(1 + ahead))
        assert made == list(range(1 + ahead))
    made.clear()
    assert batches[10]["step"][0, 0] == 10  # as far ahead as before
    assert all(told.acquire(timeout=60) for _ in range(1 + prefetch))
    assert made == list(range(10, 11 + prefetch))


@pytest.mark.parametrize("steps", [2, 3])
def test_few_steps_begin_with_the_first(steps: int) -> None:
    assert fit(step_batches(steps), epochs=2).trained == list(range(2 * steps))


def test_no_epoch_repeats_another() -> None:
    batches = step_batches(6)
    assert fit(batches, epochs=3).trained == list(range(18))
    assert fit(batches).trained == list(range(18, 24))


def test_epochs_of_a_part_of_the_steps_go_on_within_them() -> None:
    assert fit(step_batches(12), epochs=3, steps_per_epoch=4).trained == list(range(12))
    assert fit(step_batches(5), epochs=3, steps_per_epoch=4).trained == list(range(9))


def test_validation_repeats_its_steps() -> None:
    watch = fit(step_batches(6), epochs=2, validation_data=step_batches(3, start_step=100, repeat=True))
    assert watch.trained == list(range(12))
    assert watch.tested == [100, 101, 102, 100, 101, 102]


def test_shuffling_is_refused() -> None:
    with pytest.raises(Exception, match="fit asks for the batches in random order; pass shuffle=False"):
        fit(step_batches(1000), shuffle=True)


def test_access_by_index_and_by_step() -> None:
    batches = step_batches(4, start_step=10)
    assert len(batches) == 4
    assert [int(batches[i]["step"][0, 0]) for i in (3, 0, 1, 1, 2)] == [13, 10, 11, 11, 12]
    assert [int(batches.batch(step)["step"][0, 0]) for step in (0, 99)] == [0, 99]
    for index in (-1, 4):
        with pytest.raises(IndexError, match="is not below 4"):
            batches[index]


def test_the_background_thread_makes_what_comes_next() -> None:
    maker = StepExamples()
    batches = Batches(maker, batch_size=2, steps=9)
    assert [int(batches[i]["step"][0, 0]) for i in range(9)] == list(range(9))
    (thread,) = maker.threads
    assert thread.name.startswith("batches")
    del batches
    gc.collect()
    thread.join(timeout=60)
    assert not thread.is_alive()  # it ends with its batches


def test_an_error_in_the_thread_arrives() -> None:
    class Fails(StepExamples):
        def examples(self, step: int, batch_size: int, rows: slice = slice(None)) -> dict[str, np.ndarray]:
            if step == 2:
                raise InputError("step 2 is bad")
            return super().examples(step, batch_size, rows)

    batches = Batches(Fails(), batch_size=2, steps=4)
    assert [int(batches[i]["step"][0, 0]) for i in (0, 1)] == [0, 1]
    with pytest.raises(InputError, match="step 2 is bad"):
        batches[2]


@pytest.mark.parametrize(("batch_size", "hosts"), [(96, 2), (96, 3), (100, 5), (64, 64)])
def test_the_hosts_rows_together_are_the_global_batch(
    store_by_position: TokenStore, batch_size: int, hosts: int
) -> None:
    maker = SentencePairs(store_by_position, length=48, seed=4)

    def batch(index: int, count: int) -> dict[str, np.ndarray]:
        options: dict[str, Any] = {"batch_size": batch_size, "steps": 10, "host_index": index, "host_count": count}
        return Batches(maker, [Mask()], **options).batch(6)

    whole = batch(0, 1)
    parts = [batch(index, hosts) for index in range(hosts)]
    assert {key: value.shape[0] for key, value in whole.items()} == dict.fromkeys(whole, batch_size)
    for key, value in whole.items():
        assert np.array_equal(np.concatenate([part[key] for part in parts]), value)


def digest(batch: dict[str, np.ndarray]) -> str:
    return hashlib.sha256(b"".join(batch[key].tobytes() for key in sorted(batch))).hexdigest()


OTHER_PROCESS = """
import sys
from kpt.data import SentencePairs, TokenStore
from tests.data.test_batches import Batches, Mask, digest
maker = SentencePairs(TokenStore.open(sys.argv[1]), length=64, seed=5)
print(digest(Batches(maker, [Mask()], batch_size=40, steps=1).batch(77)))
"""


def test_the_same_seed_and_step_give_the_same_bytes_in_another_process(store_by_position: TokenStore) -> None:
    maker = SentencePairs(store_by_position, length=64, seed=5)
    batches = Batches(maker, [Mask()], batch_size=40, steps=1)
    command = [sys.executable, "-c", OTHER_PROCESS, store_by_position.folder]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split()[-1] == digest(batches.batch(77))


def test_steps_and_seeds_and_epochs_differ(store_by_position: TokenStore) -> None:
    maker = SentencePairs(store_by_position, length=64)
    batches = Batches(maker, [Mask()], batch_size=32, steps=100)
    other = Batches(SentencePairs(store_by_position, length=64, seed=1), [Mask()], batch_size=32, steps=100)
    digests = {digest(batches.batch(step)) for step in range(100)} | {digest(other.batch(step)) for step in range(100)}
    assert len(digests) == 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0; give at least 1"),
        ({"steps": 0}, "steps is 0; give at least 1"),
        ({"start_step": -1}, "start_step is -1; give at least 0"),
        ({"prefetch": -1}, "prefetch is -1"),
        ({"host_count": 0}, "host_count is 0"),
        ({"host_index": 2, "host_count": 2}, "host_index is 2; give one from 0 to 1"),
        ({"host_count": 3}, "a batch of 8 cannot be divided among 3 hosts; give a multiple of 3"),
    ],
)
def test_bad_settings(options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Batches(StepExamples(), **{"batch_size": 8, "steps": 1, **options})
