"""The memory that `kpt pretrain --dry-run` estimates, beside what a step really takes on the CPU.

    python -m benchmarks.memory --out memory.json

Parameters and optimizer are compared with those of the model made. Activations are compared, on TensorFlow and JAX,
with the temporary memory that XLA plans for the compiled step (which holds the gradients too, where they find no room
that activations have left); on PyTorch with the rise of the process's memory in a step, on Linux. Each backend runs in
a process of its own. Rematerialised steps stand beside those that keep all; on JAX's CPU, for which XLA merges what is
computed again with what was before, they save nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console
from rich.table import Table

from kpt.files import write_json

BACKENDS = ("tensorflow", "jax", "torch")
MODELS = ("bert", "gpt")
FULL: dict[str, Any] = {"vocabulary": 8000, "batch": 16, "length": 128, "sizes": {"bert": ["tiny", "mini", "small"]}}
FULL["sizes"]["gpt"] = ["tiny", "mini"]
TINY: dict[str, Any] = {"vocabulary": 500, "batch": 8, "length": 64, "sizes": {"bert": ["tiny"], "gpt": []}}
UNIT = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def task_of(model: str, size: str, settings: dict[str, Any], remat: bool) -> Any:
    """Return the pre-training of a size, with dropout, on which rematerialisation depends most."""
    from kpt.training.bert import BertPretraining, BertSettings
    from kpt.training.gpt import GptPretraining, GptSettings

    options: dict[str, Any] = {"steps": 10, "size": size, "architecture": "published", "remat": remat}
    options |= {"batch_size": settings["batch"], "length": settings["length"]}
    return BertPretraining(BertSettings(**options)) if model == "bert" else GptPretraining(GptSettings(**options))


def batch_of(task: Any, vocabulary: int) -> dict[str, Any]:
    """Return a batch of the shapes that a step of the task has."""
    import numpy as np

    rows, length, slots = task.settings.batch_size, task.settings.length, task.predictions
    ids = np.random.default_rng(0).integers(0, vocabulary, (rows, length)).astype(np.int32)
    if task.title == "GPT":
        return {"token_ids": ids, "causal_labels": ids, "causal_weights": np.ones(ids.shape, np.float32)}
    return {
        "token_ids": ids,
        "segment_ids": np.zeros_like(ids),
        "padding_mask": np.ones(ids.shape, bool),
        "mask_positions": np.tile(np.arange(slots, dtype=np.int32), (rows, 1)),
        "mask_labels": ids[:, :slots],
        "mask_weights": np.ones((rows, slots), np.float32),
        "next_sentence_labels": np.zeros(rows, np.int32),
    }


def measured(model: Any, batch: dict[str, Any], dump: Path) -> int:
    """Return the bytes of a step beside weights and optimizer, see the top of the file."""
    import keras

    return {"tensorflow": planned_by_xla, "jax": planned_by_jax, "torch": peak_of_torch}[keras.backend.backend()](
        model, batch, dump
    )


def planned_by_xla(model: Any, batch: dict[str, Any], dump: Path) -> int:
    """Return what XLA's own report of the step says; XLA_FLAGS has to name the folder for it."""
    import tensorflow as tf

    for old in dump.iterdir():
        old.unlink()
    step = tf.function(model.train_step, jit_compile=True)
    step({name: tf.constant(value) for name, value in batch.items()})
    sizes = [0.0]
    for path in dump.glob("*memory-usage-report.txt"):
        sizes += [
            float(found[1]) * UNIT[found[2]]
            for found in re.finditer(r"allocation \d+: size ([\d.]+)(\w+), preallocated-temp", path.read_text())
        ]
    return round(max(sizes))


def planned_by_jax(model: Any, batch: dict[str, Any], dump: Path) -> int:
    """Return what the compiled step says."""
    import jax

    groups = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
    state = tuple([variable.value for variable in group] for group in (*groups, model.metrics_variables))
    compiled = jax.jit(model.train_step, donate_argnums=0).lower(state, batch).compile()
    return int(compiled.memory_analysis().temp_size_in_bytes)


def peak_of_torch(model: Any, batch: dict[str, Any], dump: Path) -> int:
    """Return how far the memory of the process rises in a step, after two that make what stays.

    Large blocks have to go back to the system when they are freed: MALLOC_MMAP_THRESHOLD_ has to be small.
    """
    import torch

    tensors = {name: torch.as_tensor(value) for name, value in batch.items()}
    model.train()
    for _ in range(2):
        model.train_step(tensors)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    model.train_step(tensors)
    return resident("VmHWM") - before


def resident(name: str) -> int:
    """Return the bytes that Linux has for this process under a name."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def measure(settings: dict[str, Any], dump: Path) -> list[dict[str, Any]]:
    """Return a row of estimates and measurements for each model, on the present backend."""
    import keras

    from kpt.distribution import Devices, compiles_steps
    from kpt.training.dry_run import bytes_of, costs_of

    rows = []
    for name, sizes in settings["sizes"].items():
        for size in sizes:
            for remat in (False, True):
                task = task_of(name, size, settings, remat)
                vocabulary: Any = SimpleNamespace(size=settings["vocabulary"])
                table = costs_of(task, vocabulary, Devices())
                model = task.model(vocabulary)
                model.compile(optimizer=task.settings.optimizer(), jit_compile=compiles_steps())
                model.optimizer.build(model.trainable_variables)
                exact = (bytes_of(model.variables), bytes_of(model.optimizer.variables))
                found = measured(model, batch_of(task, vocabulary.size), dump)
                rows.append(
                    {
                        "what": f"{name} {size}{', remat' if remat else ''}, {keras.backend.backend()}",
                        "parameters_and_optimizer": table["parameter_bytes"] + table["optimizer_bytes"],
                        "of_the_model": sum(exact),
                        "estimated": table["activation_bytes"],
                        "measured": found,
                        "ratio": round(table["activation_bytes"] / found, 3),
                    }
                )
    return rows


def main(words: Sequence[str] | None = None) -> None:
    """Run, print a table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("memory.json"))
    parser.add_argument("--tiny", action="store_true", help="one small size alone")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--dump", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.measure:
        print(json.dumps(measure(json.loads(arguments.measure), arguments.dump)))
        return
    settings, rows = TINY if arguments.tiny else FULL, []
    for backend in arguments.backends:
        with tempfile.TemporaryDirectory() as dump:
            call = [sys.executable, "-m", "benchmarks.memory", "--measure", json.dumps(settings), "--dump", dump]
            flags = f"--xla_dump_to={dump} --xla_dump_hlo_as_text --xla_dump_hlo_module_re=.*train_step.*"
            environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
            environment |= {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
            environment["XLA_FLAGS"] = flags if backend == "tensorflow" else ""
            done = subprocess.run(call, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        rows += json.loads(done.stdout.splitlines()[-1])
    table = Table("", "estimated", "measured", "ratio", title="activations, MiB")
    for row in rows:
        table.add_row(
            row["what"], *(f"{row[name] / 2**20:,.1f}" for name in ("estimated", "measured")), f"{row['ratio']}"
        )
    Console().print(table)
    write_json(arguments.out, {"settings": settings, "rows": rows})


if __name__ == "__main__":
    main()
