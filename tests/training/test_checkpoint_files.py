from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from kpt.errors import InputError
from kpt.training.checkpoint_files import check_files, read_state, write_files


class Model:
    """Writes a few bytes where Keras would write a model."""

    def save(self, path: Path) -> None:
        path.write_bytes(bytes(range(200)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_files(tmp_path, Model(), {"step": 3, "random": [[1, 2]]})
    return tmp_path


def test_what_is_written_is_read(folder: Path) -> None:
    check_files(folder)
    assert read_state(folder) == {"step": 3, "random": [[1, 2]]}
    assert json.loads((folder / "checksums.json").read_text())["model.keras"] == {
        "bytes": 200,
        "sha256": hashlib.sha256(bytes(range(200))).hexdigest(),
    }


@pytest.mark.parametrize("name", ["model.keras", "state.json"])
def test_a_file_that_is_not_as_it_was_is_named(folder: Path, name: str) -> None:
    path = folder / name
    whole = path.read_bytes()
    for at in (0, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(InputError, match=rf"{name} cannot be read \(its content is not what was written\); take"):
            check_files(folder)
    path.write_bytes(whole[:-1])
    with pytest.raises(InputError, match=rf"{name} cannot be read \(it has {len(whole) - 1} bytes instead of "):
        check_files(folder)
    path.unlink()
    with pytest.raises(InputError, match=rf"{name} cannot be read \(it is missing\)"):
        check_files(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model.keras": 5}', '{"model.keras": {"bytes": 1}}'])
def test_damaged_checksums(folder: Path, text: str) -> None:
    (folder / "checksums.json").write_text(text)
    with pytest.raises(InputError, match=r"checksums\.json cannot be read"):
        check_files(folder)
    (folder / "checksums.json").unlink()
    with pytest.raises(InputError, match=r"checksums\.json cannot be read \(it is missing\)"):
        check_files(folder)


def test_one_of_an_earlier_version_has_neither_checksums_nor_state(tmp_path: Path) -> None:
    Model().save(tmp_path / "model.keras")
    check_files(tmp_path)
    assert read_state(tmp_path) == {}


def test_a_damaged_state(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(InputError, match=r"state\.json cannot be read"):
        read_state(tmp_path)
