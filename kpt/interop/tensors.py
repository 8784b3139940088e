"""The tensors of a folder of safetensors, each read from the disk when it is asked for."""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from kpt.errors import InputError

__all__ = ["WEIGHTS_FILE", "FolderTensors", "Tensors"]

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"

FLOATS: dict[str, Any] = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}

# Files of weights that others write: reading them runs whatever code they hold.
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")


class Tensors(Mapping[str, np.ndarray]):
    """The tensors of a checkpoint by name, each read when it is asked for.

    Attributes:
        folder: The checkpoint's.
    """

    folder: Path

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor that is there, without reading it."""
        raise NotImplementedError

    def drop_pages(self) -> None:
        """Let the system take back the memory of what was read; it is read again where it is asked for again."""


class FolderTensors(Tensors):
    """The tensors by name: views of the files, which the system reads page by page.

    They come from `model.safetensors`, or from the shards that `model.safetensors.index.json` names.

    Args:
        folder: The folder of a checkpoint.

    Raises:
        InputError: There are no safetensors, a file is missing or damaged, or the index names a file outside the
            folder. Asking for a tensor that is not there, or is not of floats, raises it too.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._maps: dict[Path, mmap.mmap] = {}
        self._entries: dict[str, tuple[Path, str, list[int], int]] = {}
        for path, names in _files(folder).items():
            found = _header(path)
            for name in found if names is None else names:
                if name not in found:
                    raise InputError(f"{path} lacks the tensor {name!r}, which {INDEX_FILE} says it has; copy it again")
                self._entries[name] = found[name]

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._entries:
            raise InputError(f"{self.folder} has no tensor {name!r}; copy the checkpoint again")
        path, kind, shape, begin = self._entries[name]
        if kind not in FLOATS:
            raise InputError(f"{path}: the tensor {name!r} is of {kind}; give a checkpoint that is not quantized")
        if path not in self._maps:
            with path.open("rb") as file:
                self._maps[path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        count = math.prod(shape)
        return np.frombuffer(self._maps[path], FLOATS[kind], count, begin if count else 0).reshape(shape)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor that is there, without reading it."""
        return tuple(self._entries[name][2])

    def drop_pages(self) -> None:
        """Let the system take back the memory of what was read; it is read again where it is asked for again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            for each in self._maps.values():
                each.madvise(mmap.MADV_DONTNEED)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _files(folder: Path) -> dict[Path, list[str] | None]:
    """The files of a folder, and which tensors are looked for in each (`None`: all)."""
    if (folder / WEIGHTS_FILE).is_file():
        return {folder / WEIGHTS_FILE: None}
    index = folder / INDEX_FILE
    if not index.is_file():
        pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        if pickles:
            raise InputError(
                f"{folder} has its weights in {pickles[0]} alone, a format that can run code when it is read; "
                f"convert it to {WEIGHTS_FILE} (transformers: save_pretrained)"
            )
        raise InputError(
            f"{folder} has no {WEIGHTS_FILE}; give the folder of a checkpoint that has (pytorch_model.bin and others "
            "that can run code are neither read nor fetched)"
        )
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = sorted({str(file) for file in places.values()})
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{index} cannot be read ({error}); copy the checkpoint again") from error
    for file in files:
        if Path(file).name != file or "\\" in file or not file.endswith(".safetensors"):
            raise InputError(f"{index} names {file!r}, which is no safetensors file beside it; do not use this folder")
        if not os.path.isfile(folder / file):  # `Path.is_file` raises where a name is too long
            raise InputError(f"{folder / file} is missing, which {INDEX_FILE} names; copy the checkpoint again")
    return {folder / file: [name for name, place in places.items() if place == file] for file in files}


def _header(path: Path) -> dict[str, tuple[Path, str, list[int], int]]:
    """Each tensor's file, type, shape and first byte."""
    from safetensors import SafetensorError, safe_open

    try:
        # Its reader checks sizes, overlaps and the limits of the header; it has no bfloat16 in NumPy.
        with safe_open(path, framework="np"):
            pass
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            entries = json.loads(file.read(size))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged or no safetensors ({error}); copy the checkpoint again") from error
    return {
        name: (path, entry["dtype"], entry["shape"], 8 + size + entry["data_offsets"][0])
        for name, entry in entries.items()
        if name != "__metadata__"
    }
