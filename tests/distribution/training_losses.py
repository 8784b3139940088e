"""Trains tiny models for 20 steps on some devices and prints what `fit` logged, as a process of its own.

    python -m tests.distribution.training_losses SETTING

The settings are the keys of `SETTINGS`; each runs all models, from the same seed and on the same global batches.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from typing import Any

STEPS, ROWS = 20, 8
SETTINGS: dict[str, dict[str, Any]] = {
    "one": {},
    "mirrored 1": {"devices": 1},
    "mirrored 2": {"devices": 2},
    "mirrored 4": {"devices": 4},
    "multi worker": {"cluster": True},
    "jax one": {},
    "data parallel": {"mesh": "8"},
    "model parallel": {"mesh": "2x4"},
}


def store() -> Any:
    """Random documents in memory instead of on disk."""
    import tempfile
    from pathlib import Path

    from tests.training.small_store import small_store

    return small_store(Path(tempfile.mkdtemp()) / "store")


def models(data: Any) -> dict[str, Any]:
    """Each kind of model with its batches, not compiled, by name; with its optimizer."""
    import keras

    from kpt.data import PackedSequences, SentencePairs, Windows
    from kpt.models import Decoder, Encoder
    from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer, Word2Vec
    from kpt.training import adamw

    size = data.vocabulary.size
    shape = {"width": 16, "depth": 2, "heads": 4, "dropout": 0.0}

    def bert() -> Any:
        model = Pretrainer(Encoder(size, maximum_length=24, **shape), [MaskedLM(), NextSentence()])
        return model, adamw(0.01, STEPS, clip_norm=0.5), SentencePairs(data, length=24, seed=1)

    def gpt() -> Any:
        model = Pretrainer(Decoder(size, maximum_length=16, **shape), [CausalLM()])
        return model, adamw(0.01, STEPS, clip_norm=0.5), PackedSequences(data, length=16, seed=1)

    def accumulated() -> Any:
        model = Pretrainer(Decoder(size, maximum_length=16, **shape), [CausalLM()])
        optimizer = adamw(0.01, STEPS, clip_norm=0.5, gradient_accumulation_steps=4)
        return model, optimizer, PackedSequences(data, length=16, seed=1)

    def word2vec() -> Any:
        windows = Windows(data, length=64, block=8, window=3, shared_negatives=6, sample=0.0, seed=1)
        return Word2Vec(size, 8, window=3), keras.optimizers.SGD(0.05), windows

    return {"bert": bert, "gpt": gpt, "accumulated": accumulated, "word2vec": word2vec}


def losses(make: Any, scope: Any) -> dict[str, list[float]]:
    """What `fit` logs after each step, by name."""
    import keras

    from kpt.data import Batches

    class Logs(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.lines: list[dict[str, float]] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.lines.append({name: float(value) for name, value in logs.items()})

    keras.utils.set_random_seed(3)
    logs = Logs()
    with scope:
        model, optimizer, examples = make()
        model.compile(optimizer=optimizer)
        options = {"objectives": getattr(model, "objectives", ()), "batch_size": ROWS}
        validation = Batches(examples, steps=2, start_step=100, repeat=True, **options)
        history = model.fit(
            Batches(examples, steps=STEPS, **options),
            epochs=2,
            steps_per_epoch=STEPS // 2,
            validation_data=validation,
            callbacks=[logs],
            verbose=0,
        ).history
    lines = {name: [line[name] for line in logs.lines] for name in logs.lines[0]}
    return lines | {f"epoch {name}": values for name, values in history.items()}


def main(setting: str) -> None:
    options = SETTINGS[setting]
    scope: Any = nullcontext
    if "devices" in options:
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * options["devices"])
        scope = tf.distribute.MirroredStrategy(tf.config.list_logical_devices("CPU")).scope
    elif "cluster" in options:
        import tensorflow as tf

        scope = tf.distribute.MultiWorkerMirroredStrategy().scope
    elif "mesh" in options:
        from kpt.distribution.meshes import make_distribution

        scope = make_distribution(options["mesh"]).scope
    data = store()
    wanted = os.environ.get("KPT_TEST_MODELS", "bert gpt accumulated word2vec").split()
    print(json.dumps({name: losses(make, scope()) for name, make in models(data).items() if name in wanted}))


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
