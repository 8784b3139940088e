from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kpt import InputError
from kpt.data import LabelledTexts, prepare
from kpt.data.squad import read_squad
from kpt.evaluation import evaluate_task
from kpt.tasks import Classifier, QuestionAnswerer, Regressor, Tagger
from kpt.training import finetuning
from kpt.training.document_vectors import leave_document_vectors
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetune_sources import Source, new_source, trained_source
from kpt.training.finetuning import finetune, load_task_model, text_weights
from kpt.training.run_folder import RunFolder
from tests.tasks.small_questions import small_squad
from tests.tasks.small_task import LABELS, TEXTS, small_encoder, small_tokenizer
from tests.training.small_finetuning import small_columns, small_files, small_run


def settings(**options: Any) -> FinetuneSettings:
    return FinetuneSettings(**{"epochs": 6, "batch_size": 8, "learning_rate": 1e-2, "length": 16, **options})


def test_from_a_run_to_a_tuned_one(tmp_path: Path) -> None:
    run = small_run(tmp_path / "bert")
    train, validation = small_files(tmp_path)
    out = tmp_path / "tuned"
    results = finetune(trained_source(run.path), train, validation, out, settings(class_weights="balanced"))
    assert results["accuracy"] == results["macro_f1"] == 1
    assert (results["texts"], results["validation_texts"], results["labels"]) == (20, 10, ["neg", "pos"])
    assert results["texts_per_second"] > 0
    epochs = json.loads((out / "epochs.json").read_text())
    assert [epoch["step"] for epoch in epochs] == [0, 3, 6, 9, 12, 15, 18]
    assert epochs[results["best_epoch"]]["confusion"] == [[5, 0], [0, 5]]
    assert json.loads((out / "errors.json").read_text()) == []
    assert RunFolder(out).steps == [3 * results["best_epoch"]]
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["macro_f1"] for line in lines if line["split"] == "heldout"] == pytest.approx(
        [epoch["macro_f1"] for epoch in epochs[1:]], abs=1e-6
    )
    config = json.loads((out / "config.json").read_text())
    assert (config["kind"], config["model"]["from"]) == ("classifier", str(run.path))
    assert config["training"]["learning_rate"] == 1e-2

    model = load_task_model(out)
    assert isinstance(model, Classifier) and model.classify(TEXTS) == LABELS
    again = trained_source(out)  # a tuned model is tuned further
    assert again.backbone(settings()).width == 16 and again.note["from_step"] == RunFolder(out).step


def test_steps_may_train_on_some_windows_of_long_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer, widths = small_tokenizer(), {}
    rows = [LABELS.index("neg"), LABELS.index("pos")] * 4
    long = [" ".join([TEXTS[row]] * 12) for row in rows]
    data = LabelledTexts(long, None, [LABELS[row] for row in rows], [str(number) for number in rows])
    source = Source(lambda _: small_encoder(tokenizer), tokenizer, {})

    class Begun(Exception):
        pass

    def begin(model: Any, batches: Any, **options: Any) -> None:
        widths["trained"] = [batches(0, 2)[index][0]["token_ids"].shape[1] for index in range(2)]
        raise Begun

    monkeypatch.setattr(finetuning, "fit_steps", begin)
    monkeypatch.setattr(finetuning, "fit_head", lambda *arguments: False)
    with pytest.raises(Begun):
        finetune(source, data, data, tmp_path / "out", settings(training_windows=2, length=8, batch_size=4))
    assert max(widths["trained"]) <= 16 + 1  # the second is widened for Keras


