from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import kpt
from kpt.objectives import MaskedLM
from tests.export.reference import HOSTILE, assert_served, tiny_pretrainer, tiny_tokenizer

LENGTH = 24


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def pretrainer() -> Any:
    return tiny_pretrainer(length=LENGTH)


@pytest.fixture(scope="module")
def exported(pretrainer: Any, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kpt.export.saved_model(pretrainer, tokenizer, tmp_path_factory.mktemp("models") / "bert", top_k=3)


@pytest.fixture
def instead_of_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written, and how long that takes, does not matter to where it goes."""

    class Nothing(tf.Module):
        def __init__(self, *_: Any) -> None:
            super().__init__()
            self.functions: dict[str, Any] = {}

    monkeypatch.setattr("kpt.export.encoder_signatures.ServedEncoder", Nothing)


def test_a_loaded_model_serves_what_the_model_predicts(exported: Path, pretrainer: Any, tokenizer: Any) -> None:
    assert exported.name == "1"
    signatures = tf.saved_model.load(str(exported)).signatures
    texts = tf.constant(HOSTILE)
    outputs = {name: signatures[name](texts=texts) for name in ("serving_default", "fill_mask")}
    outputs["next_sentence"] = signatures["next_sentence"](first=texts, second=texts[::-1])
    assert_served(outputs, pretrainer, tokenizer, HOSTILE, LENGTH)
    assert outputs["fill_mask"]["tokens"].shape[-1] == 3


def test_signatures_are_dense_and_take_any_number_of_strings(exported: Path) -> None:
    served = saved_model_proto(exported).meta_graphs[0]
    assert list(served.meta_info_def.tags) == ["serve"]
    found = {
        name: tuple(
            {key: (tf.dtypes.as_dtype(info.dtype).name, shape(info)) for key, info in infos.items()}
            for infos in (signature.inputs, signature.outputs)
        )
        for name, signature in served.signature_def.items()
        if not name.startswith("__")
    }
    text = ("string", [-1])
    assert found == {
        "serving_default": ({"texts": text}, {"pooled": ("float32", [-1, 16]), "mean": ("float32", [-1, 16])}),
        "fill_mask": (
            {"texts": text},
            {
                "tokens": ("string", [-1, -1, 3]),
                "probabilities": ("float32", [-1, -1, 3]),
                "token_ids": ("int32", [-1, -1, 3]),
                "mask_count": ("int32", [-1]),
            },
        ),
        "next_sentence": ({"first": text, "second": text}, {"probability": ("float32", [-1])}),
    }


def shape(info: Any) -> list[int]:
    assert info.WhichOneof("encoding") == "name"
    return [dimension.size for dimension in info.tensor_shape.dim]


def test_the_graph_needs_neither_python_nor_xla(exported: Path) -> None:
    served = saved_model_proto(exported).meta_graphs[0]
    library = served.graph_def.library.function
    nodes = [*served.graph_def.node, *(node for function in library for node in function.node_def)]
    operations = {node.op for node in nodes}
    assert "FastWordpieceTokenizeWithOffsets" in operations
    assert not {op for op in operations if "PyFunc" in op or op.startswith("Xla")}
    marked = [*nodes, *library]
    assert not any(each.attr["_XlaMustCompile"].b for each in marked if "_XlaMustCompile" in each.attr)
    identifiers = {each.user_object.identifier for each in served.object_graph_def.nodes}
    assert not [identifier for identifier in identifiers if "keras" in identifier.lower()]


def saved_model_proto(folder: Path) -> Any:
    return saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())


def test_a_note_beside_the_model_says_what_it_is(exported: Path, tokenizer: Any) -> None:
    assert json.loads((exported / "assets.extra" / "kpt.json").read_text()) == {
        "kpt": kpt.__version__,
        "signatures": ["serving_default", "fill_mask", "next_sentence"],
        "vocabulary_size": 60,
        "width": 16,
        "length": LENGTH,
        "compute_dtype": "float32",
        "top_k": 3,
        "mask": "[MASK]",
        "tokenizer": {"fingerprint": tokenizer.fingerprint, "lowercase": True, "strip_accents": True},
    }


@pytest.mark.usefixtures("instead_of_tracing")
def test_the_note_has_the_precision_of_the_layers(tokenizer: Any, tmp_path: Path) -> None:
    encoder = kpt.Encoder(vocabulary_size=60, width=8, depth=1, heads=1, dtype="mixed_bfloat16")
    path = kpt.export.saved_model(encoder, tokenizer, tmp_path)
    assert json.loads((path / "assets.extra" / "kpt.json").read_text())["compute_dtype"] == "bfloat16"


@pytest.mark.usefixtures("instead_of_tracing")
def test_each_export_is_the_next_version(pretrainer: Any, tokenizer: Any, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "3").mkdir()
    (tmp_path / ".4.deadbeef.partial").mkdir()
    assert kpt.export.saved_model(pretrainer, tokenizer, tmp_path) == tmp_path / "4"
    assert kpt.export.saved_model(pretrainer, tokenizer, tmp_path) == tmp_path / "5"
    assert kpt.export.saved_model(pretrainer, tokenizer, tmp_path, version=2) == tmp_path / "2"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["1", "2", "3", "4", "5"]
    with pytest.raises(kpt.InputError, match="exists already"):
        kpt.export.saved_model(pretrainer, tokenizer, tmp_path, version=2)


@pytest.mark.usefixtures("instead_of_tracing")
def test_a_version_appears_at_once_or_not_at_all(
    pretrainer: Any, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any, folder: str, **__: Any) -> None:
        Path(folder, "saved_model.pb").write_bytes(b"half")
        assert not Path(folder).name.isdecimal()
        assert not (tmp_path / "1").exists()
        raise OSError("disk full")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        kpt.export.saved_model(pretrainer, tokenizer, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_wrong_arguments_are_refused_before_anything_is_written(
    pretrainer: Any, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bert"

    def refused(message: str, **options: Any) -> None:
        with pytest.raises(kpt.InputError, match=message):
            kpt.export.saved_model(pretrainer, tokenizer, folder, **options)

    refused("length is 25; give at least 5 and at most the model's 24", length=25)
    refused("length is 4; give at least 5", length=4)
    refused("top_k is 0; give 1 or more", top_k=0)
    refused("version is -1; give 1 or more", version=-1)
    other = kpt.Pretrainer(kpt.Encoder(vocabulary_size=61, width=8, depth=1, heads=1), [MaskedLM()])
    with pytest.raises(kpt.InputError, match="the tokenizer has 60 pieces and the model 61"):
        kpt.export.saved_model(other, tokenizer, folder)
    real = importlib.util.find_spec
    monkeypatch.setitem(
        kpt.export.versions.check_installed.__globals__,
        "find_spec",
        lambda name: None if name == "tensorflow_text" else real(name),
    )
    refused("tensorflow_text is not installed; install tensorflow-text")
    assert not folder.exists()


@pytest.mark.usefixtures("instead_of_tracing")
def test_a_folder_that_cannot_be_written_is_refused(pretrainer: Any, tokenizer: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(kpt.InputError, match="cannot write to the folder"):
        kpt.export.saved_model(pretrainer, tokenizer, tmp_path / "file" / "bert")
