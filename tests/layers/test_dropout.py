from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.layers import Dropout
from kpt.layers.dropout import keep_mask, random_words, signed
from tests.numbers import array

COUNT = 1 << 20
NOISE = COUNT**-0.5  # standard deviation of a correlation between independent masks


def mask_of(rate: float, first: int, second: int, count: int = COUNT) -> np.ndarray:
    seed = ops.convert_to_tensor(np.array([first, second], np.int32))
    return np.asarray(ops.convert_to_numpy(keep_mask((count,), rate, seed)))


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1])


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.25, 0.5, 0.9])
def test_the_rate_is_exact(rate: float) -> None:
    dropped = 1 - mask_of(rate, 12345, 0).mean()
    assert abs(dropped - rate) < 4 * (rate * (1 - rate) / COUNT) ** 0.5


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_neighbours_are_independent(rate: float) -> None:
    mask = mask_of(rate, 99, 7)
    for distance in (1, 2, 3, 4, 8, 16, 31, 64, 128, 256, 512, 768, 4096, 65536, COUNT // 2):
        assert abs(correlation(mask[:-distance], mask[distance:])) < 5 * NOISE * 2**0.5, distance


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_successive_calls_are_independent(rate: float) -> None:
    masks = np.array([mask_of(rate, 4711, call) for call in range(12)])
    correlations = np.corrcoef(masks) - np.eye(12)
    assert np.abs(correlations).max() < 5 * NOISE


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_layers_are_independent(rate: float) -> None:
    seeds = [1, 2, 3, 4, 1000, 1001, 10**9 - 1, 10**9]
    correlations = np.corrcoef([mask_of(rate, seed, 5) for seed in seeds]) - np.eye(len(seeds))
    assert np.abs(correlations).max() < 5 * NOISE


def test_the_words_are_uniform() -> None:
    words = np.asarray(ops.convert_to_numpy(random_words(COUNT, ops.convert_to_tensor(np.array([3, 4], np.int32)))))
    bits = np.unpackbits(words.view(np.uint8)).reshape(-1, 32).mean(axis=0)
    assert np.abs(bits - 0.5).max() < 5 * 0.5 * NOISE
    counts = np.bincount(words.view(np.uint32) >> 24, minlength=256)
    # Chi squared with 255 degrees of freedom: 255 +- 22.6.
    assert abs(((counts - COUNT / 256) ** 2 / (COUNT / 256)).sum() - 255) < 5 * 22.6


def test_the_words_are_the_same_on_every_backend() -> None:
    words = random_words(4, ops.convert_to_tensor(np.array([1, 2], np.int32)))
    assert ops.convert_to_numpy(words).tolist() == WORDS


def in_python(count: int, first: int, second: int) -> list[int]:
    """The words by unsigned arithmetic of Python's own integers."""

    def mix(word: int, key: int) -> int:
        word = ((word ^ word >> 16) * 0x7FEB352D + key) % 2**32
        word = (word ^ word >> 15) * 0x846CA68B % 2**32
        return word ^ word >> 16

    start = mix((first + second * 0x9E3779B9) % 2**32, 0)
    return [mix((i * 0x9E3779B9 + start) % 2**32, first) for i in range(count)]


WORDS = [signed(word) for word in in_python(4, 1, 2)]


def test_signed() -> None:
    assert [signed(word) for word in (0, 2**31 - 1, 2**31, 2**32 - 1)] == [0, 2**31 - 1, -(2**31), -1]


def test_what_is_kept_is_scaled() -> None:
    result = array(Dropout(0.2, seed=1)(np.full((50, 70), 8.0, np.float32), training=True))
    assert set(np.unique(result)) == {0.0, 10.0}
    assert result.mean() == pytest.approx(8.0, abs=0.2)


def test_inference_is_the_identity() -> None:
    x = np.arange(12, dtype="float32").reshape(3, 4)
    for layer in (Dropout(0.5), Dropout(0.0)):
        np.testing.assert_array_equal(array(layer(x)), x)
        np.testing.assert_array_equal(array(layer(x, training=False)), x)
    np.testing.assert_array_equal(array(Dropout(0.0)(x, training=True)), x)


def test_calls_and_layers_differ_and_seeds_repeat() -> None:
    x = np.ones((40, 50), np.float32)
    one, same, other = Dropout(0.5, seed=1), Dropout(0.5, seed=1), Dropout(0.5, seed=2)
    first, second = array(one(x, training=True)), array(one(x, training=True))
    assert 0.4 < (first == second).mean() < 0.6
    assert 0.4 < (first == array(other(x, training=True))).mean() < 0.6
    np.testing.assert_array_equal(array(same(x, training=True)), first)
    np.testing.assert_array_equal(array(same(x, training=True)), second)
    unseeded = [array(Dropout(0.5)(x, training=True)) for _ in range(2)]
    assert 0.4 < (unseeded[0] == unseeded[1]).mean() < 0.6


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_types(dtype: str) -> None:
    layer = Dropout(0.5, seed=1, dtype=dtype)
    result = layer(ops.ones((64, 64), dtype=dtype), training=True)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    wide = array(Dropout(0.5, seed=1)(np.ones((64, 64), np.float32), training=True))
    np.testing.assert_array_equal(array(result), wide)


class Record(keras.callbacks.Callback):
    """The share of zeros and the output at the end of each batch, out of a metric's state."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[np.ndarray] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.outputs.append(array(self.model.last.value))


class Drops(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dropout = Dropout(0.5, seed=3)
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
        self.last = self.add_weight(shape=(4, 50), initializer="zeros", trainable=False, name="last")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        dropped = self.dropout(inputs, training=training)
        if training:
            self.last.assign(dropped[:4])
        return dropped * self.scale


@pytest.mark.parametrize("jit_compile", [True, False])
def test_compiled_steps_draw_new_masks_at_any_batch_size(jit_compile: bool) -> None:
    if jit_compile and keras.backend.backend() == "torch":
        jit_compile = False  # Keras on PyTorch would compile with TorchInductor, for minutes
    model, record = Drops(), Record()
    model.compile(optimizer="sgd", loss="mse", jit_compile=jit_compile)
    x = np.ones((22, 50), np.float32)
    model.fit(x, x, batch_size=9, verbose=0, shuffle=False, callbacks=[record])  # batches of 9, 9 and 4
    assert [set(np.unique(output)) for output in record.outputs] == [{0.0, 2.0}] * 3
    eager = Dropout(0.5, seed=3)
    for output, size in zip(record.outputs, (9, 9, 4), strict=True):
        np.testing.assert_array_equal(output, array(eager(x[:size], training=True))[:4])


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_impossible_rates(rate: float) -> None:
    with pytest.raises(InputError, match=r"A dropout rate must lie in \[0, 1\), unlike"):
        Dropout(rate)


def test_a_seed_that_was_drawn_before_gives_what_the_call_would_have_drawn() -> None:
    x = np.ones((4, 5), np.float32)
    one, same = Dropout(0.5, seed=1), Dropout(0.5, seed=1)
    seed = one.next_seed(training=True)
    expected = array(same(x, training=True))
    np.testing.assert_array_equal(array(one(x, training=True, seed=seed)), expected)
    np.testing.assert_array_equal(array(one(x, training=True, seed=seed)), expected)
    assert one.next_seed(training=False) is None and Dropout(0.0).next_seed(training=True) is None
