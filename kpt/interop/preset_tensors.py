"""The weights of a KerasHub preset: an HDF5 file, as Keras writes it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from kpt.errors import InputError
from kpt.interop.tensors import Tensors

__all__ = ["PRESET_WEIGHTS", "PresetTensors", "write_preset_tensors"]

PRESET_WEIGHTS = "model.weights.h5"

# Where the layers of a model are; the second is what Keras before 3.6 called it.
_PLACE = re.compile(r"(?:layers|_layer_checkpoint_dependencies)/(.+)/vars/([01])")
_BLOCK = re.compile(r"(transformer_(?:encoder|decoder))(?:_(\d+))?/")
_ENDS = ("weight", "bias")


class PresetTensors(Tensors):
    """The weights by the names of `kpt.interop.preset_families`, with `.weight` or `.bias`; each read when asked for.

    Those of attention heads come as matrices `[inputs, outputs]` and vectors, their heads side by side. Links to other
    files, and arrays that claim more than the file holds, are refused.

    Args:
        folder: The folder of a preset.

    Raises:
        InputError: There is no file of weights, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        import h5py

        self.folder, self._path = folder, folder / PRESET_WEIGHTS
        self._shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
        if not self._path.is_file():
            raise InputError(f"{folder} has no {PRESET_WEIGHTS}; give a preset whose weights are in one file")

        def visit(place: str, item: Any) -> None:
            found = _PLACE.fullmatch(place)
            if isinstance(item, h5py.Dataset) and found:
                layer = _BLOCK.sub(lambda block: f"{block[1]}.{block[2] or 0}/", found[1]).replace(".", "/", 1)
                self._shapes[f"{layer}.{_ENDS[int(found[2])]}"] = place, _checked_shape(item)

        try:
            with h5py.File(self._path, "r") as file:
                file.visititems(visit)  # follows no link that is only a name
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self._path} is damaged ({error}); copy the preset again") from error

    def __getitem__(self, name: str) -> np.ndarray:
        import h5py

        if name not in self._shapes:
            raise InputError(f"{self.folder} has no weight {name!r}; copy the preset again")
        place, _ = self._shapes[name]
        try:
            with h5py.File(self._path, "r") as file:
                value = file[place][()]
                narrow = file[place].attrs.get("dtype") == "bfloat16"
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self._path}: {place} is damaged ({error}); copy the preset again") from error
        if narrow and value.dtype.itemsize == 2:
            value = value.view(ml_dtypes.bfloat16)
        elif value.dtype.kind != "f":
            raise InputError(f"{self._path}: {place} is of {value.dtype}; give a preset that is not quantized")
        return np.asarray(value).reshape(self.shape(name))

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a weight that is there, as a matrix or a vector, without reading it."""
        shape = self._shapes[name][1]
        if name.endswith(".bias"):
            return (math.prod(shape),)
        if len(shape) == 3:
            return (shape[0] * shape[1], shape[2]) if "output_dense" in name else (shape[0], shape[1] * shape[2])
        return shape

    def __contains__(self, name: object) -> bool:
        return name in self._shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def _checked_shape(dataset: Any) -> tuple[int, ...]:
    """The shape of an array whose numbers are all in its file.

    Raises:
        ValueError: They are not.
    """
    size = math.prod(dataset.shape) * dataset.dtype.itemsize
    if dataset.external or dataset.is_virtual or dataset.chunks or dataset.id.get_storage_size() != size:
        raise ValueError(f"the numbers of {dataset.name} are not all in it")
    return tuple(dataset.shape)


def write_preset_tensors(path: Path, tensors: Mapping[str, np.ndarray], heads: int) -> None:
    """Write weights as Keras reads them.

    Args:
        path: The file.
        tensors: Matrices and vectors by the names that `PresetTensors` has.
        heads: Of each block.
    """
    import h5py

    with h5py.File(path, "w") as file:
        for name, value in tensors.items():
            layer, _, end = name.rpartition(".")
            layer = re.sub(r"^(transformer_\w+)/(\d+)/", lambda x: f"{x[1]}{f'_{x[2]}' if int(x[2]) else ''}/", layer)
            if "_self_attention_layer/" in layer:
                if layer.endswith("output_dense"):
                    value = value.reshape(heads, -1, value.shape[-1]) if end == "weight" else value
                else:
                    value = value.reshape(*value.shape[:-1], heads, -1)
            file[f"layers/{layer}/vars/{_ENDS.index(end)}"] = value
