from __future__ import annotations

import re
from typing import Any

import keras
import pytest

from kpt import Decoder, Encoder, InputError, Pretrainer, Word2Vec
from kpt.distribution.meshes import LAYOUTS, DividingModelParallel, layout_map, make_distribution, mesh_shape
from kpt.objectives import CausalLM, MaskedLM, NextSentence
from tests.distribution.processes import run_together


@pytest.mark.parametrize(
    ("mesh", "shape"), [("auto", (8, 1)), ("8", (8, 1)), ("8x1", (8, 1)), ("2x4", (2, 4)), ("1x8", (1, 8))]
)
def test_shapes(mesh: str, shape: tuple[int, int]) -> None:
    assert mesh_shape(mesh, 8) == shape


@pytest.mark.parametrize("mesh", ["", "x", "2x", "0x4", "2x4x1", "two"])
def test_what_is_no_mesh(mesh: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"the mesh is {mesh!r}; give the parts of a batch")):
        mesh_shape(mesh, 8)


def test_a_mesh_of_another_number_of_devices() -> None:
    with pytest.raises(InputError, match="a mesh of 2x2 has 4 devices and there are 8"):
        mesh_shape("2x2", 8)


def test_meshes_are_of_jax() -> None:
    with pytest.raises(InputError, match="Keras has meshes on JAX alone, and runs on tensorflow"):
        make_distribution("1")


def divided(model: Any) -> set[str]:
    """The paths of the weights that are divided; each is by one layout."""
    paths = set()
    for weight in model.weights:
        found = [pattern for pattern in LAYOUTS if re.fullmatch(pattern, weight.path)]
        assert len(found) <= 1
        if found:
            assert len(LAYOUTS[found[0]]) == len(weight.shape)
            paths.add(weight.path)
    return paths


def test_what_is_divided_of_an_encoder() -> None:
    model = Pretrainer(Encoder(20, 8, depth=1, heads=2), [MaskedLM(), NextSentence()])
    block = "block_0/attention/qkv/kernel block_0/attention/qkv/bias block_0/attention/output/kernel"
    block += " block_0/feed_forward/hidden/kernel block_0/feed_forward/hidden/bias block_0/feed_forward/output/kernel"
    assert divided(model) == {*block.split(), "token_embedding/embeddings", "masked_lm_head/bias"}


def test_what_is_divided_of_a_decoder_and_of_word_vectors() -> None:
    model = Pretrainer(Decoder(20, 8, depth=1, heads=2, tied=False, use_bias=False), [CausalLM()])
    block = "block_0/attention/qkv/kernel block_0/attention/output/kernel"
    block += " block_0/feed_forward/hidden/kernel block_0/feed_forward/output/kernel"
    tables = {"token_embedding/embeddings", "token_embedding/reverse_embeddings"}
    assert divided(model) == {*block.split(), *tables}
    assert len(divided(Word2Vec(20, 8))) == 2


def test_the_layouts_of_a_mesh() -> None:
    mesh = keras.distribution.DeviceMesh((2, 4), ["data", "model"], [f"cpu:{number}" for number in range(8)])
    layouts = layout_map(mesh)
    assert layouts["model/block_3/feed_forward/hidden/kernel"].axes == (None, "model")
    assert layouts["token_embedding/embeddings"].axes == ("model", None)
    assert layouts["block_3/attention_norm/gamma"] is None
    distribution = DividingModelParallel(layout_map=layouts, batch_dim_name="data")
    for vocabulary, axes in ((20, ("model", None)), (22, (None, None))):
        table = Decoder(vocabulary, 8, depth=1, heads=2).token_embedding.embeddings
        assert tuple(distribution.get_variable_layout(table).axes) == axes


SHARDINGS = """
import jax, keras, numpy as np
from kpt import Encoder, Pretrainer
from kpt.distribution import make_distribution
from kpt.objectives import MaskedLM
from tests.batches import VOCABULARY, random_batch
with make_distribution("2x4").scope():
    model = Pretrainer(Encoder(VOCABULARY + 1, 8, depth=1, heads=4), [MaskedLM()])
    model.compile(optimizer="adam")
    model.fit(random_batch(6), batch_size=4, verbose=0)  # 4 rows, then 2
    model.fit(random_batch(5), batch_size=4, verbose=0)  # 4 rows, then 1, which no two devices can share
    assert model.predict(random_batch(5), batch_size=4, verbose=0)["masked_lm"].shape[0] == 5
    sizes = {}
    for variable in [*model.weights, *model.optimizer.variables]:
        sizes[variable.path] = variable.value.addressable_shards[0].data.size / variable.value.size
quarter = [path for path, share in sizes.items() if share == 0.25]
assert "block_0/attention/qkv/kernel" in quarter and "adam/block_0_attention_qkv_kernel_velocity" in quarter, sizes
assert set(sizes.values()) == {0.25, 1.0}
print(len(quarter))
"""


def test_each_device_holds_its_part_of_weights_and_moments() -> None:
    (output,) = run_together(["-c", SHARDINGS], backend="jax", devices=8)
    assert int(output.splitlines()[-1]) == 3 * 8
