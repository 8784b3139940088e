"""Trains tiny models on several devices and prints what `fit` logged, as a process of its own.

    python -m tests.distribution.training_losses SETTING...

The settings are the keys of `SETTINGS`, all for one backend; each trains all models from the same weights and on the
same global batches.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

STEPS, ROWS = 20, 8
THREE = ("bert", "gpt", "word2vec")
SETTINGS: dict[str, dict[str, Any]] = {
    "one": {},
    "mirrored-2": {"devices": 2},
    "mirrored-4": {"devices": 4, "models": THREE},
    "multi-worker": {"cluster": True, "models": (*THREE, "accumulated", "classifier")},
    "mesh-8": {"mesh": "8", "models": (*THREE, "classifier")},
    "mesh-2x4": {"mesh": "2x4", "models": THREE},
    "processes": {"mesh": "8", "models": ("gpt", "word2vec")},
}
TEXTS = ["the cat sat", "a dog slept", "open the file", "read the lines", "it was a warm day"]
LABELS = ["pet", "pet", "file", "file", "pet"]


def bert(store: Any) -> tuple[Any, Any, Any]:
    """A model, its optimizer and its examples."""
    import keras

    from kpt.data import SentencePairs
    from kpt.models import Encoder
    from kpt.objectives import MaskedLM, NextSentence, Pretrainer

    encoder = Encoder(store.vocabulary.size, 16, depth=1, heads=4, maximum_length=24, dropout=0.0)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.5)
    return Pretrainer(encoder, [MaskedLM(), NextSentence()]), optimizer, SentencePairs(store, length=24, seed=1)


def gpt(store: Any) -> tuple[Any, Any, Any]:
    import keras

    from kpt.data import PackedSequences
    from kpt.models import Decoder
    from kpt.objectives import CausalLM, Pretrainer

    decoder = Decoder(store.vocabulary.size, 16, depth=1, heads=4, maximum_length=16, dropout=0.0, use_bias=False)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.5)
    return Pretrainer(decoder, [CausalLM()]), optimizer, PackedSequences(store, length=16, seed=1)


def word2vec(store: Any) -> tuple[Any, Any, Any]:
    import keras

    from kpt.data import Windows
    from kpt.objectives import Word2Vec

    windows = Windows(store, length=64, block=8, window=3, shared_negatives=6, sample=0.0, seed=1)
    return Word2Vec(store.vocabulary.size, 8, window=3), keras.optimizers.SGD(0.05), windows


def accumulated(store: Any) -> tuple[Any, Any, Any]:
    """word2vec as any Keras model is trained, by gradients that are added up over four steps."""
    from kpt.training import adamw

    model, _, windows = word2vec(store)
    return model, adamw(0.05, STEPS, clip_norm=0.01, gradient_accumulation_steps=4), windows


def accumulated_bert(store: Any) -> tuple[Any, Any, Any]:
    """BERT with the gradients of four steps added up, its clipping and its momentum."""
    model, optimizer, examples = bert(store)
    return model, accumulating(optimizer), examples


def accumulated_gpt(store: Any) -> tuple[Any, Any, Any]:
    model, optimizer, examples = gpt(store)
    return model, accumulating(optimizer), examples


def accumulating(optimizer: Any) -> Any:
    """Return an optimizer like another one that adds up the gradients of four steps."""
    return type(optimizer).from_config(optimizer.get_config() | {"gradient_accumulation_steps": 4})


def classifier(store: Any) -> tuple[Any, Any, None]:
    import keras

    from kpt.models import Encoder
    from kpt.tasks import Classifier
    from kpt.text import load_tokenizer

    encoder = Encoder(store.vocabulary.size, 16, depth=1, heads=4, maximum_length=24, dropout=0.0)
    tokenizer = load_tokenizer(store.tokenizer_folder)
    return Classifier(encoder, ["file", "pet"], dropout=0.0, tokenizer=tokenizer), keras.optimizers.SGD(0.5), None


MODELS = {
    "bert": bert,
    "gpt": gpt,
    "word2vec": word2vec,
    "accumulated": accumulated,
    "accumulated bert": accumulated_bert,
    "accumulated gpt": accumulated_gpt,
    "classifier": classifier,
}


def set_weights(model: Any) -> None:
    """Give a model weights that are the same on every backend."""
    import numpy as np

    generator = np.random.default_rng(5)
    for weight in model.weights:
        around = 1.0 if weight.path.endswith("gamma") else 0.0
        weight.assign((around + 0.2 * generator.standard_normal(weight.shape)).astype("float32"))


def train(make: Any, store: Any, scope: Any) -> dict[str, list[float]]:
    """Return what `fit` logs after each step and each epoch, by name."""
    import keras

    from kpt.data import Batches

    class Logs(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.lines: list[dict[str, float]] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.lines.append({name: float(value) for name, value in logs.items()})

    logs = Logs()
    with scope:
        model, optimizer, examples = make(store)
        set_weights(model)
        model.compile(optimizer=optimizer)
        if examples is None:  # five texts in batches of four: the last has one, for however many replicas
            history = model.fit(TEXTS, LABELS, batch_size=4, epochs=2, callbacks=[logs], verbose=0).history
            history["predicted"] = model.predict(TEXTS, batch_size=4, verbose=0).ravel().tolist()
        else:
            options = {"objectives": getattr(model, "objectives", ()), "batch_size": ROWS}
            validation = Batches(examples, steps=2, start_step=100, repeat=True, **options)
            history = model.fit(
                Batches(examples, steps=STEPS, **options),
                epochs=2,
                steps_per_epoch=STEPS // 2,
                validation_data=validation if make is accumulated else None,
                callbacks=[logs],
                verbose=0,
            ).history
    lines = {name: [line[name] for line in logs.lines] for name in logs.lines[0]}
    return lines | {f"epoch {name}": values for name, values in history.items()}


def main(settings: list[str]) -> None:
    """Print the logs of each model in each setting."""
    from tests.training.small_store import small_store

    options = [SETTINGS[setting] for setting in settings]
    devices = max(option.get("devices", 0) for option in options)
    strategy = None
    if devices or "cluster" in options[0]:
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * max(1, devices))
        strategy = tf.distribute.MultiWorkerMirroredStrategy() if "cluster" in options[0] else None
    from kpt.distribution import choose_devices, make_distribution, make_strategy

    if settings == ["processes"]:
        choose_devices()  # finds the other one
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        store = small_store(Path(folder) / "store")
        for setting, option in zip(settings, options, strict=True):
            chosen = strategy
            if "devices" in option:
                # Groups of replicas have numbers, those of two strategies in one process the same ones.
                tf.distribute.MirroredStrategy._collective_key_base += 100
                chosen = make_strategy("mirrored", devices=[f"CPU:{number}" for number in range(option["devices"])])
            elif "mesh" in option:
                chosen = make_distribution(option["mesh"])
            result[setting] = {
                name: train(make, store, nullcontext() if chosen is None else chosen.scope())
                for name, make in MODELS.items()
                if name in option.get("models", MODELS)
            }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
