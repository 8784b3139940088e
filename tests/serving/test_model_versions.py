from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from kpt.serving.model_versions import ModelVersions, VersionState
from kpt.serving.models_config import ModelSettings
from kpt.serving.servable import Servable
from kpt.serving.status import ServingError


class Fake(Servable):
    """A version without a session, which says when it is let go of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.closed = False
        self._users = 0
        self._idle = threading.Condition()
        self._session = self

    def close(self) -> None:
        with self._idle:
            self._idle.wait_for(lambda: not self._users)
        self.closed = True


def versions(root: Path, load: Any = Fake, **settings: Any) -> tuple[ModelVersions, list[str]]:
    said: list[str] = []
    return ModelVersions(ModelSettings("m", root / "m", **settings), root, load, said.append), said


def add(root: Path, *numbers: int) -> None:
    for number in numbers:
        (root / "m" / str(number)).mkdir(parents=True)


def test_the_highest_version_is_served_and_a_new_one_takes_its_place(tmp_path: Path) -> None:
    model, said = versions(tmp_path)
    model.poll()
    assert model.states() == {}
    add(tmp_path, 1, 2)
    model.poll()
    number, second = model.acquire()
    second.__exit__()
    assert number == 2
    add(tmp_path, 10)
    model.poll()
    number, tenth = model.acquire()
    tenth.__exit__()
    assert number == 10
    assert second.closed  # type: ignore[attr-defined]
    assert model.states() == {10: VersionState("AVAILABLE"), 2: VersionState("END")}
    assert said == ["m version 2: available", "m version 10: available", "m version 2: unloaded"]
    model.close()
    assert model.states()[10] == VersionState("END")


def test_a_version_that_is_used_is_drained_while_the_new_one_answers(tmp_path: Path) -> None:
    add(tmp_path, 1)
    model, _ = versions(tmp_path)
    model.poll()
    _, first = model.acquire()
    add(tmp_path, 2)
    polling = threading.Thread(target=model.poll)
    polling.start()
    while model.states()[1].state != "UNLOADING":
        pass
    number, second = model.acquire()
    second.__exit__()
    assert number == 2
    assert not first.closed  # type: ignore[attr-defined]
    with pytest.raises(ServingError, match=r"Servable not found for request: Specific\(m, 1\)"):
        model.acquire(1)
    first.__exit__()
    polling.join(timeout=30)
    assert first.closed  # type: ignore[attr-defined]
    assert model.states()[1].state == "END"


def test_a_version_that_left_its_folder_stays_until_another_is_there(tmp_path: Path) -> None:
    add(tmp_path, 2)
    model, _ = versions(tmp_path)
    model.poll()
    (tmp_path / "m" / "2").rmdir()
    model.poll()
    assert model.states() == {2: VersionState("AVAILABLE")}
    add(tmp_path, 1)
    model.poll()
    assert {number: state.state for number, state in model.states().items()} == {1: "AVAILABLE", 2: "END"}


def test_a_version_that_cannot_be_loaded_is_tried_again_and_the_old_one_stays(tmp_path: Path) -> None:
    tries = []

    def load(folder: Path) -> Servable:
        tries.append(folder.name)
        if folder.name == "2" and len(tries) < 4:
            raise tf.errors.DataLossError(None, None, "damaged")
        return Fake(folder)

    add(tmp_path, 1)
    model, said = versions(tmp_path, load)
    model.poll()
    add(tmp_path, 2)
    model.poll()
    assert model.states() == {
        2: VersionState("END", tf.errors.DATA_LOSS, "damaged"),
        1: VersionState("AVAILABLE"),
    }
    model.poll()
    model.poll()
    assert model.acquire()[0] == 2
    assert tries == ["1", "2", "2", "2"]
    assert said[1] == "m version 2: cannot be loaded (damaged)"


def test_it_gives_a_version_up_after_five_attempts(tmp_path: Path) -> None:
    tries = []

    def load(folder: Path) -> Servable:
        tries.append(folder)
        raise OSError("no SavedModel")

    add(tmp_path, 1)
    model, said = versions(tmp_path, load)
    for _ in range(7):
        model.poll()
    assert len(tries) == 5
    assert said == ["m version 1: cannot be loaded (OSError: no SavedModel)"] * 2
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(m\)"):
        model.acquire()


def test_another_version_under_the_number_of_one_that_was_given_up(tmp_path: Path) -> None:
    whole = []

    def load(folder: Path) -> Servable:
        if not whole:
            raise OSError("no SavedModel")
        return Fake(folder)

    add(tmp_path, 1)
    model, _ = versions(tmp_path, load)
    for _ in range(6):
        model.poll()
    (tmp_path / "m" / "1").rmdir()
    model.poll()
    add(tmp_path, 1)
    whole.append(True)
    model.poll()
    assert model.states() == {1: VersionState("AVAILABLE")}


def test_a_link_out_of_the_folder_is_refused_at_once(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "m").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (root / "m" / "1").symlink_to(tmp_path / "elsewhere")
    model, _ = versions(root)
    model.poll()
    model.poll()
    state = model.states()[1]
    assert (state.state, state.code) == ("END", tf.errors.PERMISSION_DENIED)
    assert "outside the served folder" in state.message


def test_several_versions_and_labels(tmp_path: Path) -> None:
    add(tmp_path, 1, 2, 3)
    model, _ = versions(tmp_path, latest=2, labels={"stable": 2, "gone": 1})
    model.poll()
    assert model.acquire()[0] == 3
    assert model.acquire(label="stable")[0] == 2
    with pytest.raises(ServingError, match="Unrecognized servable version label: other"):
        model.acquire(label="other")
    with pytest.raises(ServingError, match=r"Specific\(m, 1\)"):
        model.acquire(label="gone")
