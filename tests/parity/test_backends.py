"""The same weights and batches give the same losses on every backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.batches import random_batch, tiny_encoder

ROOT = Path(__file__).parents[2]
STEPS = 5
ENCODERS = {
    "bert": {},
    "modern": {"positions": "rotary", "norm_first": True, "segments": 0, "scale_embedding": True, "epsilon": 1e-6},
}

FIVE_STEPS = """
import json, sys
import keras, numpy as np
from kpt.objectives import MaskedLM, NextSentence, Pretrainer
from kpt.training import adamw
from tests.batches import tiny_encoder
from tests.parity.test_backends import ENCODERS, STEPS, batches

file, encoder = sys.argv[1:]
weights = np.load(file)
model = Pretrainer(tiny_encoder(**ENCODERS[encoder]), [MaskedLM(), NextSentence()])
for index, weight in enumerate(model.weights):
    weight.assign(weights[f"{encoder}/{index}"])
model.compile(optimizer=adamw(0.01, steps=20, warmup_steps=2))
losses = [model.train_on_batch(batch, return_dict=True) for batch in batches(weights)]
totals = np.array([step["loss"] for step in losses]) * np.arange(1, STEPS + 1)  # Keras returns the mean so far
print(json.dumps({"backend": keras.backend.backend(), "losses": np.diff(totals, prepend=0).tolist()}))
"""


def batches(arrays: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    names = random_batch()
    return [{name: arrays[f"batch {step}/{name}"] for name in names} for step in range(STEPS)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from kpt.objectives import MaskedLM, NextSentence, Pretrainer

    generator = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for name, options in ENCODERS.items():
        model = Pretrainer(tiny_encoder(**options), [MaskedLM(), NextSentence()])
        for index, weight in enumerate(model.weights):
            around = 1.0 if weight.path.endswith(("gamma", "scale")) else 0.0
            values = around + 0.3 * generator.standard_normal(weight.shape)
            arrays[f"{name}/{index}"] = values.astype("float32")
    for step in range(STEPS):
        arrays |= {f"batch {step}/{name}": value for name, value in random_batch(6, seed=step).items()}
    path = tmp_path_factory.mktemp("parity") / "weights.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_losses_of_five_steps_agree(file: Path, encoder: str) -> None:
    losses = {}
    for backend in ("tensorflow", "jax", "torch"):
        environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, "-c", FIVE_STEPS, str(file), encoder]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
        assert done.returncode == 0, done.stderr[-2000:]
        result = json.loads(done.stdout.splitlines()[-1])
        assert result["backend"] == backend
        losses[backend] = result["losses"]
    assert len(losses["tensorflow"]) == STEPS and np.isfinite(losses["tensorflow"]).all()
    assert np.ptp(losses["tensorflow"]) > 0.1
    for backend in ("jax", "torch"):
        assert losses[backend] == pytest.approx(losses["tensorflow"], abs=1e-4)
