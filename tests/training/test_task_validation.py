from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from kpt.data.labelled_batches import LabelledBatches
from kpt.tasks import Classifier
from kpt.training.run_folder import RunFolder
from kpt.training.task_validation import TaskValidation
from tests.tasks.small_task import LABELS, TEXTS, small_encoder, small_tokenizer


class Spoil(keras.callbacks.Callback):
    """Makes the model useless in the second epoch, as a rate that is too high would."""

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        if epoch == 1:
            self.model.head.kernel.assign(-50 * self.model.head.kernel.value)


def test_each_epoch_is_scored_and_the_best_is_kept(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    tokenizer = small_tokenizer()
    model = Classifier(small_encoder(tokenizer), ["neg", "pos"], tokenizer=tokenizer, dropout=0.0)
    model.compile(keras.optimizers.SGD(0.0))
    run = RunFolder.create(tmp_path / "run", tokenizer, {})
    labels = [model.classify([text])[0] for text in TEXTS]  # so that the model is right at first
    batches: LabelledBatches = model.batches(TEXTS, labels, shuffle=False, repeat=True)
    scored = TaskValidation(run, batches)
    expected = model.predict(TEXTS, verbose=0)
    logs: dict[int, dict[str, float]] = {}
    after = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, seen: logs.update({epoch: dict(seen)}))
    model.fit(TEXTS, LABELS, epochs=2, callbacks=[scored, Spoil(), after], verbose=0)

    first, second = scored.epochs
    assert (first["epoch"], first["step"], second["step"]) == (1, 1, 2)
    assert first["accuracy"] == 1 and second["accuracy"] == 0
    assert np.trace(first["confusion"]) == 30 and np.trace(second["confusion"]) == 0
    assert scored.best is first
    np.testing.assert_allclose(scored.outputs, expected, atol=1e-5)
    assert logs[1]["val_macro_f1"] == second["macro_f1"] and logs[0]["val_loss"] < logs[1]["val_loss"]
    assert run.steps == [1]
    kept = run.load(compile=False)
    kept.tokenizer = tokenizer
    np.testing.assert_allclose(kept.predict(TEXTS, verbose=0), expected, atol=1e-5)
