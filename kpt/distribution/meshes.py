"""Meshes of devices on JAX: batches divided along one axis, and weights along the other."""

from __future__ import annotations

import re
from typing import Any

import keras

from kpt.distribution.keras_repairs import repair_uneven_batches
from kpt.errors import InputError

__all__ = ["LAYOUTS", "DividingModelParallel", "layout_map", "make_distribution", "mesh_shape"]

#: How the weights of kpt's models are divided along the axis `model`, by their paths: attention by its heads,
#: feed-forward networks by their hidden width, embeddings and logits by the vocabulary, word2vec's tables by the width
#: of a vector, as a step adds to whole rows. The other weights are small; every device has them.
LAYOUTS: dict[str, tuple[str | None, ...]] = {
    r"(.*/)?attention/qkv/kernel": (None, "model"),
    r"(.*/)?attention/qkv/bias": ("model",),
    r"(.*/)?attention/output/kernel": ("model", None),
    r"(.*/)?feed_forward/hidden/kernel": (None, "model"),
    r"(.*/)?feed_forward/hidden/bias": ("model",),
    r"(.*/)?feed_forward/output/kernel": ("model", None),
    r"(.*/)?token_embedding/embeddings": ("model", None),
    r"(.*/)?token_embedding/reverse_embeddings": (None, "model"),
    r"(.*/)?masked_lm_head/bias": ("model",),
    r"(.*/)?(word|context)_vectors": (None, "model"),
}


def mesh_shape(mesh: str, devices: int) -> tuple[int, int]:
    """Return how many parts batches have, and how many weights.

    Args:
        mesh: `"8"` for batches in 8 parts, `"2x4"` for batches in 2 and weights in 4, `"auto"` for batches in as many
            as there are devices.
        devices: Number of devices.

    Raises:
        InputError: The mesh is none of these, or has another number of devices.

    Example:
        >>> mesh_shape("2x4", devices=8), mesh_shape("auto", devices=8)
        ((2, 4), (8, 1))
    """
    if mesh == "auto":
        return devices, 1
    found = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", mesh)
    if not found:
        raise InputError(f"the mesh is {mesh!r}; give the parts of a batch, or of batches and weights such as 2x4")
    data, model = int(found[1]), int(found[2] or 1)
    if data * model != devices:
        raise InputError(f"a mesh of {mesh} has {data * model} devices and there are {devices}; give one of as many")
    return data, model


def layout_map(device_mesh: keras.distribution.DeviceMesh) -> keras.distribution.LayoutMap:
    """Return `LAYOUTS` for a mesh with an axis `model`, to be used with `keras.distribution.ModelParallel`.

    Add to it, under the paths of one's own weights, before the model is built.
    """
    layouts = keras.distribution.LayoutMap(device_mesh)
    for path, axes in LAYOUTS.items():
        layouts[path] = axes
    return layouts


class DividingModelParallel(keras.distribution.ModelParallel):
    """`keras.distribution.ModelParallel` in which a weight that cannot be divided as the layout says is on all devices.

    JAX would refuse it: a vocabulary of 30,522 has no four equal parts.
    """

    def get_variable_layout(self, variable: Any) -> Any:
        """Return the layout of a variable."""
        layout = super().get_variable_layout(variable)
        sizes = dict(zip(self.device_mesh.axis_names, self.device_mesh.shape, strict=True))
        parts = [1 if axis is None else sizes[axis] for axis in layout.axes]
        if all(size % part == 0 for size, part in zip(variable.shape, parts, strict=False)):
            return layout
        return keras.distribution.TensorLayout([None] * len(variable.shape), self.device_mesh)


def make_distribution(mesh: str = "auto") -> keras.distribution.DataParallel | keras.distribution.ModelParallel:
    """Return the distribution of a mesh over all devices of all processes.

    Build, compile and train the model in its `scope()`, or pass it to `keras.distribution.set_distribution`. A batch
    whose rows cannot be divided is computed by every device as a whole.

    Args:
        mesh: See `mesh_shape`.

    Returns:
        `keras.distribution.DataParallel` with the axis `data`; with `ModelParallel`, and `layout_map`, where weights
        are divided, the axes are `data` and `model`.

    Raises:
        InputError: Keras does not run on JAX, or the mesh does not fit the devices.

    Example:
        >>> with make_distribution("2x4").scope():  # doctest: +SKIP
        ...     encoder = kpt.Encoder(vocabulary_size=8000, width=256, depth=4, heads=4)
    """
    if keras.backend.backend() != "jax":
        raise InputError(
            f"Keras has meshes on JAX alone, and runs on {keras.backend.backend()}; set KERAS_BACKEND=jax, or use a "
            "strategy on TensorFlow"
        )
    devices = keras.distribution.list_devices()
    data, model = mesh_shape(mesh, len(devices))
    repair_uneven_batches()
    if model == 1:
        flat = keras.distribution.DeviceMesh((data,), ["data"], devices)
        return keras.distribution.DataParallel(flat, auto_shard_dataset=False)
    grid = keras.distribution.DeviceMesh((data, model), ["data", "model"], devices)
    return DividingModelParallel(layout_map=layout_map(grid), batch_dim_name="data", auto_shard_dataset=False)
