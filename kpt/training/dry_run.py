"""What a run would take, told before it: parameters, memory and operations, without a weight being made."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import keras
from keras.src.backend.common import global_state
from keras.src.optimizers.base_optimizer import BaseOptimizer

from kpt.data import TokenStore
from kpt.distribution import Devices, find_device
from kpt.models import activation_bytes, training_flops
from kpt.text import Vocabulary
from kpt.training.pretraining import Pretraining, make_optimizer
from kpt.training.pretraining_data import Data, open_tokenizer
from kpt.training.report import percent
from kpt.training.word2vec_settings import Word2VecSettings

__all__ = ["dry_run", "dry_run_word2vec", "readable"]

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
PREFIXES = ("", "k", "M", "G", "T", "P", "E")
BYTES = {
    "bool": 1,
    "int8": 1,
    "uint8": 1,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "float64": 8,
    "float32": 4,
    "int32": 4,
    "uint32": 4,
}
NAMES = {
    "parameter_bytes": "parameter memory",
    "optimizer_bytes": "optimizer state",
    "gradient_bytes": "gradients",
    "activation_bytes": "activations, about",
    "memory_bytes": "memory, at most",
    "device_memory_bytes": "memory of the device",
    "flops_per_step": "FLOPs per step",
}


def dry_run(task: Pretraining, data: Data, devices: Devices | None = None) -> dict[str, Any]:
    """Return what a pre-training takes, on each device.

    Parameters and optimizer are exact, gradients and activations those of the fullest moment of a step. The sum is of
    all four: an upper bound, for gradients come to be while activations are let go.

    Args:
        task: what to train, with its settings.
        data: folder of the token store, or a `RecordSource`; its vocabulary counts.
        devices: what to train on; by default one device.

    Returns:
        By name: `device`, `parameters`, `parameter_bytes`, `optimizer_bytes`, `gradient_bytes`, `activation_bytes`,
        `memory_bytes` (their sum), `device_memory_bytes`, `memory_share`, `fits`, `tokens_per_step`,
        `tokens_per_update` (of the weights) and `flops_per_step`, all devices' together; None where the device does
        not tell.

    Raises:
        InputError: the store is damaged.
    """
    return costs_of(task, open_tokenizer(data).vocabulary, devices or Devices())


def costs_of(task: Pretraining, vocabulary: Vocabulary, devices: Devices) -> dict[str, Any]:
    """Return what `dry_run` does, for a vocabulary."""
    settings = task.settings
    model, optimizer = without_values(lambda: task.model(vocabulary), make_optimizer(task))
    arguments, backend = model.backbone.arguments, keras.backend.backend()
    kept = arguments
    if backend == "jax" and find_device().name == "CPU":  # XLA merges there what is computed again with what was before
        kept = arguments | {"remat": False}
    step: dict[str, Any] = {"length": settings.length, "predictions": task.predictions, "vocabulary": vocabulary.size}
    half = 2 if settings.precision != "float32" else 4
    rows = -(-settings.batch_size // devices.replicas)
    return memory(
        model,
        optimizer,
        devices,
        activation_bytes(kept, batch=rows, backend=backend, bytes=half, **step),
    ) | {
        "tokens_per_step": settings.tokens_per_step,
        "tokens_per_update": settings.tokens_per_step * settings.accumulate,
        "flops_per_step": training_flops(arguments, batch=settings.batch_size, **step),
    }


def dry_run_word2vec(
    settings: Word2VecSettings, data: str | os.PathLike[str], devices: Devices | None = None
) -> dict[str, Any]:
    """Return what a pre-training of word vectors takes, as `dry_run` does.

    A step of plain gradient descent has the gradients of the rows that are in the batch alone.

    Args:
        settings: of the run.
        data: folder of the token store.
        devices: what to train on; by default one device.

    Raises:
        InputError: the store is damaged.
    """
    devices = devices or Devices()
    store = TokenStore.open(data, verify=False)
    windows = settings.windows(store)
    model, optimizer = without_values(lambda: settings.new_model(store.vocabulary.size), settings.optimizer(1))
    slots = windows.length * settings.batch_size
    # Skip-gram multiplies each word with all targets of its block; CBOW sums up windows by a product, then has its own.
    # On JAX both take a little less.
    wide = windows.block + 2 * settings.window if settings.architecture == "skip-gram" else 4 * settings.window + 1
    targets = wide + windows.shared_negatives
    on_device = -(-slots // devices.replicas)
    rows = on_device + on_device // windows.block * targets
    table = memory(model, optimizer, devices, 4 * (4 * on_device * targets + rows * settings.width))
    return filled(table | {"gradient_bytes": 4 * rows * settings.width}) | {
        "tokens_per_step": windows.words_per_example * settings.batch_size,
        "flops_per_step": 6 * slots * targets * settings.width,
    }


def without_values(build: Callable[[], keras.Model], optimizer: Any) -> tuple[keras.Model, Any]:
    """Return a model and its optimizer whose variables have shapes and types, and no values in any memory.

    Args:
        build: makes the model.
        optimizer: not built yet.
    """
    before = list(global_state.get_global_attribute("uninitialized_variables") or [])
    for each in (optimizer, getattr(optimizer, "inner_optimizer", optimizer)):
        # On TensorFlow Keras would look for the values, to have the optimizer's on the same device.
        each.add_variable_from_reference = partial(BaseOptimizer.add_variable_from_reference, each)
        each._var_key = id
    with keras.StatelessScope(initialize_variables=False):
        model = build()
        optimizer.build(model.trainable_variables)
    # Keras would give them values at the end of the next scope.
    global_state.set_global_attribute("uninitialized_variables", before)
    return model, optimizer


def memory(model: keras.Model, optimizer: Any, devices: Devices, activations: int) -> dict[str, Any]:
    """Return the memory by names, see `dry_run`, of a model without values."""
    device = find_device()
    parts = partial(bytes_of, distribution=devices.distribution)
    return filled(
        {
            "device": device.name,
            "devices": devices.replicas,
            "parameters": sum(math.prod(variable.shape) for variable in model.trainable_variables),
            "parameter_bytes": parts(model.variables),
            "optimizer_bytes": parts(optimizer.variables),
            "gradient_bytes": parts(model.trainable_variables),
            "activation_bytes": activations,
            "memory_bytes": None,
            "device_memory_bytes": device.memory,
        }
    )


def filled(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table of costs with the sum of its memory, and that as a share of the device's."""
    parts = ("parameter_bytes", "optimizer_bytes", "gradient_bytes", "activation_bytes")
    memory, room = sum(table[name] for name in parts), table["device_memory_bytes"]
    share = None if room is None else round(memory / room, 4)
    return table | {"memory_bytes": memory, "memory_share": share, "fits": None if share is None else share <= 1}


