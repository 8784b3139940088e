from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from kpt.errors import InputError
from kpt.models import Encoder
from kpt.objectives import MaskedLM, NextSentence, Pretrainer
from kpt.training.optimizers import (
    SelectiveAdamW,
    adamw,
    decoder_optimizer,
    global_norm,
    gpt2_optimizer,
    last_gradient_norm,
    whole_gradient,
)
from tests.numbers import array


def decayed_share(optimizer: SelectiveAdamW, normalization: str) -> dict[str, float]:
    """What a step with no gradient leaves of each weight, by the path of the weight."""
    encoder = Encoder(7, width=4, depth=1, heads=2, normalization=normalization, maximum_length=5)
    model = Pretrainer(encoder, [MaskedLM(), NextSentence()])
    weights = model.trainable_variables
    for weight in weights:
        weight.assign(np.ones(weight.shape))
    optimizer.build(weights)
    optimizer.apply([keras.ops.zeros(weight.shape) for weight in weights])
    shares = {weight.path: np.unique(array(weight.value)) for weight in weights}
    assert all(len(share) == 1 for share in shares.values())
    return {path: float(share[0]) for path, share in shares.items()}


@pytest.mark.parametrize("normalization", ["layer_norm", "rms_norm"])
@pytest.mark.parametrize("loaded", [False, True], ids=["new", "loaded"])
def test_biases_and_normalizations_do_not_decay(normalization: str, loaded: bool) -> None:
    optimizer = adamw(0.1, steps=10, warmup_steps=0, weight_decay=0.5)
    if loaded:
        optimizer = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    shares = decayed_share(optimizer, normalization)
    decayed = {path for path, share in shares.items() if share == pytest.approx(0.95)}
    assert decayed == {
        "token_embedding/embeddings",
        "segment_embedding/embeddings",
        "positions/embeddings",
        "block_0/attention/qkv/kernel",
        "block_0/attention/output/kernel",
        "block_0/feed_forward/hidden/kernel",
        "block_0/feed_forward/output/kernel",
        "pooler/dense/kernel",
        "masked_lm_head/transform/kernel",
        "next_sentence_head/kernel",
    }
    assert {share for path, share in shares.items() if path not in decayed} == {1.0}


def test_steps_are_adamws_after_clipping() -> None:
    weight = keras.Variable(np.array([1.0, -2.0], np.float32), name="kernel")
    optimizer = adamw(0.1, steps=100, warmup_steps=2, weight_decay=0.01, beta_1=0.9, beta_2=0.99, epsilon=1e-6)
    optimizer.build([weight])
    expected, first, second = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    for step, (gradient, clipped) in enumerate([([30.0, 40.0], [0.6, 0.8]), ([0.3, -0.4], [0.3, -0.4])], start=1):
        optimizer.apply([keras.ops.convert_to_tensor(np.array(gradient, np.float32))])
        rate = 0.1 * step / 2
        first = 0.9 * first + 0.1 * np.array(clipped)
        second = 0.99 * second + 0.01 * np.array(clipped) ** 2
        expected = expected * (1 - rate * 0.01)
        expected -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-6)
        np.testing.assert_allclose(array(weight.value), expected, rtol=2e-5)


def test_the_defaults() -> None:
    config = adamw(1e-3, steps=50).get_config()
    schedule = config.pop("learning_rate")["config"]
    assert schedule == {"peak": 1e-3, "steps": 50, "warmup_steps": 5, "decay": "linear", "floor": 0.0}
    wanted = {"weight_decay": 0.01, "global_clipnorm": 1.0, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-6}
    assert {name: config[name] for name in wanted} == wanted
    warmup = adamw(1e-3, steps=1_000_000).get_config()["learning_rate"]["config"]["warmup_steps"]
    assert warmup == 10_000
    assert adamw(1e-3, steps=50, clip_norm=None).global_clipnorm is None
    assert adamw(1e-3, steps=50, use_ema=True).use_ema


def test_it_is_as_fast_as_keras_own() -> None:
    # On PyTorch Keras gives its own optimizers a variant that updates all weights at once.
    assert isinstance(adamw(1e-3, steps=10), type(keras.optimizers.AdamW()))


def test_a_warm_up_that_does_not_fit() -> None:
    with pytest.raises(InputError, match="10 warm-up steps do not fit into 10 steps; take fewer"):
        adamw(1e-3, steps=10, warmup_steps=10)


@pytest.mark.parametrize(("make", "rate", "beta_2"), [(decoder_optimizer, 3e-3, 0.99), (gpt2_optimizer, 6e-4, 0.95)])
def test_the_recipes_of_decoders(make: Any, rate: float, beta_2: float) -> None:
    config = make(steps=100).get_config()
    assert (config["beta_2"], config["weight_decay"], config["global_clipnorm"]) == (beta_2, 0.1, 1.0)
    schedule = make(steps=100)._learning_rate
    assert [float(schedule(step)) for step in (9, 10, 55, 100)] == pytest.approx([rate, rate, 0.55 * rate, 0.1 * rate])
    assert make(steps=100, learning_rate=1.0, beta_2=0.9).get_config()["beta_2"] == 0.9


def test_the_norm_of_the_gradient_is_noted_before_it_is_clipped() -> None:
    weights = [keras.Variable(np.zeros(2, np.float32), name=name) for name in ("kernel", "other")]
    optimizer = adamw(0.1, steps=10, clip_norm=1.0)
    model = keras.Sequential()
    model.optimizer = optimizer
    assert last_gradient_norm(model) is None
    optimizer.build(weights)
    gradients = [np.array([3.0, 0.0], np.float32), np.array([0.0, -4.0], np.float32)]
    optimizer.apply([keras.ops.convert_to_tensor(each) for each in gradients])
    assert last_gradient_norm(model) == pytest.approx(5.0)
    model.optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    assert last_gradient_norm(model) == pytest.approx(5.0)
    model.optimizer = keras.optimizers.SGD()
    assert last_gradient_norm(model) is None


def test_slices_of_one_row_add_up_before_they_are_squared() -> None:
    class Slices:  # as TensorFlow's IndexedSlices, which only TensorFlow has
        values, indices, dense_shape = np.array([[1.0, 0.0], [2.0, 4.0]], np.float32), np.array([1, 1]), (3, 2)

    assert keras.ops.convert_to_numpy(whole_gradient(Slices())).tolist() == [[0, 0], [3, 4], [0, 0]]
    assert float(global_norm([Slices(), None])) == pytest.approx(5.0)


def test_what_was_saved_without_a_norm_is_loaded() -> None:
    weight = keras.Variable(np.zeros(2, np.float32), name="kernel")
    old, new, other = keras.optimizers.AdamW(), adamw(0.1, steps=10), adamw(0.1, steps=10)
    for optimizer in (old, new, other):
        optimizer.build([weight])
    old.apply([keras.ops.ones(2)])
    store: dict[str, np.ndarray] = {}
    old.save_own_variables(store)
    for index in ("1",):  # Keras's own has a learning rate that is a variable
        store = {str(n): value for n, value in enumerate(value for key, value in store.items() if key != index)}
    new.load_own_variables(store)
    assert int(array(new.iterations)) == 1
    store = {}
    new.save_own_variables(store)
    other.load_own_variables(store)
    assert int(array(other.iterations)) == 1 and len(store) == len(other.variables)
