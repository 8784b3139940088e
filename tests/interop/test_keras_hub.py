from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kpt
from kpt.errors import InputError
from kpt.interop import KerasHubFolder, is_preset, write_keras_hub
from kpt.models import Encoder
from kpt.objectives import CausalLM, MaskedLM, Pretrainer
from kpt.tasks import Classifier, MultiTask
from tests.batches import tiny_decoder, tiny_encoder
from tests.interop.checkpoints import batch, byte_pair, wordpiece
from tests.numbers import randomize

VOCABULARY = byte_pair().vocabulary.size


def bert(**options: Any) -> Encoder:
    encoder = tiny_encoder(vocabulary_size=270, maximum_length=24, **{"activation": "gelu_tanh", **options})
    randomize(encoder)
    return encoder


def gpt() -> Pretrainer:
    model = Pretrainer(tiny_decoder(vocabulary_size=VOCABULARY, maximum_length=96), [CausalLM()])
    randomize(model)
    return model


def assert_same_bert(ours: Encoder, theirs: Any) -> None:
    inputs = batch(4, 2)
    found = theirs.predict({name: value.astype("int32") for name, value in inputs.items()}, verbose=0)
    expected = ours.predict(inputs, verbose=0)
    seen = inputs["padding_mask"]
    np.testing.assert_allclose(found["sequence_output"][seen], expected["sequence"][seen], atol=1e-5)
    np.testing.assert_allclose(found["pooled_output"], expected["pooled"], atol=1e-5)


def test_our_bert_is_theirs(tmp_path: Path) -> None:
    import keras_hub

    model = bert()
    write_keras_hub(model, wordpiece(), tmp_path / "preset")
    assert_same_bert(model, keras_hub.models.BertBackbone.from_preset(str(tmp_path / "preset")))
    pieces = keras_hub.models.BertTokenizer.from_preset(str(tmp_path / "preset"))
    texts = ["The cat, thé 3.14", "word7 words"]
    ids = wordpiece().encode(texts)
    for number, found in enumerate(pieces(texts)):
        assert list(map(int, found)) == ids.row(number).tolist()


def test_their_bert_is_ours(tmp_path: Path) -> None:
    import keras_hub

    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12, "max_sequence_length": 24}
    theirs = keras_hub.models.BertBackbone(vocabulary_size=270, num_segments=2, **sizes)
    randomize(theirs)
    theirs.save_to_preset(str(tmp_path / "preset"))
    words = list(wordpiece().vocabulary.tokens)
    keras_hub.models.BertTokenizer(words, lowercase=True).save_to_preset(str(tmp_path / "preset"))
    model, tokenizer = kpt.load(tmp_path / "preset")
    assert isinstance(model, Encoder) and tokenizer.fingerprint == wordpiece().fingerprint
    assert_same_bert(model, theirs)


def test_gpt_in_and_out(tmp_path: Path) -> None:
    import keras_hub

    model = gpt()
    write_keras_hub(model, byte_pair(), tmp_path / "preset")
    theirs = keras_hub.models.GPT2CausalLM.from_preset(str(tmp_path / "preset"))
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (2, 40)).astype("int32")
    hidden = theirs.backbone.predict({"token_ids": ids, "padding_mask": np.ones_like(ids)}, verbose=0)
    np.testing.assert_allclose(model.backbone.predict({"token_ids": ids}, verbose=0)["sequence"], hidden, atol=1e-5)
    assert theirs.preprocessor.sequence_length == 96
    theirs.compile(sampler="greedy")
    written = theirs.generate("the cat th", max_length=24)
    prompt = len(byte_pair().encode(["the cat th"]).values) + 1  # theirs begins with the end of text
    theirs.save_to_preset(str(tmp_path / "again"))
    again, pieces = kpt.load(tmp_path / "again")
    for ours, weight in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, weight)
    begin = [pieces.vocabulary.roles["end"], *pieces.encode(["the cat th"]).values.tolist()]
    found = kpt.generate(again, pieces, [begin], max_new_tokens=24 - prompt)[0]
    assert written == "the cat th" + pieces.decode(found)


def test_what_is_lost_is_said(tmp_path: Path) -> None:
    with pytest.warns(
        UserWarning, match=r"KerasHub's BERT approximates GELU, so that its outputs differ by about 0.001"
    ):
        write_keras_hub(bert(activation="gelu"), wordpiece(), tmp_path / "a")
    assert KerasHubFolder(tmp_path / "a").load().activation == "gelu_tanh"
    for model, name in (
        (Pretrainer(bert(), [MaskedLM()]), "masked_lm"),
        (Classifier(bert(), ["a", "b"]), "classifier"),
    ):
        with pytest.warns(UserWarning, match=f"not written, as a preset has the backbone alone: {name}"):
            write_keras_hub(model, wordpiece(), tmp_path / "a", overwrite=True)


def test_what_has_no_form_of_theirs(tmp_path: Path) -> None:
    for model, tokenizer, message in (
        (bert(positions="rotary"), wordpiece(), "is not exactly this model: positions is 'rotary' and not 'learned'"),
        (tiny_decoder(vocabulary_size=VOCABULARY, tied=False), byte_pair(), "tied is False and not True"),
        (bert(), byte_pair(), "KerasHub's BERT takes a WordPieceTokenizer and no BytePairTokenizer"),
        (tiny_encoder(), wordpiece(), "the tokenizer has 270 pieces and the model 23"),
        (
            MultiTask({"mood": Classifier(bert(), ["a", "b"])}),
            wordpiece(),
            "the model has several tasks, and such a folder",
        ),
        ("model", wordpiece(), "a str has no form of KerasHub's; give an Encoder or a Decoder"),
    ):
        with pytest.raises(InputError, match=message):
            write_keras_hub(model, tokenizer, tmp_path / "a")
    assert not any(tmp_path.iterdir())


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_keras_hub(bert(), wordpiece(), tmp_path_factory.mktemp("preset") / "bert")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"registered_name": "keras_hub>LlamaBackbone"}, "kpt reads the presets of BertBackbone and GPT2Backbone"),
        ({"registered_name": "keras_hub>GPT2Backbone"}, "has no tensor 'transformer_decoder/1/_self_attention"),
        ({"config": 3}, "kpt reads the presets of"),
        ({"config": {"num_layers": 1}}, "has the weight 'transformer_encoder/1/"),
        ({"config": {"num_layers": 10**9}}, "has no tensor 'transformer_encoder/999999999/"),
        ({"config": {"vocabulary_size": 10**12}}, "config.json asks for 8 by 1000000000000"),
        ({"config": {"hidden_dim": -8}}, "hidden_dim is -8, which cannot be"),
        ({"config": {"num_heads": None}}, "num_heads is None"),
    ],
)
def test_damaged_presets(preset: Path, change: dict[str, Any], message: str, tmp_path: Path) -> None:
    content = json.loads((preset / "config.json").read_text(encoding="utf-8"))
    inner = change.get("config")
    content |= (
        {**change, "config": {**content["config"], **inner} if isinstance(inner, dict) else inner} if inner else change
    )
    for name in ("model.weights.h5", "tokenizer.json", "assets"):
        (tmp_path / name).symlink_to(preset / name)
    (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        kpt.load(tmp_path)


def test_what_a_preset_is() -> None:
    assert is_preset({"registered_name": "keras_hub>T5Backbone"}) and is_preset({"registered_name": "keras_nlp>x"})
    assert not is_preset({"model_type": "bert"}) and not is_preset({"registered_name": None})
