from __future__ import annotations

import errno
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import kpt
from kpt.errors import InputError
from kpt.objectives import MaskedLM, NextSentence, Pretrainer
from kpt.text import Vocabulary, WordPieceTokenizer
from kpt.training.model_state import random_states
from kpt.training.optimizers import SelectiveAdamW, adamw
from kpt.training.run_folder import RunFolder
from tests.batches import VOCABULARY, random_batch, tiny_encoder

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
BATCH = random_batch(8)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    tokenizer = WordPieceTokenizer(Vocabulary.from_tokens([*SPECIAL, *(f"w{i}" for i in range(5, VOCABULARY))]))
    return RunFolder.create(tmp_path / "run", tokenizer, {"title": "a run", "training": {"steps": 9}})


def compiled_model() -> Pretrainer:
    keras.utils.set_random_seed(2)
    model = Pretrainer(tiny_encoder(), [MaskedLM(), NextSentence()])
    model.compile(optimizer=adamw(0.01, steps=20, warmup_steps=2))
    return model


def fit(model: Pretrainer, epochs: int = 1, **options: object) -> list[float]:
    """Four steps an epoch."""
    return model.fit(BATCH, batch_size=2, epochs=epochs, shuffle=False, verbose=0, **options).history["loss"]


def test_a_new_run_has_its_configuration_and_its_tokenizer(run: RunFolder) -> None:
    assert run.config == {"format": "kpt-run", "kpt": kpt.__version__, "title": "a run", "training": {"steps": 9}}
    assert json.loads((run.path / "config.json").read_text(encoding="utf-8")) == run.config
    assert run.tokenizer.vocabulary.size == VOCABULARY
    assert (run.metrics, run.tensorboard) == (run.path / "metrics.jsonl", run.path / "tensorboard")
    assert (run.steps, run.step) == ([], 0)
    assert RunFolder(str(run.path)).config == run.config


def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(run: RunFolder) -> None:
    whole = compiled_model()
    expected = fit(whole, epochs=3)

    model = compiled_model()
    first = fit(model)
    assert run.save(model) == run.path / "checkpoints" / "step-00000004"
    assert (run.steps, run.step) == ([4], 4)
    again = run.load()
    assert isinstance(again.optimizer, SelectiveAdamW)
    assert int(again.optimizer.iterations) == 4
    assert float(again.optimizer.learning_rate) == pytest.approx(0.01 * 16 / 18, rel=1e-5)
    for name, logits in model.predict(BATCH, verbose=0).items():
        np.testing.assert_array_equal(again.predict(BATCH, verbose=0)[name], logits)
    rest = fit(again, epochs=2)
    assert int(again.optimizer.iterations) == 12
    assert first + rest == pytest.approx(expected, rel=1e-5)


def test_a_model_without_its_optimizer(run: RunFolder) -> None:
    run.save(compiled_model(), step=1)
    model = run.load(compile=False)
    assert not model.compiled
    assert model.predict(BATCH, verbose=0)["masked_lm"].shape == (8, 3, VOCABULARY)


def test_the_newest_checkpoints_stay(run: RunFolder) -> None:
    model = compiled_model()
    for step in (1, 2, 10):
        run.save(model, step)
    assert run.steps == [2, 10]
    run.save(model, 11, keep=1)
    assert run.steps == [11]
    run.save(model, 11)
    assert run.steps == [11]
    assert sorted(entry.name for entry in (run.path / "checkpoints").iterdir()) == ["step-00000011"]
    (run.path / "checkpoints" / ".step-00000012.abc.partial").mkdir()
    assert run.steps == [11]


def test_the_best_stays_and_those_of_later_steps_go(run: RunFolder) -> None:
    model = compiled_model()
    for step in (1, 2, 3, 4):
        run.save(model, step, best=1)
    assert run.steps == [1, 3, 4]
    run.save(model, 2, keep=1)  # the run went on from 1, since the others could not be read
    assert run.steps == [2]


