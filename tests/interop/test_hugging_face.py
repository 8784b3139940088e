from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import ops

import kpt
from kpt.errors import InputError
from kpt.interop import HuggingFaceFolder, write_hugging_face
from kpt.models import Decoder, Encoder, bert_config, decoder_config, encoder_config
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer
from kpt.tasks import MultiTask, Regressor
from tests.interop.checkpoints import (
    DECODERS,
    ENCODERS,
    KINDS,
    batch,
    byte_pair,
    made,
    outputs_of,
    save,
    tokenizer_for,
    wordpiece,
)
from tests.numbers import array, compiled, randomize
from tests.text.hostile_texts import HOSTILE


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind, as their library writes it."""
    folder = tmp_path_factory.mktemp("theirs")
    for number, kind in enumerate(KINDS):
        save(kind, folder / kind, **({"max_shard_size": "20KB"} if number % 2 else {}))
    return folder


def computed(model: Any, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a model of ours gives, with the logits of every position."""
    tensors = {name: ops.convert_to_tensor(value) for name, value in inputs.items()}
    length = inputs["token_ids"].shape[1]
    tensors["mask_positions"] = ops.convert_to_tensor(np.tile(np.arange(length), (len(inputs["token_ids"]), 1)))
    backbone = getattr(model, "backbone", model)

    def both() -> Any:
        hidden = backbone({name: tensors[name] for name in backbone.input if name in tensors})
        return {**hidden, **(model(tensors) if isinstance(model, Pretrainer) else {})}

    return {name: array(value) for name, value in compiled(both).items()}


def assert_near(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], seen: np.ndarray) -> None:
    for name, expected in theirs.items():
        found = ours[name]
        if expected.ndim == 3:
            found, expected = found[seen], expected[seen]
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("kind", ENCODERS)
def test_encoders_compute_what_theirs_do(folders: Path, kind: str) -> None:
    model = HuggingFaceFolder(folders / kind).load()
    segments = getattr(model, "backbone", model).segments
    for rows in (1, 8):
        inputs = batch(rows, segments)
        theirs = outputs_of(made(kind), inputs, padding=1 if kind == "roberta" else 0)
        assert_near(computed(model, inputs), theirs, inputs["padding_mask"])


@pytest.mark.parametrize("kind", DECODERS)
def test_decoders_compute_what_theirs_do(folders: Path, kind: str) -> None:
    model = HuggingFaceFolder(folders / kind).load()
    for rows in (1, 8):
        inputs = {"token_ids": batch(rows, 0)["token_ids"]}
        seen = np.ones(inputs["token_ids"].shape, bool)
        assert_near(computed(model, inputs), outputs_of(made(kind), inputs), seen)


@pytest.mark.parametrize("kind", KINDS)
def test_out_again_to_the_bit(folders: Path, kind: str, tmp_path: Path) -> None:
    import transformers

    model = HuggingFaceFolder(folders / kind).load()
    folder = write_hugging_face(model, tokenizer_for(kind), tmp_path / "ours")
    theirs, loading = getattr(transformers, KINDS[kind][0]).from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"] and not loading["mismatched_keys"]
    expected = made(kind).state_dict()
    for name, value in theirs.state_dict().items():
        if kind == "roberta" and "position_embeddings" in name:
            segment = expected["roberta.embeddings.token_type_embeddings.weight"]
            assert (value[2:] == expected[name][2:] + segment).all()
        elif not (kind == "roberta" and "token_type" in name):
            if name.endswith("inv_freq"):  # angles, no weights, which numpy and torch round in their own ways
                assert value.tolist() == pytest.approx(expected[name].tolist(), rel=1e-6)
            elif "contact_head" not in name:  # which kpt has not
                assert (value == expected[name]).all(), name


def test_our_bert_is_theirs(tmp_path: Path) -> None:
    from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForPreTraining, AutoTokenizer

    encoder = Encoder(270, **{**bert_config("tiny"), "width": 32, "heads": 2, "maximum_length": 24})
    model = Pretrainer(encoder, [MaskedLM(), NextSentence()])
    randomize(model, scale=0.1)
    folder = write_hugging_face(model, wordpiece(), tmp_path / "bert")
    assert len({(folder / name).stat().st_mode for name in ("config.json", "model.safetensors")}) == 1
    inputs = batch(4, 2)
    ours = computed(model, inputs)
    for cls in (AutoModelForPreTraining, AutoModelForMaskedLM, AutoModel):
        assert_near(ours, outputs_of(cls.from_pretrained(folder).eval(), inputs), inputs["padding_mask"])
    theirs, mine = AutoTokenizer.from_pretrained(folder), kpt.text.load_tokenizer(folder)
    assert theirs.model_max_length == 24 and theirs.mask_token == "[MASK]"
    texts = [text for text in HOSTILE if "[" not in text]
    for number, text in enumerate(texts):
        assert theirs(text, add_special_tokens=False)["input_ids"] == mine.encode(texts).row(number).tolist()
    assert theirs("the", "cat")["input_ids"] == [2, *mine.encode(["the"]).values, 3, *mine.encode(["cat"]).values, 3]