def test_the_seed_decides(tmp_path: Path) -> None:
    files, tokenizer = small_files(tmp_path), small_tokenizer()

    def tuned(name: str, seed: int, **options: Any) -> dict[str, Any]:
        source = Source(lambda _: small_encoder(tokenizer, dropout=0.1), tokenizer, {})
        return finetune(source, *files, tmp_path / name, settings(epochs=1, seed=seed), **options)

    def beginning(name: str, seed: int) -> np.ndarray:
        """The first weights of the head; nothing is trained, which takes longest."""

        class Begun(Exception):
            pass

        def stop(logs: Any) -> None:
            raise Begun(keras.ops.convert_to_numpy(callback.model.head.kernel))

        callback = keras.callbacks.LambdaCallback(on_train_begin=stop)
        with pytest.raises(Begun) as begun:
            tuned(name, seed, callbacks=[callback])
        return begun.value.args[0]

    assert tuned("a", 1)["loss"] == pytest.approx(tuned("b", 1)["loss"], rel=1e-5)
    np.testing.assert_array_equal(beginning("c", 1), beginning("d", 1))
    assert np.abs(beginning("e", 1) - beginning("f", 2)).max() > 1e-3


def test_numbers_and_several_labels(tmp_path: Path) -> None:
    source = trained_source(small_run(tmp_path / "bert").path)
    train, validation = small_files(tmp_path)
    numbers = settings(task="regress", label_field="score")
    results = finetune(source, train, validation, tmp_path / "numbers", numbers)
    assert results["pearson"] > 0.5 and "labels" not in results
    model = load_task_model(tmp_path / "numbers")
    assert isinstance(model, Regressor) and model.mean == pytest.approx(0.6, abs=0.1)
    several = settings(multi_label=True, label_field="words", epochs=1)
    results = finetune(source, train, validation, tmp_path / "several", several)
    assert len(results["labels"]) == 11 and "confusion" not in results
    assert (tmp_path / "several" / "report.html").is_file()


def test_tags_of_words(tmp_path: Path) -> None:
    source = trained_source(small_run(tmp_path / "bert").path)
    train, validation = small_columns(tmp_path)
    results = finetune(source, train, validation, tmp_path / "tags", settings(task="tag", repair_tags=True))
    assert results["f1"] == results["recall"] == 1 and results["labels"] == ["O", "B-thing", "I-thing"]
    page = (tmp_path / "tags" / "report.html").read_text(encoding="utf-8")
    assert "Entity F1" in page and "Tagging" in page
    model = load_task_model(tmp_path / "tags")
    assert isinstance(model, Tagger)
    found = model.tell(["A good film and a bad end"])[0]["entities"]
    assert [(entity["text"], entity["begin"]) for entity in found] == [("good film", 2), ("bad", 18)]
    validation.write_text("the\tO\nend\tB-place\n")
    with pytest.raises(InputError, match=r"validation\.conll, line 2: the label 'B-place' is not among those"):
        finetune(source, train, validation, tmp_path / "other", settings(task="tag"))


def test_answers_to_questions(tmp_path: Path) -> None:
    """Also of a run that has vectors by documents, which tell nothing of single words."""
    run = small_run(tmp_path / "bert")
    leave_document_vectors(run.path, prepare(TEXTS, run.tokenizer, tmp_path / "store"), 3)
    source = trained_source(run.path)
    assert source.document_vectors is not None
    train, validation = (small_squad(tmp_path / f"{name}.json", 8 * seed, seed) for seed, name in ((2, "a"), (1, "b")))
    chosen = settings(task="qa", epochs=1, stride=4, answer_words=3)
    results = finetune(source, train, validation, tmp_path / "answers", chosen)
    assert (results["validation_texts"], results["threshold"], "labels" in results) == (8, 0.0, False)
    assert results["texts"] > 16  # windows: 16 tokens have no room for a question and its text
    model = load_task_model(tmp_path / "answers")
    assert isinstance(model, QuestionAnswerer) and (model.stride, model.answer_words, model.length) == (4, 3, 16)
    again = evaluate_task(model, read_squad(validation), resamples=30)
    names = ("answer_f1", "exact_match", "answerable_f1", "unanswerable_accuracy", "best_f1", "best_threshold", "loss")
    assert {name: again[name] for name in names} == pytest.approx({name: results[name] for name in names}, abs=1e-5)
    assert {"answer_f1", "exact_match", "unanswerable_accuracy"} <= set(again["intervals"])
    page = (tmp_path / "answers" / "report.html").read_text(encoding="utf-8")
    assert "Question answering" in page and "Answer F1" in page
    errors = json.loads((tmp_path / "answers" / "errors.json").read_text())
    assert len(errors) == 8 * (1 - round(results["exact_match"], 6)) and errors[0]["loss"] >= errors[-1]["loss"]


