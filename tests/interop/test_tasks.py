from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from keras import ops

import kpt
from kpt.errors import InputError
from kpt.interop import HuggingFaceFolder, write_hugging_face
from kpt.interop.families import FAMILIES
from kpt.interop.tasks import head_tensors, task_model, task_of
from kpt.tasks import Classifier, QuestionAnswerer, Regressor, Tagger, TaskModel
from tests.batches import tiny_decoder, tiny_encoder
from tests.interop.checkpoints import TASKS, batch, byte_pair, made, roberta_pieces, wordpiece
from tests.numbers import array, compiled, randomize


def logits(model: Any, inputs: dict[str, np.ndarray]) -> np.ndarray:
    tensors = {name: ops.convert_to_tensor(value) for name, value in inputs.items()}
    return array(compiled(lambda: model(tensors)))


def their_logits(model: Any, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Of sequences without padding in them, which a decoder finds by its id."""
    mask = inputs["padding_mask"].astype("int64")
    given = {"input_ids": torch.tensor(np.where(mask, inputs["token_ids"], 1)).long()}
    given["attention_mask"] = torch.tensor(mask)
    if "segment_ids" in inputs:
        given["token_type_ids"] = torch.tensor(inputs["segment_ids"]).long()
    with torch.no_grad():
        found = model(**given)
    if hasattr(found, "start_logits"):
        return np.stack([found.start_logits.numpy(), found.end_logits.numpy()], axis=-1)
    return found.logits.numpy()


@pytest.mark.parametrize("kind", TASKS)
def test_heads_of_every_family_and_task(kind: str, tmp_path: Path) -> None:
    theirs = made(kind)
    theirs.save_pretrained(tmp_path / "theirs")
    model = HuggingFaceFolder(tmp_path / "theirs").load()
    cls = {"Sequence": Classifier, "Token": Tagger, "Question": QuestionAnswerer}[
        kind.split("For")[1].split("C")[0].split("A")[0]
    ]
    assert type(model) is cls and (cls is QuestionAnswerer or model.labels == ("O", "B-name", "I-name"))
    for rows in (1, 8):
        inputs = batch(rows, getattr(model.backbone, "segments", 0))
        ours, expected, seen = logits(model, inputs), their_logits(theirs, inputs), inputs["padding_mask"]
        assert ours.shape == expected.shape and np.abs(expected).max() > 0.1
        if ours.ndim == 3:
            ours, expected = ours[seen], expected[seen]
        np.testing.assert_allclose(ours, expected, atol=1e-5, rtol=1e-5)
    pieces = roberta_pieces() if "Roberta" in kind else wordpiece()
    folder = write_hugging_face(model, pieces, tmp_path / "ours")
    again, loading = getattr(transformers, kind).from_pretrained(folder, output_loading_info=True)
    assert not any(loading.values()), loading
    if cls is QuestionAnswerer:  # what is loaded answers raw strings
        told = [kpt.load(folder).model.tell([("who ?", "the cat sat on the mat")]), model_told(model, pieces)]
        assert told[0] == told[1] and told[0][0]["score"] is not None
    names = theirs.config.id2label
    assert again.config.id2label == names and again.config.label2id == {name: i for i, name in names.items()}
    for name, value in again.state_dict().items():
        if name.endswith("inv_freq") or "contact_head" in name:  # no weights of ours
            continue
        if not (kind.startswith("Roberta") and ("position_emb" in name or "token_type" in name)):  # they are added up
            assert (value == theirs.state_dict()[name]).all(), name


def model_told(model: Any, tokenizer: Any) -> list[dict[str, Any]]:
    model.tokenizer = tokenizer
    return model.tell([("who ?", "the cat sat on the mat")])


def small(**options: Any) -> kpt.Encoder:
    encoder = tiny_encoder(vocabulary_size=wordpiece().vocabulary.size, maximum_length=24, **options)
    return encoder


@pytest.mark.parametrize(
    ("model", "architecture"),
    [
        (lambda: Classifier(small(), ["bad", "good"], pooling="pooled"), "Bert"),
        (lambda: Classifier(small(), ["bad", "good"], pooling="first", multi_label=True), "Electra"),
        (lambda: Regressor(small(), mean=3.0, deviation=2.0, pooling="first"), "Electra"),
        (lambda: Regressor(small(), mean=-3.0, deviation=0.5, pooling="pooled"), "Bert"),
        (
            lambda: Classifier(small(segments=0, pooler=False), ["bad", "good", "so"], pooling="first"),
            "DistilBert",
        ),
        (
            lambda: Classifier(small(embedding_width=4, pooler_activation="gelu"), ["a", "b"], pooling="pooled"),
            "Electra",
        ),
        (lambda: Classifier(small(embedding_width=4, shared_blocks=True), ["a", "b"], pooling="pooled"), "Albert"),
    ],
)
def test_our_own_are_theirs(model: Any, architecture: str, tmp_path: Path) -> None:
    ours = model()
    randomize(ours)
    folder = write_hugging_face(ours, wordpiece(), tmp_path / "ours")
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert type(theirs).__name__ == f"{architecture}ForSequenceClassification"
    inputs = batch(4, ours.backbone.segments)
    found, expected = their_logits(theirs, inputs), logits(ours, inputs)
    kind = {Regressor: "regression"}.get(type(ours)) or (
        "multi_label_classification" if ours.multi_label else "single_label_classification"
    )
    assert theirs.config.problem_type == kind
    if isinstance(ours, Regressor):
        found = found[:, 0]
    else:
        assert tuple(theirs.config.id2label.values()) == ours.labels
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
    again, tokenizer = kpt.load(folder)
    assert type(again) is type(ours) and again.tokenizer is tokenizer
    np.testing.assert_allclose(logits(again, inputs), expected, atol=1e-5, rtol=1e-5)
    assert np.shape(again.predict(["the cat"]))[0] == 1


def test_our_tagger_is_theirs(tmp_path: Path) -> None:
    tagger = Tagger(small(), ["O", "B-place", "I-place"])
    randomize(tagger)
    folder = write_hugging_face(tagger, wordpiece(), tmp_path / "ours")
    theirs, loading = transformers.AutoModelForTokenClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(loading.values()) and theirs.config.id2label == {0: "O", 1: "B-place", 2: "I-place"}
    inputs = batch(4, 2)
    seen = inputs["padding_mask"]
    np.testing.assert_allclose(logits(tagger, inputs)[seen], their_logits(theirs, inputs)[seen], atol=1e-5, rtol=1e-5)


def test_what_has_no_class_of_theirs(tmp_path: Path) -> None:
    words = wordpiece()
    for model, message in (
        (Classifier(small(), ["a", "b"]), "no architecture of Hugging Face's has this model's head; fine-tune with"),
        (Classifier(small(), list("abcde"), pooling="first"), "has this model's head"),  # five of eight outputs
        (Tagger(small(positions="rotary"), ["O", "B-x"]), "exactly this encoder: the nearest is .*rotary"),
        (TaskModel(small(), 3, pooling=None), "a TaskModel has no form of Hugging Face's"),
    ):
        with pytest.raises(InputError, match=message):
            write_hugging_face(model, words, tmp_path / "a")
    decoder = Classifier(tiny_decoder(vocabulary_size=byte_pair().vocabulary.size), ["a", "b"], pooling="last")
    decoder.head.bias.assign([0.0, 1.0])
    with pytest.raises(InputError, match="GPT2ForSequenceClassification has a head without bias, unlike this model"):
        write_hugging_face(decoder, byte_pair(), tmp_path / "a")
    assert not any(tmp_path.iterdir())


def test_a_head_on_the_first_token_passes_through_a_pooler() -> None:
    model = Classifier(tiny_encoder(), ["a", "b"], pooling="first")
    randomize(model)
    task = FAMILIES["electra"].tasks["sequence_classification"]
    tensors = head_tensors(model, task)
    kernel = array(model.head.kernel)
    np.testing.assert_array_equal(tensors["classifier.dense.weight"][:2], kernel.T)
    np.testing.assert_array_equal(tensors["classifier.dense.weight"][2:4], -kernel.T)
    assert not tensors["classifier.dense.weight"][4:].any() and not tensors["classifier.dense.bias"].any()
    assert tensors["classifier.out_proj.weight"].tolist() == [[1, 0, -1, 0, 0, 0, 0, 0], [0, 1, 0, -1, 0, 0, 0, 0]]


def test_the_task_is_that_of_the_class() -> None:
    bert = FAMILIES["bert"]
    assert task_of(bert, {"architectures": ["BertForTokenClassification"]}) == "token_classification"
    for other in (["BertForPreTraining"], ["RobertaForTokenClassification"], None, "x", [["a"]], {}):
        assert task_of(bert, {"architectures": other}) is None


@pytest.mark.parametrize(
    ("name", "outputs", "config", "message"),
    [
        ("sequence_classification", 2, {"id2label": {"0": "a"}}, "id2label does not name the 2 outputs"),
        ("sequence_classification", 2, {"id2label": {"0": "a", "2": "b"}}, "id2label does not name the 2 outputs"),
        ("sequence_classification", 2, {"id2label": {"0": "a", "1": 7}}, "id2label does not name the 2 outputs"),
        ("sequence_classification", 2, {"id2label": ["a", "b"]}, "id2label does not name the 2 outputs"),
        ("sequence_classification", 2, {"id2label": {"0": "a", "1": "a"}}, r"no such model \(.*"),
        ("sequence_classification", 2, {"problem_type": "regression"}, "a regression of 2 numbers"),
        ("token_classification", 2, {"id2label": {"0": "NOUN", "1": "VERB"}}, "give O, and B-TYPE and I-TYPE"),
        ("question_answering", 3, {}, "a head of 3 outputs, where question answering has 2"),
    ],
)
def test_labels_that_cannot_be(name: str, outputs: int, config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"config.json: .*{message}"):
        task_model(name, small(), True, config, outputs, "config.json")


def test_a_checkpoint_without_its_head(tmp_path: Path) -> None:
    folder = write_hugging_face(small(), wordpiece(), tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["architectures"] = ["BertForSequenceClassification"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match=r"has no tensor 'classifier.weight', which its config.json asks for"):
        HuggingFaceFolder(folder).load()
