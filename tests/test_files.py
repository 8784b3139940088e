from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kpt.errors import InputError
from kpt.files import atomic_file, atomic_folder, check_writable_folder, write_json

WAITING_WRITER = """
import sys, time
from kpt.files import atomic_folder
with atomic_folder(sys.argv[1]) as folder:
    (folder / "half").write_text("half")
    print("ready", flush=True)
    time.sleep(600)
"""


def start_waiting_writer(target: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", WAITING_WRITER, target], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "new"
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~current_umask()


def test_a_file_that_another_took_the_place_of_is_as_readable(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a.bin") as temporary:  # as safetensors writes
        (tmp_path / "other").write_bytes(b"other")
        (tmp_path / "other").chmod(0o600)
        os.replace(tmp_path / "other", temporary)
    assert (tmp_path / "a.bin").read_bytes() == b"other"
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "new" / "store") as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner" / "a").write_text("1")
        assert names(tmp_path / "new") == [temporary.name]
    assert (tmp_path / "new" / "store" / "inner" / "a").read_text() == "1"
    assert names(tmp_path / "new") == ["store"]


def test_a_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "store") as temporary:
        (temporary / "a").write_text("1")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_folder_that_holds_something_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "mine").write_text("1")
    with pytest.raises(InputError, match="exists and is not empty"), atomic_folder(tmp_path / "store"):
        pytest.fail("the block must not run")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file where a folder"), atomic_folder(tmp_path / "file"):
        pytest.fail("the block must not run")


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with atomic_folder(tmp_path / "store") as temporary:
        (temporary / "a").write_text("1")
    assert names(tmp_path / "store") == ["a"]


def test_overwriting_replaces_the_folder_when_the_new_one_is_complete(tmp_path: Path) -> None:
    for text in ("1", "2"):
        with atomic_folder(tmp_path / "store", overwrite=True) as temporary:
            (temporary / text).write_text(text)
    assert names(tmp_path / "store") == ["2"]
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "store", overwrite=True):
        raise RuntimeError
    assert names(tmp_path / "store") == ["2"]
    assert names(tmp_path) == ["store"]


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    target = tmp_path / "store [1]"
    dead, living = start_waiting_writer(target), start_waiting_writer(target)
    try:
        assert len(names(tmp_path)) == 2
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        with atomic_folder(target) as temporary:
            left = [name for name in names(tmp_path) if name != temporary.name]
            assert len(left) == 1 and (tmp_path / left[0] / "half").is_file()
            (temporary / "a").write_text("1")
    finally:
        for process in (dead, living):
            process.kill()
            process.wait()
            assert process.stdout
            process.stdout.close()
    with atomic_folder(target, overwrite=True):
        pass
    assert names(tmp_path) == ["store [1]"]


def test_a_replacement_killed_between_its_renames_is_undone(tmp_path: Path) -> None:
    (tmp_path / ".store.abcdefgh.replaced").mkdir()
    (tmp_path / ".store.abcdefgh.replaced" / "old").write_text("1")
    (tmp_path / ".store.abcdefgh.partial").mkdir()
    with pytest.raises(InputError, match="exists and is not empty"), atomic_folder(tmp_path / "store"):
        pytest.fail("the block must not run")
    assert names(tmp_path / "store") == ["old"]
    assert names(tmp_path) == ["store"]


def test_what_another_target_with_a_longer_name_left_is_not_touched(tmp_path: Path) -> None:
    left = tmp_path / ".store.v2.abcdefgh.replaced"
    left.mkdir()
    (left / "only copy").write_text("1")
    for text in ("1", "2"):
        with atomic_folder(tmp_path / "store", overwrite=True) as temporary:
            (temporary / text).write_text(text)
    assert names(left) == ["only copy"]
    assert names(tmp_path / "store") == ["2"]
    with pytest.raises(InputError, match="exists and is not empty"), atomic_folder(tmp_path / "store.v2"):
        pytest.fail("the block must not run")
    assert names(tmp_path / "store.v2") == ["only copy"]


def test_json_is_readable_and_strict(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": "é", "a": [1]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "b": "é",\n  "a": [\n    1\n  ]\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"b": "é", "a": [1]}


def test_a_folder_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    assert check_writable_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write to the folder .*file.inner .*choose another"):
        check_writable_folder(tmp_path / "file" / "inner")
    with pytest.raises(InputError, match="cannot write"):
        check_writable_folder("/proc/nothing")