def test_our_modern_encoder_is_theirs(tmp_path: Path) -> None:
    from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

    # The root of the width, by which token embeddings are multiplied, is no power of 2.
    sizes = {"width": 24, "heads": 2, "maximum_length": 24}
    model = Pretrainer(Encoder(270, **{**encoder_config("tiny"), **sizes}), [MaskedLM()])
    randomize(model, scale=0.2)
    folder = write_hugging_face(model, wordpiece(), tmp_path / "esm")
    inputs = batch(4, 0)
    ours = computed(model, inputs)
    for cls in (AutoModelForMaskedLM, AutoModel):
        theirs, loading = cls.from_pretrained(folder, output_loading_info=True)
        assert not loading["missing_keys"]
        assert_near(ours, outputs_of(theirs.eval(), inputs), inputs["padding_mask"])
    assert sorted(AutoTokenizer.from_pretrained(folder)("the cat")) == ["attention_mask", "input_ids"]
    assert_near(computed(kpt.load(folder).model, inputs), ours, inputs["padding_mask"])


def test_scaled_embeddings_are_written_scaled(tmp_path: Path) -> None:
    sizes = {"width": 24, "depth": 1, "heads": 2, "maximum_length": 24, "embedding_width": 12, "shared_blocks": True}
    model = Pretrainer(Encoder(270, scale_embedding=True, **sizes), [MaskedLM()])
    randomize(model, scale=0.2)
    inputs = batch(4, 2)
    again = HuggingFaceFolder(write_hugging_face(model, wordpiece(), tmp_path / "albert")).load()
    assert again.backbone.arguments["scale_embedding"] is False
    assert_near(computed(again, inputs), computed(model, inputs), inputs["padding_mask"])


LLAMA = {"positions": "rotary", "normalization": "rms_norm", "activation": "silu", "gated": True, "use_bias": False}
OURS: dict[str, dict[str, Any]] = {
    "GPT2LMHeadModel": {},
    "ArceeForCausalLM": {**decoder_config("tiny"), "initial_deviation": 0.3},
    "LlamaForCausalLM": {**LLAMA, "key_value_heads": 1, "tied": False},
    "Qwen2ForCausalLM": {**LLAMA, "qkv_bias": True},
}


@pytest.mark.parametrize("kind", OURS)
def test_our_decoders_write_on_as_theirs(kind: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    size = byte_pair().vocabulary.size
    sizes = {"width": 32, "depth": 1, "heads": 2, "maximum_length": 96}
    model = Pretrainer(Decoder(size, **{**OURS[kind], **sizes}), [CausalLM()])
    randomize(model, scale=0.2)
    for (
        weight
    ) in model.backbone.token_embedding.weights:  # so that the end of text, whose score is 0, is never likeliest
        values = array(weight.value)
        values[(-1,) if weight.name == "embeddings" else (slice(None), -1)] = 0.0
        weight.assign(values)
    folder = write_hugging_face(model, byte_pair(), tmp_path / "gpt")
    theirs, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    assert type(theirs).__name__ == kind
    inputs = {"token_ids": np.random.default_rng(0).integers(0, size, (2, 40)).astype("int32")}
    assert_near(computed(model, inputs), outputs_of(theirs, inputs), np.ones((2, 40), bool))
    prompt = "the cat th"
    ids = tokenizer(prompt)["input_ids"]
    assert ids == byte_pair().encode([prompt]).values.tolist() and len(ids) < 16
    with torch.no_grad():
        written = theirs.generate(torch.tensor([ids]), max_new_tokens=64, do_sample=False)[0, len(ids) :].tolist()
    again, pieces = kpt.load(folder)
    found = kpt.generate(again, pieces, [ids], max_new_tokens=64)[0]
    assert found == written and len(found) == 64


def test_what_has_no_form_of_theirs(tmp_path: Path) -> None:
    modern = Encoder(270, **{**encoder_config("tiny"), "activation": "silu"})
    with pytest.raises(InputError, match="no architecture of Hugging Face's is exactly this encoder: the nearest is"):
        write_hugging_face(modern, wordpiece(), tmp_path / "a")
    with pytest.raises(InputError, match="a str has no form of Hugging Face's; give an Encoder or a Decoder"):
        write_hugging_face("model", wordpiece(), tmp_path / "a")
    encoder = Encoder(270, width=8, depth=1, heads=2)
    with pytest.raises(InputError, match="BERT has no class with the objectives causal_lm; export the backbone"):
        write_hugging_face(Pretrainer(encoder, [CausalLM()]), wordpiece(), tmp_path / "a")
    with pytest.raises(InputError, match="the model has several tasks, and such a folder has one"):
        write_hugging_face(MultiTask({"stars": Regressor(encoder)}), wordpiece(), tmp_path / "a")
    byte_level = Encoder(263, width=8, depth=1, heads=2, segments=0, epsilon=1e-5)
    with pytest.raises(InputError, match=r"RoBERTa has \[PAD\] at 1; train a tokenizer that has too"):
        write_hugging_face(byte_level, byte_pair(), tmp_path / "a")
    assert not any(tmp_path.iterdir())
    write_hugging_face(encoder, wordpiece(), tmp_path / "a")
    with pytest.raises(InputError, match="exists and is not empty"):
        write_hugging_face(encoder, wordpiece(), tmp_path / "a")
