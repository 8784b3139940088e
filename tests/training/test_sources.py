from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import kpt
from kpt.errors import InputError
from kpt.interop import HuggingFaceFolder, write_hugging_face
from kpt.models import Decoder, Encoder
from kpt.objectives import CausalLM, MaskedLM, Pretrainer
from kpt.training import RunFolder, open_source
from tests.batches import inputs_of, random_batch, tiny_decoder, tiny_encoder
from tests.interop.checkpoints import byte_pair, wordpiece
from tests.numbers import array, compiled, randomize


def test_a_hugging_face_folder(tmp_path: Path) -> None:
    made = Pretrainer(tiny_encoder(vocabulary_size=270), [MaskedLM()])
    randomize(made)
    write_hugging_face(made, wordpiece(), tmp_path / "bert")
    model, tokenizer = kpt.load(tmp_path / "bert")
    assert isinstance(model.backbone, Encoder) and [each.name for each in model.objectives] == ["masked_lm"]
    assert tokenizer.fingerprint == wordpiece().fingerprint
    batch = {**inputs_of(random_batch()), "mask_positions": random_batch()["mask_positions"]}
    found, expected = (array(compiled(lambda m=m: m(batch)["masked_lm"])) for m in (model, made))
    assert np.abs(expected).max() > 0.1
    np.testing.assert_array_equal(found, expected)


def test_a_backbone_alone_and_a_name_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_hugging_face(tiny_encoder(vocabulary_size=270), wordpiece(), tmp_path / "bert")
    hub = SimpleNamespace(snapshot_download=lambda name, **_: str(tmp_path / name))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert isinstance(kpt.load("hf://bert").model, Encoder)
    write_hugging_face(tiny_decoder(vocabulary_size=263), byte_pair(), tmp_path / "gpt2")
    model = kpt.load("hf://gpt2").model
    assert isinstance(model.backbone, Decoder) and isinstance(model.objectives[0], CausalLM)


def test_a_run_folder(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", byte_pair(), {"kind": "gpt"})
    made = Pretrainer(tiny_decoder(vocabulary_size=263), [CausalLM()])
    run.save(made, step=3)
    source = open_source(str(tmp_path / "run"))
    assert isinstance(source, RunFolder) and source.step == 3
    model, tokenizer = kpt.load(tmp_path / "run")
    np.testing.assert_array_equal(model.get_weights()[0], made.get_weights()[0])
    assert tokenizer.fingerprint == byte_pair().fingerprint


def test_what_is_neither(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"there is no folder .*nowhere; give a run folder, a Hugging Face folder or hf"
    ):
        open_source(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"has no config.json; give a run folder"):
        open_source(tmp_path)
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is not readable JSON"):
        open_source(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}), encoding="utf-8")
    with pytest.raises(InputError, match="its model_type is 't5', and kpt reads bert"):
        open_source(tmp_path)


def test_a_tokenizer_larger_than_its_model_is_refused(tmp_path: Path) -> None:
    write_hugging_face(tiny_decoder(vocabulary_size=263), byte_pair(), tmp_path / "gpt2")
    text = (tmp_path / "gpt2" / "config.json").read_text(encoding="utf-8")
    (tmp_path / "gpt2" / "config.json").write_text(text.replace("263", "262"), encoding="utf-8")
    with pytest.raises(InputError, match="has 263 pieces and the model 262"):
        _ = HuggingFaceFolder(tmp_path / "gpt2").tokenizer
    with pytest.raises(InputError, match="the tokenizer has 263 pieces and the model 23"):
        write_hugging_face(tiny_decoder(), byte_pair(), tmp_path / "other")
