from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from kpt.errors import InputError
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer
from tests import reference
from tests.batches import inputs_of, random_batch, tiny_decoder, tiny_encoder
from tests.numbers import array

BATCH = random_batch(8)
NAMES = {"loss", "masked_lm_loss", "masked_lm_accuracy", "next_sentence_loss", "next_sentence_accuracy"}
BACKEND = keras.backend.backend()


def pretrainer(weights: tuple[float, float] = (1.0, 1.0), **options: Any) -> Pretrainer:
    dtype = options.get("dtype")
    objectives = [MaskedLM(weight=weights[0], dtype=dtype), NextSentence(weight=weights[1], dtype=dtype)]
    return Pretrainer(tiny_encoder(**options), objectives)


def losses_in_numpy(predictions: dict[str, np.ndarray]) -> tuple[float, float]:
    words = reference.cross_entropy(predictions["masked_lm"], BATCH["mask_labels"])
    follows = reference.cross_entropy(predictions["next_sentence"], BATCH["next_sentence_labels"])
    return (words * BATCH["mask_weights"]).sum() / BATCH["mask_weights"].sum(), follows.mean()


@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (2.0, 0.5), (0.0, 3.0)])
def test_the_loss_is_the_weighted_sum(first: float, second: float) -> None:
    model = pretrainer((first, second))
    model.compile(optimizer="sgd")
    results = model.evaluate(BATCH, batch_size=8, verbose=0, return_dict=True)
    words, follows = losses_in_numpy(model.predict(BATCH, verbose=0))
    assert set(results) == NAMES
    assert results["masked_lm_loss"] == pytest.approx(words, rel=1e-5)
    assert results["next_sentence_loss"] == pytest.approx(follows, rel=1e-5)
    assert results["loss"] == pytest.approx(first * words + second * follows, rel=1e-5)


def test_metrics_of_several_batches_weigh_each_token_the_same() -> None:
    model = pretrainer()
    model.compile(optimizer="sgd")
    results = model.evaluate(BATCH, batch_size=3, verbose=0, return_dict=True)
    words, follows = losses_in_numpy(model.predict(BATCH, verbose=0))
    assert results["masked_lm_loss"] == pytest.approx(words, rel=1e-5)
    assert results["next_sentence_loss"] == pytest.approx(follows, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "adafactor"])
def test_any_keras_optimizer_learns(optimizer: str) -> None:
    model = pretrainer()
    model.compile(optimizer=keras.optimizers.get({"class_name": optimizer, "config": {"learning_rate": 0.02}}))
    history = model.fit(BATCH, batch_size=4, epochs=6, validation_data=(BATCH,), verbose=0).history
    assert set(history) == NAMES | {f"val_{name}" for name in NAMES}
    assert history["loss"][-1] < history["loss"][0]
    assert history["val_loss"][-1] < history["val_loss"][0]


def test_callbacks_see_the_metrics_and_can_stop() -> None:
    seen: list[dict[str, float]] = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(logs)

    model = pretrainer()
    model.compile(optimizer="sgd")
    stop = keras.callbacks.EarlyStopping("masked_lm_loss", mode="max", patience=0)
    history = model.fit(BATCH, batch_size=2, epochs=5, callbacks=[Watch(), stop], verbose=0).history
    assert len(history["loss"]) == 2 and len(seen) == 8
    assert all(set(logs) == NAMES for logs in seen)


def test_prediction_needs_no_labels() -> None:
    model = pretrainer()
    inputs = {**inputs_of(BATCH), "mask_positions": BATCH["mask_positions"]}
    predictions = model.predict(inputs, batch_size=3, verbose=0)
    assert {name: value.shape for name, value in predictions.items()} == {
        "masked_lm": (8, 3, 23),
        "next_sentence": (8, 2),
    }
    follows = Pretrainer(model.backbone, [NextSentence()]).predict(inputs_of(BATCH), verbose=0)
    assert follows["next_sentence"].shape == (8, 2)


# What each backend can: Keras on PyTorch takes single steps, and compiles with a C++ compiler alone.
COMPILED = {"tensorflow": [True, False], "jax": [True, False], "torch": [False]}[BACKEND]
AT_ONCE = {"tensorflow": [1, 2], "jax": [1, 2], "torch": [1]}[BACKEND]