def test_a_folder_that_cannot_be_written(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("kpt.files.tempfile.TemporaryFile", refuse)
    with pytest.raises(OSError, match=r"after 7 steps could not be written to .* \(Permission denied\); there is none"):
        run.save(compiled_model(), 7)
    assert run.steps == []


def test_random_numbers_go_on(run: RunFolder) -> None:
    keras.utils.set_random_seed(2)
    model = Pretrainer(tiny_encoder(dropout=0.5), [MaskedLM(), NextSentence()])
    model.compile(optimizer=adamw(0.01, steps=20, warmup_steps=2))
    fit(model)
    run.save(model)
    again = run.load()
    assert random_states(again) == random_states(model) != []
    assert fit(again) == fit(model)


def test_a_failed_save_leaves_what_was_there(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    model = compiled_model()
    run.save(model, 5)

    def fails(path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(model, "save", fails)
    for step in (5, 6):
        with pytest.raises(OSError, match="No space left") as raised:
            run.save(model, step, keep=1)
        assert raised.value.errno == errno.ENOSPC
        assert raised.value.strerror == (
            f"the checkpoint after {step} steps could not be written to {run.path / 'checkpoints'} (No space left on "
            "device); the one after 5 steps is whole: make room there and go on with --resume"
        )
    assert [entry.name for entry in (run.path / "checkpoints").iterdir()] == ["step-00000005"]
    assert run.load(compile=False).predict(BATCH, verbose=0)["next_sentence"].shape == (8, 2)


def test_the_newest_checkpoint_that_can_be_read(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    for step in (3, 4):
        run.save(compiled_model(), step)
    damage(run.checkpoint(4) / "model.keras", "cut")
    assert run.load_newest()[1] == 3
    warned = capsys.readouterr().err
    assert "step-00000004/model.keras cannot be read (it has " in warned
    assert "goes on from its checkpoint after 3 steps" in warned
    damage(run.checkpoint(3) / "model.keras", "cut")
    with pytest.raises(InputError, match=r"no checkpoint of .* can be read; start the run anew, with --overwrite"):
        run.load_newest()


def damage(path: Path, kind: str) -> None:
    data = bytearray(path.read_bytes())
    if kind == "cut":
        del data[-100:]
    elif kind == "empty":
        data.clear()
    elif kind == "flipped":
        for at in range(len(data) // 3, len(data) // 3 + 64):
            data[at] ^= 0xFF
    else:
        data[:] = b"PK\x03\x04 not a model"
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("kind", ["cut", "empty", "flipped", "not one"])
def test_a_damaged_checkpoint(run: RunFolder, kind: str) -> None:
    model = compiled_model()
    model.optimizer.build(model.trainable_variables)
    run.save(model, 3)
    run.save(model, 4)
    damage(run.checkpoint(4) / "model.keras", kind)
    with pytest.raises(InputError, match=r"step-00000004.model\.keras cannot be read \(.*\); take another checkpoint"):
        run.load()
    assert run.load(3).name == model.name


def test_flipping_any_byte_of_the_weights_is_noticed(run: RunFolder) -> None:
    run.save(compiled_model(), 1)
    path = run.checkpoint(1) / "model.keras"
    whole = path.read_bytes()
    start = whole.index(b"model.weights.h5") + 1000
    for at in np.linspace(start, len(whole) - 3000, 12).astype(int):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(InputError, match="cannot be read"):
            run.load()


def test_there_is_no_such_checkpoint(run: RunFolder) -> None:
    with pytest.raises(InputError, match="run has no checkpoint yet; let the training reach its first"):
        run.load()
    run.save(compiled_model(), 2)
    run.save(compiled_model(), 4)
    with pytest.raises(InputError, match="run has no checkpoint after 3 steps; it has those after 2, 4"):
        run.load(3)


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no run folder \(it has no config\.json\); give one that `kpt pretrain`"):
        RunFolder(tmp_path)


def test_a_model_of_another_library_is_no_run(run: RunFolder, tmp_path: Path) -> None:
    other = tmp_path / "bert"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(InputError, match=r"bert is no run folder \(its config\.json is not that of a run\)"):
        RunFolder(other)
    with pytest.raises(InputError, match="bert is no run folder"):
        RunFolder.create(other, run.tokenizer, {}, overwrite=True)
    assert [entry.name for entry in other.iterdir()] == ["config.json"]


def test_a_run_is_replaced_whole(run: RunFolder) -> None:
    run.metrics.touch()
    assert RunFolder.create(run.path, run.tokenizer, {"title": "b"}, overwrite=True).config["title"] == "b"
    assert sorted(entry.name for entry in run.path.iterdir()) == ["config.json", "tokenizer"]


def test_a_new_run_is_there_completely_or_not_at_all(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="JSON"):
        RunFolder.create(tmp_path / "new", run.tokenizer, {"title": object()})
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run"]


def test_a_folder_that_holds_something(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run exists already; give another folder"):
        RunFolder.create(run.path, run.tokenizer, {})
    file = tmp_path / "file"
    file.write_text("text", encoding="utf-8")
    with pytest.raises(InputError, match="file exists already"):
        RunFolder.create(file, run.tokenizer, {})
    (tmp_path / "empty").mkdir()
    assert RunFolder.create(tmp_path / "empty", run.tokenizer, {}).steps == []


def test_damaged_settings(run: RunFolder) -> None:
    (run.path / "config.json").write_text('{"title": ', encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.json cannot be read \(.*\)"):
        _ = run.config
