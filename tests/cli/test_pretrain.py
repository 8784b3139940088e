from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import kpt.training.bert
from kpt.cli.main import main
from kpt.training.pretraining_data import RecordSource
from tests.training.small_store import small_store


def refused(capfd: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """What `kpt pretrain bert` says when it refuses; it takes one sentence and starts no work."""
    assert main(["pretrain", "bert", *map(str, words)]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("kpt pretrain bert: ") and err.count("\n") == 1
    return err


def test_a_model_that_goes_on_has_its_own_size(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from tests.training.small_finetuning import small_run

    run = small_run(tmp_path / "bert")
    store = small_store(tmp_path / "store")
    words = ["--data", store.folder, "--from", run.path, "--steps", "1", "--length", "16", "--out", tmp_path / "more"]
    assert "--size is that of the model to go on with" in refused(capfd, *words, "--size", "mini")
    assert "was written with another tokenizer" in refused(capfd, *words)
    assert not (tmp_path / "more").exists()


def test_the_arguments_become_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    calls: list[Any] = []

    def pretrain(*words: Any, **options: Any) -> dict:
        calls.append((words, options))
        return {"steps": 7}

    monkeypatch.setattr(kpt.training.bert, "pretrain_bert", pretrain)
    values = {
        "data": "store",
        "out": tmp_path / "run",
        "steps": "1,000",
        "size": "base",
        "architecture": "published",
        "batch-size": 16,
        "length": 256,
        "learning-rate": "1e-4",
        "warmup-steps": 50,
        "precision": "mixed_bfloat16",
        "held-out": 0.1,
        "evaluations": 4,
        "checkpoint-every": 50,
        "keep": 3,
        "seed": 5,
    }
    words = [word for name, value in values.items() for word in (f"--{name}", str(value))]
    words += ["--whole-words", "--json"]
    assert main(["pretrain", "bert", *words]) == 0
    assert json.loads(capfd.readouterr().out) == {"steps": 7}
    ((data, out, settings), options) = calls[0]
    assert (data, out) == (Path("store"), tmp_path / "run")
    assert settings == kpt.training.BertSettings(
        steps=1000,
        size="base",
        architecture="published",
        batch_size=16,
        length=256,
        learning_rate=1e-4,
        warmup_steps=50,
        precision="mixed_bfloat16",
        whole_words=True,
        held_out=0.1,
        evaluations=4,
        checkpoint_every=50,
        keep=3,
        seed=5,
    )
    assert (options["resume"], options["overwrite"]) == (False, False)


def test_refusals_before_any_work(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = small_store(tmp_path / "store").folder
    run = ["--data", store, "--out", tmp_path / "run"]
    assert "--steps: '0' is not a whole number from 1 up" in refused(capfd, *run, "--steps", "0")
    assert "did you mean 'mini'" in refused(capfd, *run, "--steps", "5", "--size", "minni")
    assert "--keep: '0' is not a whole number from 1 up" in refused(capfd, *run, "--steps", "5", "--keep", "0")
    assert "allow 5 to 512" in refused(capfd, *run, "--steps", "5", "--length", "1024")
    assert "--held-out: '1' is not a number between 0 and 1" in refused(capfd, *run, "--steps", "5", "--held-out", "1")
    assert "is no token store" in refused(capfd, "--data", tmp_path, "--out", tmp_path / "run", "--steps", "5")
    assert "holds something else" in refused(capfd, "--data", store, "--out", tmp_path, "--steps", "5")
    assert "cannot write to the folder" in refused(capfd, "--data", store, "--out", "/proc/run", "--steps", "5")
    assert not (tmp_path / "run").exists()


def test_a_model_of_another_library_is_never_replaced(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    words = ["--data", tmp_path / "store", "--out", tmp_path, "--steps", "5", "--overwrite"]
    assert "its config.json is not ours" in refused(capfd, *words)
    assert (tmp_path / "config.json").is_file()


@pytest.mark.parametrize("damage", ["shorter", "flipped", "gone"])
def test_a_damaged_store(damage: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = small_store(tmp_path / "store")
    shard = store.folder / store.manifest["shards"][0]
    content = bytearray(shard.read_bytes())
    if damage == "gone":
        shard.unlink()
    elif damage == "shorter":
        shard.write_bytes(content[:-2])
    else:
        content[10] ^= 1
        shard.write_bytes(content)
    assert shard.name in refused(capfd, "--data", store.folder, "--out", tmp_path / "run", "--steps", "5")


def test_records_take_the_place_of_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(kpt.training.bert, "pretrain_bert", lambda data, *_, **__: calls.append(data) or {})
    run = ["--out", str(tmp_path / "run"), "--steps", "5"]
    words = ["--records", "gs://b/a-*", "gs://b/b-*", "--tokenizer", "tok", "--validation-records", "c.tfrecord"]
    assert main(["pretrain", "bert", *words, *run]) == 0
    assert calls == [RecordSource(["gs://b/a-*", "gs://b/b-*"], Path("tok"), ["c.tfrecord"])]
    capfd.readouterr()
    assert "neither --data nor --records is given; name" in refused(capfd, *run)
    assert "both --data and --records are given" in refused(capfd, *run, "--data", "a", "--records", "b")
    assert "--whole-words does nothing to records" in refused(capfd, *run, "--whole-words", "--records", "b")
    assert "--tokenizer is for --records" in refused(capfd, *run, "--data", "a", "--tokenizer", "b")
    assert "--validation-records is for" in refused(capfd, *run, "--data", "a", "--validation-records", "b")