def history(**options: Any) -> dict[str, list[float]]:
    keras.utils.set_random_seed(1)
    model = pretrainer()
    model.compile(optimizer="sgd", **options)
    return model.fit(BATCH, batch_size=2, epochs=2, shuffle=False, verbose=0).history


@pytest.fixture(scope="module")
def eager_history() -> dict[str, list[float]]:
    return history(run_eagerly=True)


@pytest.mark.parametrize("jit_compile", COMPILED)
@pytest.mark.parametrize("steps_per_execution", AT_ONCE)
def test_ways_to_execute_give_the_same_losses(
    eager_history: dict[str, list[float]], jit_compile: bool, steps_per_execution: int
) -> None:
    losses = history(jit_compile=jit_compile, steps_per_execution=steps_per_execution)
    for name in ("loss", "masked_lm_loss", "next_sentence_loss"):
        assert losses[name] == pytest.approx(eager_history[name], rel=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy: str) -> None:
    model = pretrainer(dtype=policy, dropout=0.1)
    model.compile(optimizer="adam")
    if policy == "mixed_float16":  # Keras scales the loss by the model's own policy
        model.compile(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()))
    losses = model.fit(BATCH, batch_size=4, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}
    outputs = model({name: keras.ops.convert_to_tensor(value) for name, value in BATCH.items()})
    kinds = {name: keras.backend.standardize_dtype(value.dtype) for name, value in outputs.items()}
    assert kinds == dict.fromkeys(("masked_lm", "next_sentence"), policy.removeprefix("mixed_"))


def test_losses_that_layers_add_are_counted() -> None:
    model = pretrainer()
    model.backbone.token_embedding.embeddings_regularizer = keras.regularizers.L2(0.5)
    model.backbone.token_embedding._embeddings.regularizer = keras.regularizers.L2(0.5)
    model.compile(optimizer="sgd")
    results = model.evaluate(BATCH, batch_size=8, verbose=0, return_dict=True)
    squares = float((array(model.backbone.token_embedding.embeddings) ** 2).sum())
    total = results["masked_lm_loss"] + results["next_sentence_loss"] + 0.5 * squares
    assert results["loss"] == pytest.approx(total, rel=1e-5)


def test_objectives_need_distinct_names() -> None:
    encoder = tiny_encoder()
    with pytest.raises(InputError, match=r"distinct names, at least one; these are \['masked_lm', 'masked_lm'\]"):
        Pretrainer(encoder, [MaskedLM(), MaskedLM()])
    with pytest.raises(InputError, match=r"these are \[\]"):
        Pretrainer(encoder, [])
    model = Pretrainer(encoder, [MaskedLM(), MaskedLM(rate=0.5, name="more")])
    assert set(model.predict(BATCH, verbose=0)) == {"masked_lm", "more"}


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_blocks_that_are_computed_again_learn_the_same(kind: str) -> None:
    def trained(remat: bool) -> tuple[list[float], list[np.ndarray]]:
        keras.utils.set_random_seed(1)
        options = {"dropout": 0.3, "remat": remat, "positions": "rotary"}
        model = (
            Pretrainer(tiny_encoder(**options), [MaskedLM(), NextSentence()])
            if kind == "encoder"
            else Pretrainer(tiny_decoder(**options), [CausalLM()])
        )
        compiled = True if BACKEND == "tensorflow" else "auto"
        model.compile(optimizer=keras.optimizers.SGD(0.1), jit_compile=compiled)
        labels = {"causal_labels": BATCH["token_ids"], "causal_weights": BATCH["padding_mask"].astype(np.float32)}
        batch = BATCH | labels if kind == "encoder" else {"token_ids": BATCH["token_ids"], **labels}
        losses = [model.train_on_batch(batch, return_dict=True)["loss"] for _ in range(4)]
        return [float(loss) for loss in losses], model.get_weights()

    (losses, weights), (again, weights_again) = trained(False), trained(True)
    assert losses == pytest.approx(again, rel=1e-5) and len(set(losses)) == 4
    for one, other in zip(weights, weights_again, strict=True):  # the seeds of dropout among them
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_rematerialisation_is_part_of_the_configuration() -> None:
    model = tiny_decoder(remat=True)
    assert model.get_config()["remat"] and all(
        block.remat for block in type(model).from_config(model.get_config()).blocks
    )