def bytes_of(variables: Iterable[Any], distribution: Any = None) -> int:
    """Return the memory of variables on one device; a mesh may divide them."""
    total = 0
    for variable in variables:
        size = math.prod(variable.shape) * BYTES[keras.backend.standardize_dtype(variable.dtype)]
        total += size // parts_of(variable, distribution)
    return total


def parts_of(variable: Any, distribution: Any) -> int:
    """Return among how many devices a distribution divides a variable."""
    if distribution is None:
        return 1
    mesh, layout = distribution.device_mesh, distribution.get_variable_layout(variable)
    sizes = dict(zip(mesh.axis_names, mesh.shape, strict=True))
    return math.prod(sizes[axis] for axis in layout.axes if axis is not None)


def readable(table: Mapping[str, Any]) -> dict[str, str]:
    """Return a table of costs in words, with units.

    Example:
        >>> readable({"parameters": 1200, "parameter_bytes": 4800, "memory_share": 0.5, "fits": True})
        {'parameters': '1,200', 'parameter memory': '4.688 KiB', 'memory share': '50 %', 'fits': 'yes'}
    """
    words = {}
    for name, value in table.items():
        if value is None:
            text = "unknown"
        elif name.endswith("_bytes"):
            text = in_units(value)
        elif name == "flops_per_step":
            text = in_thousands(value) + "FLOP"
        elif name.endswith("_share"):
            text = percent(value)
        else:
            text = (
                ("no", "yes")[value] if isinstance(value, bool) else f"{value:,}" if isinstance(value, int) else value
            )
        words[NAMES.get(name, name.replace("_", " "))] = text
    return words


def in_units(size: int) -> str:
    """Return a number of bytes with three digits and the unit that fits.

    Example:
        >>> in_units(512), in_units(690_475_748), in_units(3 << 30)
        ('512 bytes', '658.5 MiB', '3 GiB')
    """
    power = min((max(size, 1).bit_length() - 1) // 10, len(UNITS) - 1)
    return f"{size / 1024**power:.4g} {UNITS[power]}"


def in_thousands(count: float) -> str:
    """Return a number with three digits and the prefix that fits.

    Example:
        >>> in_thousands(5.348e13), in_thousands(120)
        ('53.5 T', '120 ')
    """
    power = min(max(int(math.log10(max(count, 1))) // 3, 0), len(PREFIXES) - 1)
    return f"{count / 1000**power:.3g} {PREFIXES[power]}"
