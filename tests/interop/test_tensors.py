from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from kpt.errors import InputError
from kpt.interop.tensors import FolderTensors

A, B = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(4, dtype=np.float16)


def write_raw(path: Path, header: dict[str, Any] | bytes, content: bytes = b"", size: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if size is None else size) + text + content)
    return path.parent


def write_index(folder: Path, places: Any) -> Path:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}), encoding="utf-8")
    return folder


def test_one_file(tmp_path: Path) -> None:
    save_file({"a": A, "b": B, "none": np.zeros((0, 3), np.float32)}, tmp_path / "model.safetensors", {"format": "pt"})
    tensors = FolderTensors(tmp_path)
    assert sorted(tensors) == ["a", "b", "none"] and len(tensors) == 3 and "c" not in tensors
    np.testing.assert_array_equal(tensors["a"], A)
    assert tensors["b"].dtype == np.float16 and tensors["none"].shape == (0, 3)
    view = tensors["a"]
    assert not view.flags.owndata and not view.flags.writeable
    tensors.drop_pages()
    np.testing.assert_array_equal(view, A)


def test_shards(tmp_path: Path) -> None:
    save_file({"a": A}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"b": B}, tmp_path / "model-00002-of-00002.safetensors")
    write_index(tmp_path, {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"})
    tensors = FolderTensors(tmp_path)
    np.testing.assert_array_equal(tensors["b"], B)
    np.testing.assert_array_equal(tensors["a"], A)


def test_bfloat16(tmp_path: Path) -> None:
    values = np.array([1.5, -2.0, 3e38], ml_dtypes.bfloat16)
    header = {"x": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}
    tensors = FolderTensors(write_raw(tmp_path / "model.safetensors", header, values.tobytes()))
    np.testing.assert_array_equal(tensors["x"].astype("float32"), values.astype("float32"))


def test_other_numbers_are_refused_when_asked_for(tmp_path: Path) -> None:
    save_file({"a": A, "ids": np.arange(3)}, tmp_path / "model.safetensors")
    tensors = FolderTensors(tmp_path)
    with pytest.raises(InputError, match="the tensor 'ids' is of I64; give a checkpoint that is not quantized"):
        _ = tensors["ids"]
    with pytest.raises(InputError, match="has no tensor 'c'"):
        _ = tensors["c"]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "tf_model.h5", "model.ckpt"])
def test_formats_that_run_code_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(InputError, match=f"has its weights in {name} alone, a format that can run code"):
        FolderTensors(tmp_path)


def test_no_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no model.safetensors; .* \(pytorch_model.bin and others .* nor fetched"):
        FolderTensors(tmp_path)


def test_every_cut_of_a_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": A, "b": B}, path)
    whole = path.read_bytes()
    for size in (0, 1, 7, 8, 9, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="is damaged or no safetensors"):
            FolderTensors(tmp_path)


@pytest.mark.parametrize(
    ("header", "content", "size"),
    [
        ({}, b"", 1 << 40),
        (b"[" * 100_000, b"", None),
        (b"{]", b"", None),
        ({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}, b"", None),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"1234", None),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, b"12345678", None),
        ({n: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in "ab"}, b"12345678", None),
        ({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"1234", None),
        ({"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}, b"1234", None),
    ],
    ids=["1 TB", "nested", "no JSON", "past the end", "wrong size", "hole", "overlap", "negative", "no such type"],
)
def test_hostile_headers(tmp_path: Path, header: Any, content: bytes, size: int | None) -> None:
    with pytest.raises(InputError, match="is damaged or no safetensors"):
        FolderTensors(write_raw(tmp_path / "model.safetensors", header, content, size))


@pytest.mark.parametrize(
    "place",
    ["../secret.safetensors", "/etc/passwd", "sub/x.safetensors", "..", "a\\b.safetensors", "pytorch_model.bin"],
)
def test_an_index_names_files_beside_it_alone(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"a": A}, tmp_path / "secret.safetensors")
    with pytest.raises(InputError, match="which is no safetensors file beside it; do not use this folder"):
        FolderTensors(write_index(folder, {"a": place}))


def test_damaged_indices(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model-1.safetensors is missing, which model.safetensors.index.json names"):
        FolderTensors(write_index(tmp_path, {"a": "model-1.safetensors"}))
    save_file({"a": A}, tmp_path / "model-1.safetensors")
    with pytest.raises(InputError, match="lacks the tensor 'b'"):
        FolderTensors(write_index(tmp_path, {"b": "model-1.safetensors"}))
    for content in ("", "[]", "{}", '{"weight_map": 3}', "[" * 100_000):
        (tmp_path / "model.safetensors.index.json").write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match="cannot be read"):
            FolderTensors(tmp_path)