def test_patience_ends_the_training(tmp_path: Path) -> None:
    source = trained_source(small_run(tmp_path / "bert").path)
    files = small_files(tmp_path)
    results = finetune(source, *files, tmp_path / "out", settings(epochs=9, learning_rate=1e-9, patience=1))
    assert results["epochs"] == 2


def test_an_interrupted_run_keeps_its_best_epoch(tmp_path: Path) -> None:
    source = trained_source(small_run(tmp_path / "bert").path)

    def stop(epoch: int, logs: Any) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    callback = keras.callbacks.LambdaCallback(on_epoch_end=stop)
    with pytest.raises(KeyboardInterrupt):
        finetune(source, *small_files(tmp_path), tmp_path / "out", settings(), callbacks=[callback])
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["epochs"] == 2 and (tmp_path / "out" / "report.html").is_file()
    assert RunFolder(tmp_path / "out").steps == [3 * results["best_epoch"]]


def test_rare_labels_weigh_more() -> None:
    data = LabelledTexts(["x"] * 4, None, ["a", "b", "a", "a"], [""] * 4)
    weights = text_weights(data, FinetuneSettings(class_weights="balanced"))
    np.testing.assert_allclose(weights, [4 / 6, 4 / 2, 4 / 6, 4 / 6])
    assert text_weights(data, FinetuneSettings()) is None


@pytest.mark.parametrize(
    ("train", "validation", "message"),
    [
        ("x\ta\ny\tb\n", "x\ta\ny\tc\n", r"validation\.tsv, line 3: the label 'c' is not among those of the training"),
        (
            "x\ta\ny\ta\n",
            "x\ta\n",
            r"train\.tsv, line 2 to .*train\.tsv, line 3: there is only the label 'a' in 2 texts",
        ),
        ("x\ta\n\tb\n", "x\ta\n", r"train\.tsv, line 3: the field 'text' is empty"),
        ("x\ta\ny\tb\tc\n", "x\ta\n", r"train\.tsv, line 3: 3 fields"),
        ("", "x\ta\n", r"train\.tsv has no record"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    train: str, validation: str, message: str, tmp_path: Path
) -> None:
    source = trained_source(small_run(tmp_path / "bert").path)
    for name, rows in (("train", train), ("validation", validation)):
        (tmp_path / f"{name}.tsv").write_text(f"text\tlabel\n{rows}")
    with pytest.raises(InputError, match=message):
        finetune(source, tmp_path / "train.tsv", tmp_path / "validation.tsv", tmp_path / "out", settings())
    assert not (tmp_path / "out").exists()


def test_refusals_of_models(tmp_path: Path) -> None:
    run = small_run(tmp_path / "bert")
    with pytest.raises(InputError, match="has no task model"):
        load_task_model(run.path)
    with pytest.raises(InputError, match="There is no size 'tinny'"):
        new_source("tinny", tmp_path / "bert" / "tokenizer")
    with pytest.raises(InputError, match="length is 64; the positions of the model allow 1 to 32"):
        finetune(trained_source(run.path), *small_files(tmp_path), tmp_path / "out", settings(length=64))
    with pytest.raises(InputError, match="no finite number"):
        finetune(trained_source(run.path), *small_files(tmp_path), tmp_path / "out", settings(task="regress"))
