from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpt.cli import finetune
from kpt.cli.main import main
from kpt.data import read_squad
from kpt.training import RunFolder
from tests.tasks.small_questions import small_squad
from tests.training.small_finetuning import small_columns, small_files, small_run

SMALL = ["--epochs", "6", "--batch-size", "8", "--learning-rate", "1e-2", "--length", "16"]


def test_tune_then_evaluate(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = small_run(tmp_path / "bert")
    train, validation = small_files(tmp_path)
    more = ["--balance", "--training-windows", "2"]
    files = ["--train", str(train), "--validation", str(validation), "--out", str(tmp_path / "tuned")]
    assert main(["finetune", "classify", "--from", str(run.path), *files, *SMALL, *more, "--json"]) == 0
    captured = capfd.readouterr()
    results = json.loads(captured.out)
    assert results["accuracy"] == 1 and results["report"] == str(tmp_path / "tuned" / "report.html")
    assert "held out after 18 steps:" in captured.err
    assert RunFolder(tmp_path / "tuned").config["training"]["training_windows"] == 2

    assert main(["evaluate", "--from", str(tmp_path / "tuned"), "--data", str(train), str(validation), "--json"]) == 0
    scores = json.loads(capfd.readouterr().out)
    assert scores["validation"]["macro_f1"] == 1 and scores["validation"]["intervals"]["macro_f1"] == [1, 1]
    assert (scores["train"]["texts"], scores["validation"]["texts"]) == (20, 10)

    def refused(*words: str) -> str:
        assert main(["finetune", "classify", *words]) == 2
        err = capfd.readouterr().err
        assert err.startswith("kpt finetune classify: ") and err.count("\n") == 1
        return err

    source = ["--from", str(run.path)]
    assert "is not empty; choose another --out" in refused(*source, *files)
    assert main(["finetune", "classify", *source, *files, *SMALL, *more, "--resume", "--json"]) == 0
    assert {**json.loads(capfd.readouterr().out), "seconds": 0} == {**results, "seconds": 0}  # it was complete
    assert "has the training setting epochs 6, not 4; go on with" in refused(*source, *files, "--resume")
    assert "goes on with a single run; leave out --repeats" in refused(*source, *files, "--resume", "--repeats", "2")
    files[-1] = str(tmp_path / "other")
    assert "there is no model to tune" in refused(*files)
    assert "comes together with --size" in refused(*source, "--size", "tiny", *files)
    assert "needs both --size NAME and --tokenizer" in refused("--size", "tiny", *files)
    assert "line 1: no field 'stars' (fields: 'text'," in refused(*source, *files, "--label-field", "stars")
    assert "has no config.json; give a run folder" in refused("--from", str(tmp_path), *files)
    missing = [*source, *files]
    missing[missing.index(str(train))] = str(tmp_path / "missing.jsonl")
    assert "missing.jsonl does not exist" in refused(*missing)


def test_adapters_are_merged_in_what_other_tools_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`--lora-rank` trains few parameters; the folder for Hugging Face is that of an ordinary model."""
    import keras
    import numpy as np

    from kpt.interop import write_hugging_face
    from kpt.layers import add_lora
    from kpt.models import Encoder, bert_config
    from kpt.tasks import Classifier
    from kpt.training import load
    from tests.tasks.small_task import TEXTS, small_tokenizer

    run = small_run(tmp_path / "bert")
    train, validation = small_files(tmp_path)
    files = ["--train", str(train), "--validation", str(validation), "--out", str(tmp_path / "tuned")]
    options = ["--lora-rank", "2", "--lora-alpha", "4", "--layer-decay", "0.9", "--epochs", "1", "--json"]
    assert main(["finetune", "classify", "--from", str(run.path), *files, *options]) == 0
    results = json.loads(capfd.readouterr().out)
    # (16 + 48) + (16 + 16) + (16 + 64) + (64 + 16) columns and rows of rank 2, and the head
    assert results["trained_parameters"] == 2 * 256 + 34 and results["parameters"] > 4000
    files[-1] = str(tmp_path / "other")
    assert main(["finetune", "classify", "--from", str(run.path), *files, "--freeze", "2"]) == 2
    assert "freeze is 2; the model has 1 blocks" in capfd.readouterr().err

    tokenizer = small_tokenizer()
    sizes = bert_config("tiny") | {"width": 16, "depth": 1, "heads": 2, "feed_forward_width": 32, "dropout": 0.0}
    model = Classifier(Encoder(tokenizer.vocabulary.size, **sizes), ["a", "b"], tokenizer=tokenizer, pooling="pooled")
    add_lora(model.backbone, 2)
    for weight in model.backbone.trainable_weights:
        weight.assign(keras.random.normal(weight.shape, stddev=0.3, seed=1))
    expected = model.predict(TEXTS[:2])
    written = load(write_hugging_face(model, tokenizer, tmp_path / "hf")).model
    np.testing.assert_allclose(written.predict(TEXTS[:2]), expected, rtol=1e-4, atol=1e-5)


def test_the_tasks_of_glue_are_those_of_the_reader() -> None:
    from kpt.data.glue import GLUE

    assert {name: task.numbers for name, task in GLUE.items()} == finetune.GLUE


def test_a_task_of_glue(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from tests.data.glue_folders import write_glue

    run, folder = small_run(tmp_path / "bert"), write_glue(tmp_path, "MNLI", records=12)
    out = tmp_path / "tuned"
    words = ["--task", "MNLI", "--data", str(folder), "--from", str(run.path), "--out", str(out), "--epochs", "1"]
    assert main(["finetune", "glue", *words, "--repeats", "2", "--json"]) == 0
    results = json.loads(capfd.readouterr().out)
    assert set(results["glue"]) == {"dev_matched", "dev_mismatched"} and len(results["repeats"]["runs"]) == 2
    assert results["glue"]["dev_matched"]["accuracy"] == results["accuracy"]
    assert json.loads((out / "results.json").read_text())["glue"] == results["glue"]
    assert main(["evaluate", "--from", str(out), "--data", str(folder / "dev_mismatched.tsv"), "--json"]) == 0
    scores = json.loads(capfd.readouterr().out)["dev_mismatched"]
    assert scores["glue"] == results["glue"]["dev_mismatched"] and scores["texts"] == 12
    (folder / "dev_mismatched.tsv").unlink()
    assert main(["finetune", "glue", *words]) == 2
    assert "is not empty" in capfd.readouterr().err


def test_numbers_from_a_model_that_was_not_trained(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = small_run(tmp_path / "bert")
    train, validation = small_files(tmp_path)
    new = ["--size", "tiny", "--tokenizer", str(run.path / "tokenizer"), "--label-field", "score", "--epochs", "1"]
    files = ["--train", str(train), "--validation", str(validation), "--out", str(tmp_path / "tuned")]
    assert main(["finetune", "regress", *new, *files]) == 0
    assert "pearson" in capfd.readouterr().out


def test_tags_of_words(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = small_run(tmp_path / "bert")
    train, validation = small_columns(tmp_path)
    files = ["--train", str(train), "--validation", str(validation), "--out", str(tmp_path / "tuned")]
    assert main(["finetune", "tag", "--from", str(run.path), *files, *SMALL, "--column", "1", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["f1"] == 1
    assert main(["evaluate", "--from", str(tmp_path / "tuned"), "--data", str(validation), "--json"]) == 0
    scores = json.loads(capfd.readouterr().out)["validation"]
    assert scores["types"]["thing"] == {"f1": 1, "precision": 1, "recall": 1, "entities": 20}
    (tmp_path / "a.txt").write_text("a poor song\n")
    assert main(["predict", "--from", str(tmp_path / "tuned"), str(tmp_path / "a.txt")]) == 0
    (entity,) = json.loads(capfd.readouterr().out)["entities"]
    assert (entity["text"], entity["begin"], entity["end"]) == ("poor song", 2, 11)
    validation.write_text("a\tI-thing\n")
    files[-1] = str(tmp_path / "other")
    assert main(["finetune", "tag", "--from", str(run.path), *files]) == 2
    assert "line 1: the tag 'I-thing' after 'O' continues no entity" in capfd.readouterr().err


def test_questions_from_training_to_answers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run, out = small_run(tmp_path / "bert"), tmp_path / "tuned"
    train, held_out = small_squad(tmp_path / "train.json", 16, 1), small_squad(tmp_path / "dev.json", 8, 2)
    words = ["finetune", "qa", "--from", str(run.path), "--train", str(train), "--validation", str(held_out)]
    options = ["--epochs", "1", "--length", "16", "--stride", "4", "--answer-words", "3", "--json"]
    assert main([*words, "--out", str(out), *options]) == 0
    results = json.loads(capfd.readouterr().out)
    assert results["validation_texts"] == 8 and 0 <= results["answer_f1"] <= 1

    assert main(["evaluate", "--from", str(out), "--data", str(held_out), "--json"]) == 0
    scores = json.loads(capfd.readouterr().out)["dev"]
    assert scores["exact_match"] == pytest.approx(results["exact_match"], abs=1e-5)
    assert set(scores["intervals"]) >= {"answer_f1", "exact_match"}
    assert main(["evaluate", "--from", str(out), "--data", str(held_out), "--group", "id"]) == 2
    assert "--group is for files of records" in capfd.readouterr().err

    asked = tmp_path / "asked.jsonl"
    asked.write_text(json.dumps({"id": 7, "question": "thing", "context": "we saw 😀 boat . we saw red ."}) + "\n")
    assert main(["predict", "--from", str(out), str(asked), "--keep", "id"]) == 0
    (told,) = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert told.pop("id") == 7 and set(told) == {"answer", "start", "end", "score"}
    assert "we saw 😀 boat . we saw red ."[told["start"] : told["end"]] == told["answer"]

    unanswered = json.loads(held_out.read_text())
    for paragraph in unanswered["data"][0]["paragraphs"]:
        for question in paragraph["qas"]:
            del question["answers"]
    (tmp_path / "test.json").write_text(json.dumps(unanswered))
    assert main(["predict", "--from", str(out), str(tmp_path / "test.json")]) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["id"] for line in lines] == read_squad(held_out).ids and set(lines[0]) == {"id", *told}
    (tmp_path / "test.json").write_text('{"data": [{}]}')
    assert main(["predict", "--from", str(out), str(tmp_path / "test.json")]) == 2
    assert "test.json, article 0: no key 'paragraphs'" in capfd.readouterr().err
    assert main(["export", "--from", str(out), "--to", str(tmp_path / "saved"), "--check", "--json"]) == 0
    assert list(json.loads(capfd.readouterr().out)["latency_ms"]) == ["serving_default"]

    train.write_text(train.read_text().replace('"answer_start": 7', '"answer_start": 8'))
    assert main([*words, "--out", str(tmp_path / "other"), *options]) == 2
    assert "is not at character 8 of the context" in capfd.readouterr().err and not (tmp_path / "other").exists()
