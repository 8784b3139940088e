"""A run that was begun on TensorFlow goes on under JAX and PyTorch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kpt.objectives import MaskedLM, NextSentence, Pretrainer
from kpt.text import WordTokenizer
from kpt.training import RunFolder, adamw
from tests.batches import random_batch, tiny_encoder

ROOT = Path(__file__).parents[2]
BEFORE, STEPS = 2, 4

GO_ON = """
import json, sys
import keras
from kpt.training import RunFolder
from tests.parity.test_checkpoints import BEFORE, losses

model, step = RunFolder(sys.argv[1]).load_newest()
assert step == int(model.optimizer.iterations) == BEFORE
print(json.dumps({"backend": keras.backend.backend(), "losses": losses(model, step)}))
"""


def losses(model: Any, start: int) -> list[float]:
    """The losses of the next steps; `train_on_batch` returns means over all so far."""
    model.reset_metrics()
    steps = range(start, start + STEPS)
    means = [model.train_on_batch(random_batch(6, seed=step), return_dict=True)["loss"] for step in steps]
    return np.diff(np.asarray(means) * np.arange(1, STEPS + 1), prepend=0).tolist()


def test_the_losses_after_a_checkpoint_agree(tmp_path: Path) -> None:
    assert keras.backend.backend() == "tensorflow"
    keras.utils.set_random_seed(0)
    model = Pretrainer(tiny_encoder(), [MaskedLM(), NextSentence()])
    model.compile(optimizer=adamw(0.02, steps=20, warmup_steps=2), run_eagerly=True)
    for step in range(BEFORE):
        model.train_on_batch(random_batch(6, seed=step))
    run = RunFolder.create(tmp_path / "run", WordTokenizer.train(["a b a b"], minimum_frequency=1), {})
    run.save(model)
    expected = losses(model, BEFORE)
    assert np.ptp(expected) > 0.05
    for backend in ("jax", "torch"):
        environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, "-c", GO_ON, str(run.path)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        result = json.loads(done.stdout.splitlines()[-1])
        assert result["backend"] == backend
        assert result["losses"] == pytest.approx(expected, abs=1e-4)
