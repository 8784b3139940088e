from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from kpt.errors import InputError
from kpt.interop.families import FAMILIES
from kpt.interop.settings import family_for
from kpt.interop.sizes import check_sizes, head_outputs
from kpt.interop.tensors import FolderTensors
from kpt.interop.weights import tensors_of
from tests.batches import tiny_encoder


@pytest.mark.parametrize("options", [{}, {"embedding_width": 6}, {"embedding_width": 6, "shared_blocks": True}])
def test_more_than_there_is(options: dict[str, Any], tmp_path: Path) -> None:
    encoder = tiny_encoder(**options, pooler=False)
    family = family_for("encoder", encoder.arguments)
    save_file(tensors_of(encoder, family), tmp_path / "model.safetensors")
    tensors, arguments = FolderTensors(tmp_path), encoder.arguments
    check_sizes(family, arguments, tensors)
    inner = options.get("embedding_width", 8)
    for name, message in (
        ("vocabulary_size", f"has the shape .23, {inner}., and config.json asks for {inner} by 1000000000"),
        ("width", "config.json asks for"),
        ("feed_forward_width", "config.json asks for 8 by 1000000000"),
        ("maximum_length", f"config.json asks for {inner} by 1000000000"),
        ("segments", f"config.json asks for {inner} by 1000000000"),
        ("depth", "num_hidden_layers is 1000000000, more than any model has" if len(options) > 1 else "has no tensor"),
    ):
        with pytest.raises(InputError, match=message):
            check_sizes(family, {**arguments, name: 10**9}, tensors)


def test_every_block_is_there_before_any_is_built(tmp_path: Path) -> None:
    encoder = tiny_encoder(depth=3)
    tensors = tensors_of(encoder, FAMILIES["bert"])
    del tensors["bert.encoder.layer.1.attention.output.dense.weight"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"has no tensor 'bert.encoder.layer.1.attention.output.dense.weight'"):
        check_sizes(FAMILIES["bert"], encoder.arguments, FolderTensors(tmp_path))


@pytest.mark.parametrize("shape", [(), (3,), (0, 4), (2, 3, 4)])
def test_a_head_that_is_no_matrix(shape: tuple[int, ...], tmp_path: Path) -> None:
    task = FAMILIES["bert"].tasks["sequence_classification"]
    save_file({"classifier.weight": np.zeros(shape, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"classifier.weight has the shape"):
        head_outputs(task, FolderTensors(tmp_path))
    save_file({"classifier.weight": np.zeros((5, 4), np.float32)}, tmp_path / "model.safetensors")
    assert head_outputs(task, FolderTensors(tmp_path)) == 5
