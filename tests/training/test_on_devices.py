from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import pytest

from kpt.distribution import Devices
from kpt.errors import Terminated
from kpt.files import write_json
from kpt.training.on_devices import on_devices


class Hosts(Devices):
    """Two hosts, of which nobody waits for the other."""

    entered: list[str]

    @contextmanager
    def scope(self) -> Any:
        self.entered.append("scope")
        yield

    def check_agreement(self, what: str, number: int) -> None:
        self.entered.append(f"{what}: {number}")


def host(index: int) -> Hosts:
    devices = Hosts(host_index=index, host_count=2)
    object.__setattr__(devices, "entered", [])
    return devices


@on_devices
def train(data: str, out: Any, *, resume: bool = False) -> dict[str, Any]:
    """Write a run."""
    out = Path(out)
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    out.mkdir(exist_ok=True)
    (out / "written").write_text(data, encoding="utf-8")
    return {"run": str(out), "loss": 1.5, "found": found}


def begun(folder: Path) -> Path:
    """A run with a checkpoint."""
    run = folder / "run"
    for name in ("checkpoints/step-00000004", "tensorboard"):
        (run / name).mkdir(parents=True)
        (run / name / "file").touch()
    write_json(run / "config.json", {"format": "kpt-run"})
    return run


def test_one_host_writes_where_it_is_told(tmp_path: Path) -> None:
    assert train("data", tmp_path / "run") == {"run": str(tmp_path / "run"), "loss": 1.5, "found": []}
    assert (tmp_path / "run" / "written").read_text(encoding="utf-8") == "data"
    assert train.__doc__ == "Write a run."


def test_the_chief_writes_and_the_other_host_does_not(tmp_path: Path) -> None:
    for index in (1, 0):
        devices = host(index)
        results = train("data", tmp_path / "run", devices=devices)
        assert devices.entered == ["steps of the newest checkpoint: 0", "scope"]
        assert (tmp_path / "run").exists() == (index == 0)
        assert results["loss"] == 1.5
        assert ("run" in results, results.get("host")) == ((True, None) if index == 0 else (False, 1))


def test_the_other_host_goes_on_from_the_chiefs_checkpoint(tmp_path: Path) -> None:
    run = begun(tmp_path)
    devices = host(1)
    results = train("data", out=run, resume=True, devices=devices)
    assert devices.entered == ["steps of the newest checkpoint: 4", "scope"]
    assert results == {"host": 1, "loss": 1.5, "found": ["checkpoints/step-00000004/file", "config.json"]}
    assert not (run / "written").exists()


def test_a_new_run_does_not_look_at_an_old_one(tmp_path: Path) -> None:
    devices = host(1)
    assert train("data", begun(tmp_path), devices=devices)["found"] == []
    assert devices.entered == ["steps of the newest checkpoint: 0", "scope"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, Terminated])
def test_what_another_host_says_of_its_end_names_the_chiefs_folder(tmp_path: Path, error: type[BaseException]) -> None:
    written = []

    @on_devices
    def interrupted(out: Any) -> dict[str, Any]:
        written.append(Path(out))
        raise error(f"interrupted; {out} has a checkpoint")

    with pytest.raises(error) as raised:
        interrupted(tmp_path / "run", devices=host(1))
    assert written[0] != tmp_path / "run"
    assert str(raised.value) == f"interrupted; {tmp_path / 'run'} has a checkpoint"


RESUME = """
import sys
from contextlib import nullcontext
from pathlib import Path
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
from kpt.data import Batches
from kpt.distribution import make_strategy
from kpt.text import load_tokenizer
from kpt.training import RunFolder
from tests.distribution.training_losses import accumulated, set_weights
from tests.training.small_store import small_store
folder = Path(sys.argv[1])
store = small_store(folder / "store")
run = RunFolder.create(folder / "run", load_tokenizer(store.tokenizer_folder), {})
def losses(replicas, start, stop, save=False):
    tf.distribute.MirroredStrategy._collective_key_base += 100
    cpus = [f"CPU:{number}" for number in range(replicas)]
    with make_strategy("mirrored", devices=cpus).scope() if replicas > 1 else nullcontext():
        model, optimizer, examples = accumulated(store)
        if start:
            model = run.load(start)
        else:
            set_weights(model)
            model.compile(optimizer=optimizer)
        batches = Batches(examples, batch_size=8, steps=stop - start, start_step=start)
        found = model.fit(batches, epochs=stop - start, steps_per_epoch=1, verbose=0).history["loss"]
    if save:
        run.save(model, stop)
    return found
whole = losses(1, 0, 8)
begun = losses(2, 0, 3, save=True)
for replicas in (1, 2, 4):
    found = begun + losses(replicas, 3, 8)
    assert len(found) == len(whole) == 8 and whole[7] < whole[0]
    assert max(abs(one - other) for one, other in zip(whole, found)) < 1e-5, (replicas, whole, found)
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="replicas are TensorFlow's")
def test_a_checkpoint_of_two_replicas_goes_on_with_one_two_and_four(tmp_path: Path) -> None:
    """With the gradients that were added up when it was written, too: 3 is no multiple of 4."""
    from tests.distribution.processes import run_together

    run_together(["-c", RESUME, str(tmp_path)])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="strategies are TensorFlow's")
@pytest.mark.parametrize("index", [0, 1])
def test_a_host_that_is_left_says_that_another_is_gone(tmp_path: Path, index: int) -> None:
    import tensorflow as tf

    @on_devices
    def interrupted(out: Any) -> dict[str, Any]:
        raise tf.errors.UnavailableError(None, None, "Collective ops is aborted by: Socket closed\nmore")

    with pytest.raises(
        ConnectionError, match=r"another host has ended .*\(Socket closed\); start all hosts .*--resume"
    ):
        interrupted(tmp_path / "run", devices=host(index))
    with pytest.raises(tf.errors.UnavailableError):  # of no other host, on a single one
        interrupted(tmp_path / "run")
