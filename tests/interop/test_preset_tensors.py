from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest

from kpt.errors import InputError
from kpt.interop.preset_tensors import PresetTensors, write_preset_tensors
from tests.numbers import normal

WEIGHTS = {
    "reversible_embedding.weight": normal(7, 6),
    "layer_normalization.bias": normal(6),
    "transformer_encoder/0/_self_attention_layer/query_dense.weight": normal(6, 6, seed=1),
    "transformer_encoder/0/_self_attention_layer/query_dense.bias": normal(6, seed=2),
    "transformer_encoder/11/_self_attention_layer/output_dense.weight": normal(6, 6, seed=3),
    "transformer_encoder/11/_self_attention_layer/output_dense.bias": normal(6, seed=4),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_preset_tensors(tmp_path / "model.weights.h5", WEIGHTS, 2)
    return tmp_path / "model.weights.h5"


def test_written_as_keras_does_and_read_again(path: Path) -> None:
    with h5py.File(path) as file:
        block = "layers/transformer_encoder{}/_self_attention_layer/{}_dense/vars/{}"
        assert file[block.format("", "query", 0)].shape == (6, 2, 3)
        assert file[block.format("", "query", 1)].shape == (2, 3)
        assert file[block.format("_11", "output", 0)].shape == (2, 3, 6)
        assert file[block.format("_11", "output", 1)].shape == (6,)
        assert file["layers/layer_normalization/vars/1"].shape == (6,)
    tensors = PresetTensors(path.parent)
    assert set(tensors) == set(WEIGHTS) and len(tensors) == 6 and "x" not in tensors
    for name, value in WEIGHTS.items():
        assert tensors.shape(name) == value.shape
        np.testing.assert_array_equal(tensors[name], value)
    with pytest.raises(InputError, match="has no weight 'x'"):
        _ = tensors["x"]


def test_files_of_older_versions_and_of_bfloat16(path: Path) -> None:
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "_layer_checkpoint_dependencies/dense/vars/0",
            data=np.array([[1.5, -2.0]], ml_dtypes.bfloat16).view("uint16"),
        )
        data.attrs["dtype"] = "bfloat16"
        file["optimizer/vars/0"] = 3.0
    tensors = PresetTensors(path.parent)
    assert list(tensors) == ["dense.weight"]
    assert tensors["dense.weight"].astype("float32").tolist() == [[1.5, -2.0]]


PLACE = "layers/dense/vars/0"


def linked(file: Any) -> None:
    file["layers/dense/vars"] = h5py.ExternalLink("/etc/passwd", "/")


def soft(file: Any) -> None:
    file[PLACE] = h5py.SoftLink("/layers")


def external(file: Any) -> None:
    file.create_dataset(PLACE, (4,), "float32", external=[("/etc/hostname", 0, 16)])


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), "float32")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (4,))
    file.create_virtual_dataset(PLACE, layout)


def bomb(file: Any) -> None:
    file.create_dataset(PLACE, (1 << 40,), "float32", chunks=(1024,), compression="gzip")


def never_written(file: Any) -> None:
    file.create_dataset(PLACE, (1 << 40,), "float32")


def circle(file: Any) -> None:
    file["layers/dense/layers"] = file["layers"]


@pytest.mark.parametrize("harm", [external, virtual, bomb, never_written])
def test_arrays_that_are_not_in_the_file(path: Path, harm: Callable[[Any], None]) -> None:
    with h5py.File(path, "w") as file:
        harm(file)
    with pytest.raises(InputError, match=r"model.weights.h5 is damaged \(the numbers of .* are not all in it\)"):
        PresetTensors(path.parent)


@pytest.mark.parametrize("harm", [linked, soft, circle])
def test_links_are_not_followed(path: Path, harm: Callable[[Any], None]) -> None:
    with h5py.File(path, "w") as file:
        file["layers/a/vars/0"] = np.ones(2, "float32")
        file.require_group("layers/dense")
        harm(file)
    assert list(PresetTensors(path.parent)) == ["a.weight"]


def test_no_file_a_cut_one_and_whole_numbers(path: Path) -> None:
    whole = path.read_bytes()
    for size in (0, 10, 600, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="is damaged"):
            PresetTensors(path.parent)
    with h5py.File(path, "w") as file:
        file[PLACE] = np.ones((2, 2), "int8")
    with pytest.raises(InputError, match="is of int8; give a preset that is not quantized"):
        _ = PresetTensors(path.parent)["dense.weight"]
    path.unlink()
    with pytest.raises(InputError, match=r"has no model.weights.h5; give a preset whose weights are in one file"):
        PresetTensors(path.parent)
