from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from kpt.errors import InputError
from kpt.interop import HuggingFaceFolder, write_hugging_face
from kpt.interop.families import FAMILIES
from kpt.interop.weights import heads_of, named_weights, tensors_of, unused_tensors
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer
from tests.batches import tiny_decoder, tiny_encoder
from tests.interop.checkpoints import byte_pair, wordpiece
from tests.numbers import randomize

BERT = FAMILIES["bert"]


def test_joined_kernels_are_taken_apart_by_heads() -> None:
    model = tiny_decoder(key_value_heads=2, positions="rotary", normalization="rms_norm", gated=True, use_bias=False)
    weights = randomize(model)
    tensors = tensors_of(model, FAMILIES["llama"])
    kernel = weights["block_1/attention/qkv/kernel"]  # [16, 4 * 4 + 2 * 2 * 4]
    np.testing.assert_allclose(tensors["model.layers.1.self_attn.q_proj.weight"], kernel[:, :16].T)
    np.testing.assert_allclose(tensors["model.layers.1.self_attn.k_proj.weight"], kernel[:, 16:24].T)
    np.testing.assert_allclose(tensors["model.layers.1.self_attn.v_proj.weight"], kernel[:, 24:].T)
    hidden = weights["block_0/feed_forward/hidden/kernel"]
    np.testing.assert_allclose(tensors["model.layers.0.mlp.gate_proj.weight"], hidden[:, :64].T)
    np.testing.assert_allclose(tensors["model.layers.0.mlp.up_proj.weight"], hidden[:, 64:].T)


def test_heads_have_their_objectives_whatever_these_are_called() -> None:
    model = Pretrainer(tiny_encoder(), [MaskedLM(name="tokens"), NextSentence(name="pairs")])
    tensors = tensors_of(model, BERT)
    assert {name for name in tensors if name.startswith("cls")} == {
        "cls.predictions.bias",
        "cls.predictions.transform.dense.weight",
        "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.LayerNorm.weight",
        "cls.predictions.transform.LayerNorm.bias",
        "cls.seq_relationship.weight",
        "cls.seq_relationship.bias",
    }
    assert heads_of(BERT, tensors) == ["masked_lm", "next_sentence"]
    assert heads_of(BERT, tensors_of(model.backbone, BERT)) == []


def test_what_a_family_has_not_is_refused() -> None:
    with pytest.raises(InputError, match="DistilBERT has nothing that is segment_embedding/embeddings"):
        list(named_weights(tiny_encoder(), FAMILIES["distilbert"]))
    with pytest.raises(InputError, match="RoBERTa has no head 'next_sentence'"):
        list(named_weights(Pretrainer(tiny_encoder(segments=0), [NextSentence()]), FAMILIES["roberta"]))


def test_tensors_that_are_left() -> None:
    tensors = dict.fromkeys(["bert.embeddings.position_ids", "cls.predictions.decoder.weight", "classifier.weight"])
    assert unused_tensors(BERT, tensors, set()) == ["classifier.weight"]
    with pytest.raises(InputError, match=r"has the tensor 'encoder.layer.7.adapter.weight', which no BERT has"):
        unused_tensors(BERT, {"encoder.layer.7.adapter.weight": None}, set())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = Pretrainer(tiny_encoder(vocabulary_size=270), [MaskedLM(), NextSentence()])
    randomize(model)
    return write_hugging_face(model, wordpiece(), tmp_path / "bert")


def change(folder: Path, **tensors: np.ndarray | None) -> None:
    path = folder / "model.safetensors"
    whole = {**load_file(path), **tensors}
    save_file({name: value for name, value in whole.items() if value is not None}, path)


def test_names_of_tensorflows_time_and_without_prefix(folder: Path) -> None:
    before = HuggingFaceFolder(folder).load().get_weights()
    renamed = {}
    for name, value in load_file(folder / "model.safetensors").items():
        name = name.removeprefix("bert.")
        if "LayerNorm" in name:
            name = name.replace(".weight", ".gamma").replace(".bias", ".beta")
        renamed[name] = value
    save_file(renamed, folder / "model.safetensors")
    for found, expected in zip(HuggingFaceFolder(folder).load().get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_missing_and_wrong_tensors_are_named(folder: Path) -> None:
    key = "bert.encoder.layer.1.attention.self.key.weight"
    whole = load_file(folder / "model.safetensors")
    for value, message in (
        (None, f"has no tensor '{key}', which its config.json asks for"),
        (np.zeros((8, 4), np.float32), "do not fit each other"),
        (np.zeros((4, 8), np.float32), rf"{key}.* has the shape \[20, 8\], and config.json asks for \[24, 8\]"),
        (np.zeros((), np.float32), "do not fit each other"),
        (np.zeros((8, 8), np.int8), f"the tensor '{key}' is of I8"),
    ):
        change(folder, **{key: value})
        with pytest.raises(InputError, match=message):
            HuggingFaceFolder(folder).load()
    change(folder, **{key: whole[key], "classifier.weight": whole[key]})
    with pytest.warns(UserWarning, match=r"not read, as kpt has no such head: classifier.weight"):
        HuggingFaceFolder(folder).load()


def test_a_config_that_asks_for_more_than_there_is_builds_nothing(folder: Path) -> None:
    text = (folder / "config.json").read_text(encoding="utf-8")
    for old, new, message in (
        ('"vocab_size": 270', '"vocab_size": 27000000000', "config.json asks for 8 by 27000000000"),
        ('"num_hidden_layers": 2', '"num_hidden_layers": 90000', "has no tensor 'bert.encoder.layer.89999.attention"),
        ('"intermediate_size": 32', '"intermediate_size": 320000000000', "config.json asks for 8 by 320000000000"),
        ('"max_position_embeddings": 9', '"max_position_embeddings": 90000000000', "config.json asks for 8 by"),
    ):
        assert old in text
        (folder / "config.json").write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(InputError, match=message):
            HuggingFaceFolder(folder).load()


def test_a_scaled_embedding_is_written_scaled_and_untied() -> None:
    model = Pretrainer(
        tiny_decoder(
            positions="rotary",
            normalization="rms_norm",
            activation="squared_relu",
            use_bias=False,
            scale_embedding=True,
            vocabulary_size=byte_pair().vocabulary.size,
        ),
        [CausalLM()],
    )
    weights = randomize(model.backbone)
    tensors = tensors_of(model, FAMILIES["arcee"])
    np.testing.assert_allclose(tensors["lm_head.weight"], weights["token_embedding/embeddings"])
    np.testing.assert_allclose(tensors["model.embed_tokens.weight"], 4 * weights["token_embedding/embeddings"])
