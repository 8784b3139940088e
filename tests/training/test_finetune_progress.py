from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import keras
import pytest

from benchmarks.kills import arrays, lines
from kpt import InputError
from kpt.training import finetune_progress
from kpt.training.finetune_progress import at_end, checkpoint_interval, progress_folder, waited
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetune_sources import Source, trained_source
from kpt.training.finetuning import finetune
from kpt.training.run_folder import RunFolder
from tests.tasks.small_task import small_encoder, small_tokenizer
from tests.training.small_finetuning import small_files, small_run


def settings(**options: Any) -> FinetuneSettings:
    """Three steps an epoch, with random numbers, a frozen layer and rates of their own for each level."""
    many = {"epochs": 5, "batch_size": 8, "learning_rate": 3e-3, "length": 16, "layer_decay": 0.9, "freeze": 1}
    return FinetuneSettings(**{**many, "dropout": 0.3, **options})


class Die(keras.callbacks.Callback):
    """Ends the training at the beginning of a step, or by SIGTERM at the end of one."""

    def __init__(self, step: int = 0, terminate: int = 0) -> None:
        super().__init__()
        self.step, self.terminate, self.begun = step, terminate, 0

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        self.begun += 1
        if self.begun == self.step:
            raise RuntimeError("died")

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        if self.begun == self.terminate:
            signal.raise_signal(signal.SIGTERM)


class Begun:
    """A fine-tuning of a small model that can be done again and again."""

    def __init__(self, folder: Path) -> None:
        tokenizer = small_tokenizer()
        encoder = small_encoder(tokenizer, dropout=0.1)
        weights = encoder.get_weights()

        def backbone(_: Any) -> Any:
            made = small_encoder(tokenizer, dropout=0.1)
            made.set_weights(weights)
            return made

        self.source, self.files = Source(backbone, tokenizer, {"from": "small"}), small_files(folder)

    def tune(self, out: Path, **options: Any) -> dict[str, Any]:
        chosen = options.pop("settings", settings())
        return finetune(self.source, *self.files, out, chosen, **options)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Begun:
    return Begun(tmp_path_factory.mktemp("tuning"))


@pytest.fixture(scope="module")
def whole(begun: Begun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    begun.tune(out)
    return out


def check_same(one: Path, other: Path) -> None:
    """Compare weights, optimizer, scores and metrics of two runs, bit by bit."""
    first, second = RunFolder(one), RunFolder(other)
    assert first.steps == second.steps
    files = [arrays(run.checkpoint(run.step) / "model.keras") for run in (first, second)]
    assert files[0] == files[1] and len(files[0]) >= 18
    assert lines(first.metrics) == lines(second.metrics)
    for name in ("epochs.json", "errors.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_a_run_that_died_goes_on_to_the_same_end(
    begun: Begun, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune_progress, "LEAST", 1)
    out = tmp_path / "run"
    with pytest.raises(RuntimeError, match="died"):
        begun.tune(out, callbacks=[Die(step=2)])  # before the first checkpoint: begun anew
    assert progress_folder(RunFolder(out)).steps == []
    with pytest.raises(RuntimeError, match="died"):
        begun.tune(out, resume=True, callbacks=[Die(step=8)])  # of nine steps of three epochs
    assert progress_folder(RunFolder(out)).steps == [3, 6]
    # As if it had died between the checkpoint and the scores of its epoch.
    epochs = json.loads((out / "epochs.json").read_text())
    (out / "epochs.json").write_text(json.dumps(epochs[:-1]))
    scores = '"step": 6, "split": "heldout"'
    kept = [line for line in RunFolder(out).metrics.read_text().splitlines() if scores not in line]
    assert len(kept) == len(RunFolder(out).metrics.read_text().splitlines()) - 1
    RunFolder(out).metrics.write_text("".join(f"{line}\n" for line in kept))
    results = begun.tune(out, resume=True)
    assert results["epochs"] == 5 and not (out / "progress").exists()
    check_same(out, whole)

    again = begun.tune(out, resume=True)  # a complete one only reports
    assert {**again, "seconds": 0} == {**results, "seconds": 0}
    with pytest.raises(InputError, match=r"has the training setting epochs 5, not 6; go on with the settings"):
        begun.tune(out, resume=True, settings=settings(epochs=6))
    other = tmp_path / "other.jsonl"
    other.write_text(begun.files[0].read_text().replace("good", "great", 1))
    with pytest.raises(InputError, match=r"was begun with another text \(\w{12}, not \w{12}\); go on with that one"):
        finetune(begun.source, other, begun.files[1], out, settings(), resume=True)
    with pytest.raises(InputError, match="a run with lora_rank cannot go on, for Keras keeps adapters merged"):
        begun.tune(out, resume=True, settings=settings(lora_rank=2, freeze=0))
    model = Source(begun.source.backbone, begun.source.tokenizer, {"from": "another"})
    with pytest.raises(InputError, match="has the model setting from 'small', not 'another'"):
        finetune(model, *begun.files, out, settings(), resume=True)


def test_sigterm_in_an_epoch_says_how_to_go_on(begun: Begun, whole: Path, tmp_path: Path) -> None:
    from kpt.errors import Terminated

    out = tmp_path / "run"
    with pytest.raises(Terminated, match=r"after step 5, of which .*run has a checkpoint; go on with the same command"):
        begun.tune(out, callbacks=[Die(terminate=5)])
    assert json.loads((out / "results.json").read_text())["epochs"] == 1
    begun.tune(out, resume=True)
    first, second = (RunFolder(path) for path in (out, whole))
    assert (out / "epochs.json").read_bytes() == (whole / "epochs.json").read_bytes()
    assert arrays(first.checkpoint(first.step) / "model.keras") == arrays(
        second.checkpoint(second.step) / "model.keras"
    )


def test_a_run_whose_patience_ended_does_not_go_on(tmp_path: Path) -> None:
    source, files = trained_source(small_run(tmp_path / "bert").path), small_files(tmp_path)
    chosen = settings(epochs=9, learning_rate=1e-9, patience=1)
    results = finetune(source, *files, tmp_path / "run", chosen)
    assert results["epochs"] == 2
    again = finetune(source, *files, tmp_path / "run", chosen, resume=True)
    assert {**again, "seconds": 0} == {**results, "seconds": 0}


def test_short_epochs_share_a_checkpoint() -> None:
    assert [checkpoint_interval(steps) for steps in (1, 7, 50, 51)] == [50, 56, 50, 51]


def test_an_end_by_epochs_or_by_patience() -> None:
    epochs = [{"epoch": number, "f1": score} for number, score in enumerate((0.9, 0.5, 0.6, 0.6, 0.4))]
    assert waited([0.5, 0.6, 0.6, 0.4]) == 2
    assert at_end(epochs, "f1", 4, None) and not at_end(epochs, "f1", 5, None)
    assert at_end(epochs, "f1", 9, 2) and not at_end(epochs, "f1", 9, 3)  # that before the first epoch is none
    assert not at_end([], "f1", 1, 1)
