"""The export of a model that lives on JAX or PyTorch: a process of its own, on TensorFlow, does the work.

The model goes to it as its configuration (JSON) and its weights (numpy arrays), the tokenizer as its folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

import kpt
import kpt.models  # its classes, and those of the tasks, are then known to Keras
import kpt.tasks
from kpt.errors import InputError
from kpt.export.saved_model import saved_model
from kpt.export.token_models import export_token_model
from kpt.files import write_json
from kpt.objectives import Pretrainer
from kpt.tasks import MultiTask, TaskModel
from kpt.text import Tokenizer, load_tokenizer

__all__ = ["export_in_process", "read_model", "write_model"]


#: What such a process can be asked for, by name.
EXPORTS: dict[str, Any] = {"saved_model": saved_model, "export_token_model": export_token_model}


def export_in_process(
    pretrainer: Pretrainer | TaskModel | MultiTask,
    tokenizer: Tokenizer,
    target: Path,
    export: str,
    arguments: dict[str, Any],
) -> Path:
    """Export a model in a process of its own.

    Args:
        pretrainer: the model, on any backend.
        tokenizer: its tokenizer.
        target: the folder that is written.
        export: the function, of `EXPORTS`.
        arguments: what it is given beside the model and the tokenizer, `folder` if that is not the target.

    Returns:
        `target`.

    Raises:
        InputError: the export refused its input.
        RuntimeError: the export failed; the message is its last line.
    """
    with tempfile.TemporaryDirectory(prefix="kpt-export-") as name:
        job = Path(name)
        write_model(pretrainer, job)
        tokenizer.save(job / "tokenizer")
        folder = {"folder": os.path.abspath(arguments.get("folder", target))}
        write_json(job / "job.json", {"export": export, "arguments": {**arguments, **folder}})
        # What this process imports that one finds too, and nothing of the current folder by chance (-P).
        places = [str(Path(kpt.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "CUDA_VISIBLE_DEVICES": "",  # this process may hold all of its memory, and tracing needs none
            "PYTHONPATH": os.pathsep.join(filter(None, places)),
        }
        command = [sys.executable, "-P", "-m", __name__, name]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if (job / "refused").exists():
            raise InputError((job / "refused").read_text(encoding="utf-8"))
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise RuntimeError(f"the export on TensorFlow failed: {lines[-1] if lines else done.returncode}")
    return target


def write_model(pretrainer: Pretrainer | TaskModel | MultiTask, folder: Path) -> None:
    """Write `model.json` and `weights.npz`; the optimizer stays behind."""
    config: dict[str, Any] = keras.saving.serialize_keras_object(pretrainer)
    config.pop("compile_config", None)
    write_json(folder / "model.json", config)
    # float32 holds every narrower type exactly, and numpy knows it
    weights = [keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32")) for weight in pretrainer.weights]
    np.savez(folder / "weights.npz", *weights)


def read_model(folder: Path) -> Pretrainer | TaskModel | MultiTask:
    """Read what `write_model` wrote; runs no code from it.

    Raises:
        InputError: the model has a class that is not part of kpt or Keras.
    """
    config = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    try:
        pretrainer: Pretrainer | TaskModel | MultiTask = keras.saving.deserialize_keras_object(config, safe_mode=True)
    except (TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"the model cannot be made anew on TensorFlow ({reason}); "
            "load and export it in a process with KERAS_BACKEND=tensorflow"
        ) from error
    with np.load(folder / "weights.npz", allow_pickle=False) as weights:
        pretrainer.set_weights([weights[f"arr_{i}"] for i in range(len(weights.files))])
    return pretrainer


def main(job: Path) -> None:
    """Do the job that a folder describes."""
    try:
        asked = json.loads((job / "job.json").read_text(encoding="utf-8"))
        EXPORTS[asked["export"]](read_model(job), load_tokenizer(job / "tokenizer"), **asked["arguments"])
    except InputError as error:
        (job / "refused").write_text(str(error), encoding="utf-8")
        sys.exit(2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
